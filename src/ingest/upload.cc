#include "ingest/upload.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include <boost/json/stream_parser.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace lakehouse::ingest {

namespace {

constexpr std::size_t kHeadBytes = std::size_t{64} << 10U;
constexpr std::size_t kBufferBytes = std::size_t{1} << 20U;
constexpr std::size_t kMagicBytes = 8;
/// Enough to see the zeros of UTF-16.
constexpr std::size_t kContentStartBytes = 512;

struct Magic {
  std::string_view start;
  std::string_view what;
  std::string_view hint;
};

constexpr std::array<Magic, 13> kRefused = {{
    {"PK\x03\x04", "a ZIP archive or an Office workbook",
     "Send the files in it one by one; save a workbook's sheets as CSV."},
    {"\xD0\xCF\x11\xE0", "an old Office document", "Save the sheet as CSV."},
    {"%PDF", "a PDF document", ""},
    {"BZh", "packed with bzip2", "Unpack it, or pack it with gzip or zstd."},
    {"\xFD"
     "7zXZ",
     "packed with xz", "Unpack it, or pack it with gzip or zstd."},
    {"7z\xBC\xAF", "a 7-Zip archive", "Unpack it first."},
    {"Rar!", "a RAR archive", "Unpack it first."},
    {"ORC", "an ORC file", "Convert it to Parquet."},
    {"Obj\x01", "an Avro file", "Convert it to Parquet."},
    {"ARROW1", "an Arrow file", "Convert it to Parquet."},
    {"SQLite f", "an SQLite database", ""},
    {"\x89PNG", "a picture", ""},
    {"\xFF\xD8\xFF", "a picture", ""},
}};

Status check_magic(std::string_view head) {
  for (const Magic& magic : kRefused) {
    if (head.starts_with(magic.start)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the file is {}, not CSV, JSON or Parquet", magic.what),
                  std::string(magic.hint));
    }
  }
  return {};
}

Status write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      const int problem = errno;
      return fail(problem == ENOSPC ? ErrorCode::ResourceExhausted : ErrorCode::Unavailable,
                  "cannot write to staging: " + std::system_category().message(problem));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

std::string_view extension(std::string_view file_name) {
  for (const std::string_view packed : {".gz", ".zst", ".gzip", ".zstd"}) {
    if (file_name.ends_with(packed)) {
      file_name.remove_suffix(packed.size());
      break;
    }
  }
  const std::size_t dot = file_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : file_name.substr(dot + 1);
}

/// Whether the text's first line alone is a JSON value: then every line is one.
bool first_line_is_value(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) {
    return true;
  }
  const std::size_t end = text.find('\n', begin);
  if (end == std::string_view::npos) {
    // A line that is longer than what there is to see, or the only one.
    return true;
  }
  boost::json::stream_parser parser;
  boost::system::error_code problem;
  parser.write(text.data() + begin, end - begin, problem);
  if (problem) {
    // Broken, or values that follow each other on a line: a bad line among lines, rather.
    return true;
  }
  return parser.done();
}

}  // namespace

std::string_view to_string(FileFormat format) {
  switch (format) {
    case FileFormat::Csv: return "CSV";
    case FileFormat::JsonLines: return "NDJSON";
    case FileFormat::JsonArray:
    case FileFormat::JsonValues: return "JSON";
    case FileFormat::Parquet: return "Parquet";
  }
  return "unknown";
}

FileFormat text_format(std::string_view head, std::string_view file_name) {
  const std::string name = to_lower(file_name);
  const std::string_view type = extension(name);
  const std::size_t begin = head.find_first_not_of(" \t\r\n");
  const char first = begin == std::string_view::npos ? '\0' : head[begin];
  const bool named_table = type == "csv" || type == "tsv" || type == "tab" || type == "psv";
  const bool named_json =
      type == "json" || type == "ndjson" || type == "jsonl" || type == "geojson";
  if (named_table || (!named_json && first != '{' && first != '[')) {
    return FileFormat::Csv;
  }
  if (first == '[' && type != "ndjson" && type != "jsonl") {
    return FileFormat::JsonArray;
  }
  return type == "ndjson" || type == "jsonl" || first_line_is_value(head) ? FileFormat::JsonLines
                                                                          : FileFormat::JsonValues;
}

Result<std::unique_ptr<Upload>> Upload::open(query::StagingFolder folder, Limits limits) {
  std::unique_ptr<Upload> upload(new Upload(std::move(folder), limits));
  LH_RETURN_IF_ERROR(upload->open_file(upload->path_));
  upload->buffer_.reserve(kBufferBytes);
  return upload;
}

Status Upload::open_file(const std::string& path) {
  file_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!file_) {
    return fail(ErrorCode::Unavailable,
                "cannot write to staging: " + std::system_category().message(errno));
  }
  return {};
}

Status Upload::write(std::string_view bytes) {
  received_bytes_ += bytes.size();
  if (received_bytes_ > limits_.bytes_max) {
    return fail(ErrorCode::ResourceExhausted,
                fmt::format("the file is longer than {} bytes", limits_.bytes_max));
  }
  sum_.update(std::as_bytes(std::span(bytes)));
  if (!started_) {
    pending_ += bytes;
    if (pending_.size() < kMagicBytes) {
      return {};
    }
    const std::string first = std::exchange(pending_, {});
    return start(first);
  }
  return decompressor_ ? decompressor_->update(
                             bytes, [this](std::string_view more) { return unpacked(more); })
                       : unpacked(bytes);
}

Status Upload::start(std::string_view bytes) {
  started_ = true;
  compression_ = compression_at_start(bytes);
  decompressor_ = Decompressor::of(compression_, limits_.unpacked_bytes_max);
  return decompressor_ ? decompressor_->update(
                             bytes, [this](std::string_view more) { return unpacked(more); })
                       : unpacked(bytes);
}

Status Upload::unpacked(std::string_view bytes) {
  if (content_started_) {
    return stage(bytes);
  }
  pending_content_ += bytes;
  return pending_content_.size() < kContentStartBytes ? Status() : start_content();
}

Status Upload::start_content() {
  content_started_ = true;
  const std::string first = std::exchange(pending_content_, {});
  LH_RETURN_IF_ERROR(check_magic(first));
  is_parquet_ = first.starts_with("PAR1");
  if (is_parquet_) {
    return stage(first);
  }
  const EncodingStart start = encoding_at_start(first);
  encoding_ = start.encoding;
  if (encoding_ != TextEncoding::Utf8) {
    transcoder_.emplace(encoding_);
  }
  return stage(std::string_view(first).substr(start.mark_bytes));
}

Status Upload::stage(std::string_view bytes) {
  if (transcoder_) {
    transcoded_.clear();
    transcoder_->update(bytes, &transcoded_);
    bytes = transcoded_;
  } else if (!is_parquet_) {
    utf8_.update(bytes);
  }
  if (head_.size() < kHeadBytes) {
    head_ += bytes.substr(0, kHeadBytes - head_.size());
  }
  staged_bytes_ += bytes.size();
  if (buffer_.empty() && bytes.size() >= kBufferBytes / 4) {
    return write_all(file_.get(), bytes);
  }
  buffer_ += bytes;
  return buffer_.size() < kBufferBytes ? Status() : flush();
}

Status Upload::flush() {
  Status written = write_all(file_.get(), buffer_);
  buffer_.clear();
  return written;
}

Status Upload::finish(std::string_view file_name) {
  if (received_bytes_ == 0) {
    return fail(ErrorCode::InvalidArgument, "the file is empty",
                "Send at least a header line, a JSON object or a Parquet file.");
  }
  if (!started_) {
    const std::string first = std::exchange(pending_, {});
    LH_RETURN_IF_ERROR(start(first));
  }
  if (decompressor_) {
    LH_RETURN_IF_ERROR(decompressor_->finish());
  }
  if (!content_started_) {
    LH_RETURN_IF_ERROR(start_content());
  }
  if (transcoder_) {
    transcoded_.clear();
    transcoder_->finish(&transcoded_);
    buffer_ += transcoded_;
  }
  LH_RETURN_IF_ERROR(flush());
  utf8_.finish();
  const Sha256::Digest digest = sum_.finish();
  sha256_ = to_hex(digest);
  if (!is_parquet_ && !transcoder_ && utf8_.guess() != TextEncoding::Utf8) {
    LH_RETURN_IF_ERROR(transcode_staged(utf8_.guess()));
  }
  file_.reset();
  if (is_parquet_) {
    format_ = FileFormat::Parquet;
    return {};
  }
  format_ = text_format(head_, file_name);
  if (head_.find_first_not_of(" \t\r\n") == std::string::npos && staged_bytes_ <= head_.size()) {
    return fail(ErrorCode::InvalidArgument, "the file holds nothing but white space",
                "Send at least a header line, a JSON object or a Parquet file.");
  }
  return {};
}

/// Only the end of the text shows that it is not UTF-8: it is written once more.
Status Upload::transcode_staged(TextEncoding from) {
  const std::string old_path = std::exchange(path_, path_ + ".utf8");
  LH_RETURN_IF_ERROR(open_file(path_));
  const UniqueFd in(::open(old_path.c_str(), O_RDONLY | O_CLOEXEC));
  encoding_ = from;
  staged_bytes_ = 0;
  head_.clear();
  transcoder_.emplace(from);
  std::string piece(kBufferBytes, '\0');
  while (true) {
    const ssize_t got = ::read(in.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(ErrorCode::Unavailable,
                  "cannot read staging: " + std::system_category().message(errno));
    }
    if (got == 0) {
      break;
    }
    LH_RETURN_IF_ERROR(stage(std::string_view(piece).substr(0, static_cast<std::size_t>(got))));
  }
  ::unlink(old_path.c_str());
  return flush();
}

}  // namespace lakehouse::ingest
