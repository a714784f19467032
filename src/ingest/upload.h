#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/hash.h"
#include "base/unique_fd.h"
#include "ingest/decompressor.h"
#include "ingest/text_codec.h"
#include "query/staging.h"

namespace lakehouse::ingest {

enum class FileFormat : std::uint8_t { Csv, JsonArray, JsonLines, JsonValues, Parquet };
std::string_view to_string(FileFormat format);  ///< "CSV", "JSON", "NDJSON", "JSON", "Parquet".

/// A file on its way in: written to staging as it arrives, unpacked and in UTF-8, while its content
/// is summed up and looked at. Not thread-safe; calls block on the disk. What was staged goes when
/// it goes.
class Upload {
 public:
  struct Limits {
    std::uint64_t bytes_max = 1ULL << 40U;           ///< As sent.
    std::uint64_t unpacked_bytes_max = 1ULL << 40U;  ///< As staged.
  };

  static Result<std::unique_ptr<Upload>> open(query::StagingFolder folder, Limits limits);

  /// InvalidArgument for what cannot be a table (an archive, a workbook, a picture) as soon as that
  /// shows; ResourceExhausted past the limits.
  Status write(std::string_view bytes);

  /// Ends the file. `file_name` (may be empty) decides where the content leaves it open.
  /// InvalidArgument for an empty file.
  Status finish(std::string_view file_name);

  // Valid after `finish`.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& folder() const { return folder_.path(); }
  [[nodiscard]] const std::string& sha256() const { return sha256_; }  ///< Of the bytes as sent.
  [[nodiscard]] std::uint64_t size_bytes() const { return received_bytes_; }
  [[nodiscard]] std::uint64_t staged_bytes() const { return staged_bytes_; }
  [[nodiscard]] FileFormat format() const { return format_; }
  [[nodiscard]] Compression compression() const { return compression_; }
  [[nodiscard]] TextEncoding encoding() const { return encoding_; }
  /// The start of what was staged, at most 64 KiB.
  [[nodiscard]] const std::string& head() const { return head_; }

 private:
  Upload(query::StagingFolder folder, Limits limits)
      : folder_(std::move(folder)), limits_(limits), path_(folder_.path() + "/upload") {}

  Status start(std::string_view bytes);
  Status unpacked(std::string_view bytes);
  Status start_content();
  Status stage(std::string_view bytes);
  Status flush();
  Status transcode_staged(TextEncoding from);
  Status open_file(const std::string& path);

  query::StagingFolder folder_;
  Limits limits_;
  std::string path_;
  UniqueFd file_;
  std::string sha256_;
  Sha256 sum_;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t staged_bytes_ = 0;
  std::string pending_;          ///< Raw bytes, until there are enough to tell the compression.
  std::string pending_content_;  ///< Unpacked bytes, until there are enough to tell the encoding.
  bool started_ = false;
  bool content_started_ = false;
  bool is_parquet_ = false;
  Compression compression_ = Compression::None;
  std::unique_ptr<Decompressor> decompressor_;
  TextEncoding encoding_ = TextEncoding::Utf8;
  std::optional<Transcoder> transcoder_;
  std::string transcoded_;
  Utf8Counter utf8_;
  std::string buffer_;
  std::string head_;
  FileFormat format_ = FileFormat::Csv;
};

/// What the start of a text is, by its first characters and, in doubt, by the file's name.
FileFormat text_format(std::string_view head, std::string_view file_name);

}  // namespace lakehouse::ingest
