#include "vector/detail/index_file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/unique_fd.h"

namespace lakehouse::vector {

namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");
static_assert(sizeof(IndexFile::Header) <= IndexFile::kPageBytes);
static_assert(sizeof(IndexFile::SketchHeader) <= IndexFile::kPageBytes);

constexpr std::array<char, 8> kMagic = {'L', 'H', 'V', 'I', 'N', 'D', 'E', 'X'};
constexpr std::array<char, 8> kSketchMagic = {'L', 'H', 'S', 'K', 'E', 'T', 'C', 'H'};
constexpr std::uint32_t kSketchVersion = 1;
constexpr std::size_t kPieceBytes = std::size_t{8} << 20U;

std::uint64_t sum_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

template <class Header>
std::uint64_t sum_of_header(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, sum));
}

std::unexpected<Error> broken(const std::string& path, std::string_view why) {
  return fail(ErrorCode::DataLoss, fmt::format("the index file {} is damaged: {}", path, why),
              "Build the index again.");
}

std::unexpected<Error> failed(const std::string& path, std::string_view doing, int error) {
  const ErrorCode code = error == ENOENT                      ? ErrorCode::NotFound
                         : error == ENOSPC || error == EDQUOT ? ErrorCode::ResourceExhausted
                                                              : ErrorCode::Unavailable;
  return fail(code, fmt::format("{} the index file {}: {}", doing, path, std::strerror(error)));
}

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + IndexFile::kPageBytes - 1) / IndexFile::kPageBytes * IndexFile::kPageBytes;
}

/// How long each part is; the note's and the upper levels' lengths are not for the header to say.
std::array<std::uint64_t, IndexFile::Parts> lengths_of(const IndexFile::Header& header) {
  const TableData table(header.dimensions);
  const std::uint64_t size = header.size;
  std::array<std::uint64_t, IndexFile::Parts> lengths{};
  lengths[IndexFile::Note] = header.sections[IndexFile::Note].bytes;
  lengths[IndexFile::Levels] = size;
  lengths[IndexFile::Residuals] = size * sizeof(float);
  lengths[IndexFile::Ground] = size * (2 * std::uint64_t{header.m} + 1) * sizeof(std::uint32_t);
  lengths[IndexFile::Upper] = header.sections[IndexFile::Upper].bytes;
  lengths[IndexFile::Codes] = size * table.encoder.code_bytes();
  lengths[IndexFile::Vectors] = size * table.stride * sizeof(float);
  return lengths;
}

IndexOptions options_of(const IndexFile::Header& header) {
  return {.dimensions = header.dimensions,
          .m = header.m,
          .ef_construction = header.ef_construction,
          .quantization = header.quantization == 0 ? Quantization::Int8 : Quantization::None,
          .seed = header.seed};
}

/// DataLoss if the header cannot be one, or a part lies outside of the file.
Status check_header(const IndexFile::Header& header, std::uint64_t bytes, const std::string& path) {
  if (std::memcmp(header.magic, kMagic.data(), kMagic.size()) != 0) {
    return broken(path, "it is no index file");
  }
  if (header.version != IndexFile::kVersion) {
    return fail(ErrorCode::FailedPrecondition,
                fmt::format("the index file {} has version {}, this program reads version {}", path,
                            header.version, IndexFile::kVersion),
                "Build the index again.");
  }
  if (header.sum != sum_of_header(header)) {
    return broken(path, "its header's sum is wrong");
  }
  if (!options_of(header).check() || header.quantization > 1 || header.size > RowSet::kRowsMax ||
      header.sections[IndexFile::Note].bytes > VectorIndex::kNoteBytesMax) {
    return broken(path, "its header has impossible numbers");
  }
  const std::array<std::uint64_t, IndexFile::Parts> lengths = lengths_of(header);
  std::uint64_t at = IndexFile::kPageBytes;
  for (std::size_t i = 0; i < IndexFile::Parts; ++i) {
    const IndexFile::Section& section = header.sections[i];
    if (section.at != at || section.bytes != lengths[i] || section.bytes > bytes ||
        section.at > bytes - section.bytes) {
      return broken(path, "it was cut, or its parts are not where they belong");
    }
    at = whole_pages(at + section.bytes);
  }
  return {};
}

Result<std::unique_ptr<IndexFile>> map_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return failed(path, "cannot open", errno);
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) {
    return failed(path, "cannot read", errno);
  }
  const auto bytes = static_cast<std::uint64_t>(info.st_size);
  if (!S_ISREG(info.st_mode) || bytes < IndexFile::kPageBytes) {
    return broken(path, "it is too short");
  }
  IndexFile::Header header;
  if (::pread(fd.get(), &header, sizeof(header), 0) != static_cast<ssize_t>(sizeof(header))) {
    return failed(path, "cannot read", errno);
  }
  LH_RETURN_IF_ERROR(check_header(header, bytes, path));
  void* const data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) {
    return failed(path, "cannot map", errno);
  }
  const IndexFile::Section& vectors = header.sections[IndexFile::Vectors];
  ::madvise(static_cast<std::byte*>(data) + vectors.at, vectors.bytes, MADV_RANDOM);
  return std::make_unique<IndexFile>(static_cast<const std::byte*>(data), bytes, header);
}

/// A copy in memory: what is checked once must not change with the file.
Status read_part(const IndexFile& file, IndexFile::Part part, const std::string& path, Pages& out) {
  const std::span<const std::byte> bytes = file.part(part);
  LH_RETURN_IF_ERROR(out.reserve(std::max<std::size_t>(bytes.size(), 1)));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  if (sum_of({out.data(), bytes.size()}) != file.header().sections[part].sum) {
    return broken(path, "the sum of a part is wrong");
  }
  return {};
}

Status read_graph(const IndexFile& file, const std::string& path, Graph& graph) {
  const IndexFile::Header& header = file.header();
  Pages levels;
  LH_RETURN_IF_ERROR(read_part(file, IndexFile::Levels, path, levels));
  graph.m = header.m;
  graph.size = header.size;
  graph.entry = header.entry;
  graph.top = header.top;
  graph.levels.assign(levels.as<std::uint8_t>(), levels.as<std::uint8_t>() + header.size);
  graph.upper_at.reserve(header.size);
  std::uint64_t next = 0;
  for (const std::uint8_t level : graph.levels) {
    if (level > Graph::kLevelMax) {
      return broken(path, "a row's level is too high");
    }
    graph.upper_at.push_back(static_cast<std::uint32_t>(next));
    next += level;
  }
  if (next > RowSet::kRowsMax || graph.upper_bytes() != file.part(IndexFile::Upper).size()) {
    return broken(path, "its upper levels do not belong to its rows");
  }
  LH_RETURN_IF_ERROR(read_part(file, IndexFile::Ground, path, graph.ground));
  LH_RETURN_IF_ERROR(read_part(file, IndexFile::Upper, path, graph.upper));
  if (const Status status = graph.check(); !status) {
    return broken(path, status.error().message);
  }
  return {};
}

/// What a sketch of these rows looks like, but for its bytes.
Sketch::Parts shape_of(std::size_t i, std::uint32_t size) {
  Sketch::Parts shape;
  shape.length = i == 0 ? Sketches::kCoarseBytes : Sketches::kFineBytes;
  shape.size = size;
  shape.packed = i == 0;
  return shape;
}

std::uint64_t directions_bytes(const Sketch::Parts& shape, const TableData& rows) {
  return (shape.length - Sketch::kLengths) * rows.stride * sizeof(float);
}

/// Where sketches begin, if there are any.
std::uint64_t sketches_at(const IndexFile::Header& header) {
  const IndexFile::Section& last = header.sections[IndexFile::Parts - 1];
  return whole_pages(last.at + last.bytes);
}

/// None if the file has none that this program knows. DataLoss if they are damaged.
Result<std::optional<IndexFile::SketchHeader>> find_sketches(const IndexFile& file,
                                                             const TableData& rows,
                                                             const std::string& path) {
  std::uint64_t at = sketches_at(file.header());
  if (file.bytes() < at + IndexFile::kPageBytes) {
    return std::nullopt;
  }
  IndexFile::SketchHeader header;
  std::memcpy(&header, file.at({.at = at, .bytes = sizeof(header)}).data(), sizeof(header));
  if (std::memcmp(header.magic, kSketchMagic.data(), kSketchMagic.size()) != 0 ||
      header.version != kSketchVersion) {
    return std::nullopt;
  }
  if (header.sum != sum_of_header(header)) {
    return broken(path, "its sketches' sum is wrong");
  }
  bool fits = header.size == rows.size;
  at += IndexFile::kPageBytes;
  for (std::size_t i = 0; i < std::size(header.parts); ++i) {
    const IndexFile::SketchHeader::Part& part = header.parts[i];
    const Sketch::Parts shape = shape_of(i, rows.size);
    fits = fits && part.length == shape.length && (part.packed != 0) == shape.packed &&
           part.rest_step > 0 && part.rest_step < 1 && part.error_step > 0 && part.error_step < 1 &&
           part.directions.at == at && part.directions.bytes == directions_bytes(shape, rows) &&
           part.codes.at == whole_pages(at + part.directions.bytes) &&
           part.codes.bytes == shape.codes_bytes();
    at = whole_pages(whole_pages(at + directions_bytes(shape, rows)) + shape.codes_bytes());
  }
  if (!fits || at > file.bytes()) {
    return broken(path, "its sketches were cut, or are not of its rows");
  }
  return header;
}

Status read_sketches(IndexFile& file, const std::string& path, TableData& rows) {
  LH_ASSIGN_OR_RETURN(const std::optional<IndexFile::SketchHeader> header,
                      find_sketches(file, rows, path));
  if (!header) {
    return {};
  }
  for (std::size_t i = 0; i < std::size(header->parts); ++i) {
    const IndexFile::SketchHeader::Part& part = header->parts[i];
    const std::span<const std::byte> bytes = file.at(part.directions);
    std::vector<float> directions(bytes.size() / sizeof(float));
    std::memcpy(directions.data(), bytes.data(), bytes.size());
    if (sum_of(std::as_bytes(std::span(directions))) != part.directions.sum ||
        !std::ranges::all_of(directions, [](float value) { return std::abs(value) < 1.01F; })) {
      return broken(path, "its sketches' directions are none");
    }
    Sketch::Parts parts = shape_of(i, rows.size);
    parts.rest_step = part.rest_step;
    parts.error_step = part.error_step;
    parts.directions = directions;
    const std::span<const std::byte> codes = file.at(part.codes);
    parts.codes = {reinterpret_cast<const std::uint8_t*>(codes.data()), codes.size()};
    (i == 0 ? rows.sketches.coarse : rows.sketches.fine) = Sketch::open(parts);
  }
  file.set_sketches(*header);
  return {};
}

/// What is not read when a file is opened.
std::vector<IndexFile::Section> large_sections(const IndexFile& file) {
  std::vector<IndexFile::Section> out = {file.header().sections[IndexFile::Codes],
                                         file.header().sections[IndexFile::Vectors]};
  if (const IndexFile::SketchHeader* sketches = file.sketches(); sketches != nullptr) {
    for (const IndexFile::SketchHeader::Part& part : sketches->parts) {
      out.push_back(part.codes);
    }
  }
  return out;
}

class Writer {
 public:
  Writer(int fd, const std::string& path) : fd_(fd), path_(path) {}

  Status write(std::span<const std::byte> bytes, std::uint64_t at) {
    while (!bytes.empty()) {
      const ssize_t done =
          ::pwrite(fd_, bytes.data(), std::min(bytes.size(), kPieceBytes), static_cast<off_t>(at));
      if (done < 0 && errno != EINTR) {
        return failed(path_, "cannot write", errno);
      }
      const auto length = static_cast<std::size_t>(std::max<ssize_t>(done, 0));
      bytes = bytes.subspan(length);
      at += length;
    }
    return {};
  }

 private:
  int fd_;
  const std::string& path_;
};

std::span<const std::byte> bytes_of(const void* data, std::size_t bytes) {
  return {static_cast<const std::byte*>(data), bytes};
}

std::array<std::span<const std::byte>, IndexFile::Parts> parts_of(const IndexContent& content) {
  const TableData& rows = *content.rows;
  const std::size_t size = rows.size;
  std::array<std::span<const std::byte>, IndexFile::Parts> parts;
  parts[IndexFile::Note] = bytes_of(content.note.data(), content.note.size());
  parts[IndexFile::Levels] = bytes_of(content.graph.levels.data(), size);
  parts[IndexFile::Residuals] = bytes_of(rows.residuals, size * sizeof(float));
  parts[IndexFile::Ground] = bytes_of(content.graph.ground.data(), content.graph.ground_bytes());
  parts[IndexFile::Upper] = bytes_of(content.graph.upper.data(), content.graph.upper_bytes());
  parts[IndexFile::Codes] = bytes_of(rows.codes, size * rows.encoder.code_bytes());
  parts[IndexFile::Vectors] = bytes_of(rows.vectors, size * rows.stride * sizeof(float));
  return parts;
}

/// Sketches from `at` on; where they end.
Result<std::uint64_t> write_sketches(const TableData& rows, Writer& writer, std::uint64_t at) {
  if (rows.sketches.empty()) {
    return at;
  }
  IndexFile::SketchHeader header;
  std::memcpy(header.magic, kSketchMagic.data(), kSketchMagic.size());
  header.version = kSketchVersion;
  header.size = rows.size;
  const std::uint64_t header_at = at;
  at += IndexFile::kPageBytes;
  const auto write = [&](std::span<const std::byte> bytes, IndexFile::Section& section) -> Status {
    section = {.at = at, .bytes = bytes.size(), .sum = sum_of(bytes)};
    at = whole_pages(at + bytes.size());
    return writer.write(bytes, section.at);
  };
  for (std::size_t i = 0; i < std::size(header.parts); ++i) {
    const Sketch::Parts& parts = (i == 0 ? rows.sketches.coarse : rows.sketches.fine).parts();
    IndexFile::SketchHeader::Part& part = header.parts[i];
    part.length = parts.length;
    part.packed = parts.packed ? 1 : 0;
    part.rest_step = parts.rest_step;
    part.error_step = parts.error_step;
    LH_RETURN_IF_ERROR(write(std::as_bytes(parts.directions), part.directions));
    LH_RETURN_IF_ERROR(write(std::as_bytes(parts.codes), part.codes));
  }
  header.sum = sum_of_header(header);
  LH_RETURN_IF_ERROR(writer.write(bytes_of(&header, sizeof(header)), header_at));
  return at;
}

Status write_parts(const IndexContent& content, int fd, const std::string& path) {
  IndexFile::Header header;
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = IndexFile::kVersion;
  header.dimensions = content.options.dimensions;
  header.m = content.options.m;
  header.ef_construction = content.options.ef_construction;
  header.quantization = content.options.quantization == Quantization::Int8 ? 0 : 1;
  header.size = content.rows->size;
  header.entry = content.graph.entry;
  header.top = content.graph.top;
  header.seed = content.options.seed;
  Writer writer(fd, path);
  std::uint64_t at = IndexFile::kPageBytes;
  const auto parts = parts_of(content);
  for (std::size_t i = 0; i < IndexFile::Parts; ++i) {
    header.sections[i] = {.at = at, .bytes = parts[i].size(), .sum = sum_of(parts[i])};
    LH_RETURN_IF_ERROR(writer.write(parts[i], at));
    at = whole_pages(at + parts[i].size());
  }
  header.sum = sum_of_header(header);
  LH_RETURN_IF_ERROR(writer.write(bytes_of(&header, sizeof(header)), 0));
  LH_ASSIGN_OR_RETURN(at, write_sketches(*content.rows, writer, at));
  if (::ftruncate(fd, static_cast<off_t>(at)) != 0 || ::fsync(fd) != 0) {
    return failed(path, "cannot write", errno);
  }
  return {};
}

Status sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const UniqueFd fd(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) {
    return failed(path, "cannot write", errno);
  }
  return {};
}

}  // namespace

IndexFile::~IndexFile() {
  // The kernel's interface has no const.
  ::munmap(const_cast<std::byte*>(data_), bytes_);
}

Result<IndexContent> read_index_file(const std::string& path) {
  LH_ASSIGN_OR_RETURN(std::unique_ptr<IndexFile> file, map_file(path));
  const IndexFile::Header& header = file->header();
  const std::span<const std::byte> note = file->part(IndexFile::Note);
  IndexContent content{.options = options_of(header),
                       .note = std::string(reinterpret_cast<const char*>(note.data()), note.size()),
                       .graph = {},
                       .table = VectorTable(1),
                       .rows = nullptr,
                       .file = nullptr};
  if (sum_of(bytes_of(content.note.data(), content.note.size())) !=
      header.sections[IndexFile::Note].sum) {
    return broken(path, "the sum of a part is wrong");
  }
  LH_RETURN_IF_ERROR(read_graph(*file, path, content.graph));
  auto rows = std::make_unique<TableData>(header.dimensions);
  LH_RETURN_IF_ERROR(read_part(*file, IndexFile::Residuals, path, rows->own_residuals));
  rows->size = header.size;
  rows->residuals = rows->own_residuals.as<float>();
  if (!std::all_of(rows->residuals, rows->residuals + rows->size,
                   [](float residual) { return std::isfinite(residual) && residual >= 0; })) {
    return broken(path, "the bounds of its codes are no lengths");
  }
  rows->note_residuals(0);
  rows->codes = reinterpret_cast<const std::uint8_t*>(file->part(IndexFile::Codes).data());
  rows->vectors = reinterpret_cast<const float*>(file->part(IndexFile::Vectors).data());
  LH_RETURN_IF_ERROR(read_sketches(*file, path, *rows));
  content.table = VectorTable(std::move(rows));
  content.rows = &content.table.data();
  content.file = std::move(file);
  return content;
}

Status verify_index_file(const RequestContext& context, const IndexFile& file) {
  for (const IndexFile::Section& section : large_sections(file)) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    std::span<const std::byte> bytes = file.at(section);
    while (!bytes.empty()) {
      LH_RETURN_IF_ERROR(context.check());
      const std::span<const std::byte> piece = bytes.first(std::min(bytes.size(), kPieceBytes));
      XXH3_64bits_update(&state, piece.data(), piece.size());
      bytes = bytes.subspan(piece.size());
    }
    if (XXH3_64bits_digest(&state) != section.sum) {
      return fail(ErrorCode::DataLoss, "the index file is damaged: the sum of its vectors is wrong",
                  "Build the index again.");
    }
  }
  return {};
}

Status touch_index_file(const RequestContext& context, const IndexFile& file) {
  volatile std::byte sink{};
  for (const IndexFile::Section& section : large_sections(file)) {
    if (section.at == file.header().sections[IndexFile::Vectors].at) {
      continue;  // Few of them are read.
    }
    const std::span<const std::byte> bytes = file.at(section);
    for (std::size_t at = 0; at < bytes.size(); at += IndexFile::kPageBytes) {
      if (at % kPieceBytes == 0) {
        LH_RETURN_IF_ERROR(context.check());
      }
      sink = bytes[at];
    }
  }
  static_cast<void>(sink);
  return {};
}

Status write_index_file(const IndexContent& content, const std::string& path) {
  static std::atomic<std::uint64_t> number{0};
  const std::string scratch = fmt::format("{}.{}-{}.tmp", path, ::getpid(), ++number);
  const UniqueFd fd(::open(scratch.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) {
    return failed(scratch, "cannot make", errno);
  }
  Status status = write_parts(content, fd.get(), path);
  if (status && ::rename(scratch.c_str(), path.c_str()) != 0) {
    status = failed(path, "cannot write", errno);
  }
  if (!status) {
    ::unlink(scratch.c_str());
    return status;
  }
  return sync_folder(path);
}

}  // namespace lakehouse::vector
