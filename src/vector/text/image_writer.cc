#include "vector/text/image_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/unique_fd.h"

namespace lakehouse::vector {

ImageWriter::ImageWriter(Analysis analysis, const std::vector<std::string_view>& terms)
    : terms_(terms), lists_(terms.size()) {
  header_.analysis = static_cast<std::uint32_t>(analysis);
}

void ImageWriter::add(Row row, std::uint32_t length, const Terms& terms) {
  lengths_.resize(row + std::size_t{1}, 0);
  document_ends_.resize(row + std::size_t{1}, documents_.size());
  lengths_[row] = length;
  std::uint32_t before = 0;
  for (const auto& [term, count] : terms) {
    append_varint(documents_, term - before);
    append_varint(documents_, count);
    before = term;
    List& list = lists_[term];
    if (list.rows % kBlockRows == 0) {
      list.blocks.push_back({.begin = list.bytes.size(),
                             .last_row = 0,
                             .count_max = 0,
                             .length_min = static_cast<std::uint16_t>(kCountMax)});
    }
    append_posting(list.bytes, list.last_row, row, count);
    list.last_row = row;
    ++list.rows;
    BlockInfo& block = list.blocks.back();
    block.last_row = row;
    block.count_max = static_cast<std::uint16_t>(
        std::max<std::uint32_t>(block.count_max, std::min(count, kCountMax)));
    block.length_min = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(block.length_min, std::min(length, kCountMax)));
  }
  document_ends_[row] = documents_.size();
  ++header_.rows;
  header_.length_sum += length;
}

namespace {

void append_section(std::string& out, ImageHeader& header, Section which, std::string_view bytes) {
  out.resize((out.size() + 7) / 8 * 8, '\0');
  header.begin[static_cast<std::size_t>(which)] = out.size();
  header.bytes[static_cast<std::size_t>(which)] = bytes.size();
  out.append(bytes);
}

template <class T>
std::string_view bytes_of(const std::vector<T>& items) {
  return {reinterpret_cast<const char*>(items.data()), items.size() * sizeof(T)};
}

}  // namespace

Result<std::string> ImageWriter::finish(const RequestContext& context, std::string_view note) {
  LH_RETURN_IF_ERROR(context.check());
  std::vector<std::uint32_t> term_ends;
  std::string term_bytes;
  std::vector<TermInfo> infos;
  std::vector<BlockInfo> blocks;
  std::string postings;
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    List list = std::exchange(lists_[i], {});
    term_bytes += terms_[i];
    term_ends.push_back(static_cast<std::uint32_t>(term_bytes.size()));
    infos.push_back({.rows = list.rows, .block = static_cast<std::uint32_t>(blocks.size())});
    for (BlockInfo& block : list.blocks) {
      block.begin += postings.size();
      blocks.push_back(block);
    }
    postings += list.bytes;
  }
  if (term_bytes.size() > 0xFFFF'FFFFU || blocks.size() > 0xFFFF'FFFFU) {
    return fail(ErrorCode::ResourceExhausted, "there are too many different words for one index");
  }
  header_.row_bound = static_cast<std::uint32_t>(lengths_.size());
  std::string out(sizeof header_, '\0');
  append_section(out, header_, Section::Note, note);
  append_section(out, header_, Section::Lengths, bytes_of(lengths_));
  append_section(out, header_, Section::TermEnds, bytes_of(term_ends));
  append_section(out, header_, Section::TermBytes, term_bytes);
  append_section(out, header_, Section::TermInfos, bytes_of(infos));
  append_section(out, header_, Section::Blocks, bytes_of(blocks));
  append_section(out, header_, Section::Postings, postings);
  append_section(out, header_, Section::DocumentEnds, bytes_of(document_ends_));
  append_section(out, header_, Section::Documents, documents_);
  header_.file_bytes = out.size();
  LH_RETURN_IF_ERROR(context.check());
  header_.digest = {};
  Sha256 hash;
  hash.update(std::as_bytes(std::span(&header_, 1)));
  hash.update(std::as_bytes(std::span(out).subspan(sizeof header_)));
  header_.digest = hash.finish();
  std::memcpy(out.data(), &header_, sizeof header_);
  return out;
}

namespace {

std::unexpected<Error> io_failure(const std::filesystem::path& file) {
  const int code = errno;
  return fail(
      code == ENOSPC || code == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::Unavailable,
      fmt::format("full-text index {} cannot be written: {}", file.filename().string(),
                  std::generic_category().message(code)));
}

Status write_all(const RequestContext& context, int fd, const std::filesystem::path& file,
                 std::string_view bytes) {
  constexpr std::size_t kPiece = std::size_t{8} << 20U;
  while (!bytes.empty()) {
    LH_RETURN_IF_ERROR(context.check());
    const ssize_t written = ::write(fd, bytes.data(), std::min(bytes.size(), kPiece));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return io_failure(file);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? Status() : io_failure(file);
}

}  // namespace

Status write_file_durably(const RequestContext& context, const std::filesystem::path& file,
                          std::string_view bytes) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  std::string beside = (folder / (".text-XXXXXX")).string();
  const UniqueFd fd(::mkostemp(beside.data(), O_CLOEXEC));
  if (!fd) {
    return io_failure(file);
  }
  Status written = write_all(context, fd.get(), file, bytes);
  // As other index files: mkostemp's own mode would shut out a group that shares the folder.
  if (written && (::fchmod(fd.get(), 0644) != 0 || ::rename(beside.c_str(), file.c_str()) != 0)) {
    written = io_failure(file);
  }
  if (!written) {
    ::unlink(beside.c_str());
    return written;
  }
  const UniqueFd directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory && ::fsync(directory.get()) == 0 ? Status() : io_failure(file);
}

}  // namespace lakehouse::vector
