#include "gateway/http/multipart.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"

namespace lakehouse::gateway::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::unexpected<Error> malformed(std::string_view what) {
  return fail(ErrorCode::InvalidArgument, fmt::format("the multipart body {}", what),
              "Send the file as multipart/form-data, as `curl -F file=@NAME` does.");
}

// A parameter of a header value: name="a \"b\"" or name=token.
std::optional<std::string> parameter(std::string_view value, std::string_view wanted) {
  std::size_t at = std::min(value.find(';'), value.size());
  while (at < value.size()) {
    ++at;  // Past the semicolon.
    const std::size_t equals = value.find('=', at);
    if (equals == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view name = trimmed(value.substr(at, equals - at));
    std::string text;
    at = equals + 1;
    at = std::min(value.find_first_not_of(" \t", at), value.size());
    if (at < value.size() && value[at] == '"') {
      for (++at; at < value.size() && value[at] != '"'; ++at) {
        // Browsers escape a quote only; a lone backslash is part of a Windows path.
        if (value[at] == '\\' && at + 1 < value.size() &&
            (value[at + 1] == '"' || value[at + 1] == '\\')) {
          ++at;
        }
        text.push_back(value[at]);
      }
      at = std::min(value.find(';', at), value.size());
    } else {
      const std::size_t end = std::min(value.find(';', at), value.size());
      text = trimmed(value.substr(at, end - at));
      at = end;
    }
    if (to_lower(name) == wanted) {
      return text;
    }
  }
  return std::nullopt;
}

std::string media_type(std::string_view value) {
  return to_lower(trimmed(value.substr(0, value.find(';'))));
}

}  // namespace

MultipartParser::MultipartParser(std::string boundary)
    : delimiter_("\r\n--" + std::move(boundary)), held_("\r\n") {
  // The first boundary may open the body, without a line before it: the held line end stands in.
}

Result<MultipartParser> MultipartParser::of(std::string_view content_type) {
  if (media_type(content_type) != "multipart/form-data") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the request body must be multipart/form-data, not {}",
                            content_type.empty() ? "unlabelled" : media_type(content_type)),
                "Send the file as `curl -F file=@NAME` does.");
  }
  auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70) {
    return fail(ErrorCode::InvalidArgument,
                "the Content-Type lacks a boundary of 1 to 70 characters");
  }
  return MultipartParser(*std::move(boundary));
}

Status MultipartParser::read_header(std::string_view text, PartHeader* header) const {
  bool disposition_seen = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      return malformed("has a header line without a colon");
    }
    const std::string name = to_lower(trimmed(line.substr(0, colon)));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "content-type") {
      header->content_type = value;
    } else if (name == "content-disposition") {
      if (media_type(value) != "form-data") {
        return malformed("has a part that is no form-data");
      }
      auto field = parameter(value, "name");
      if (!field || field->empty()) {
        return malformed("has a part without a name");
      }
      header->name = *std::move(field);
      header->file_name = parameter(value, "filename").value_or("");
      disposition_seen = true;
    }
  }
  if (!disposition_seen) {
    return malformed("has a part without a Content-Disposition");
  }
  if (!is_valid_utf8(header->name) || !is_valid_utf8(header->file_name)) {
    return malformed("has a name that is not UTF-8");
  }
  return {};
}

bool MultipartParser::read_until_delimiter(std::vector<Event>* events) {
  const bool is_data = state_ == State::Data;
  const std::size_t found = held_.find(delimiter_);
  // Without a delimiter all but a possible beginning of one is through.
  const std::size_t through = found != std::string::npos
                                  ? found
                                  : held_.size() - std::min(held_.size(), delimiter_.size() - 1);
  if (is_data && through > 0) {
    events->push_back({.kind = Event::Kind::Data, .header = {}, .data = held_.substr(0, through)});
  }
  held_.erase(0, through);
  if (found == std::string::npos) {
    return false;
  }
  if (is_data) {
    events->push_back({.kind = Event::Kind::PartEnd, .header = {}, .data = {}});
  }
  held_.erase(0, delimiter_.size());
  state_ = State::AfterBoundary;
  return true;
}

Result<bool> MultipartParser::read_boundary_end() {
  const std::size_t padding = std::min(held_.find_first_not_of(" \t"), held_.size());
  if (padding > 256) {
    return malformed("has a boundary line that does not end");
  }
  if (held_.size() < padding + 2) {
    return false;
  }
  const std::string_view next = std::string_view(held_).substr(padding, 2);
  if (next == "--") {
    held_.clear();
    state_ = State::Epilogue;
    return true;
  }
  if (next != "\r\n") {
    return malformed("has text after a boundary");
  }
  if (++parts_ > kPartsMax) {
    return malformed(fmt::format("has more than {} parts", kPartsMax));
  }
  // The line end stays: the header of a part that has none ends with it and an empty line.
  held_.erase(0, padding);
  state_ = State::Header;
  return true;
}

Result<bool> MultipartParser::read_part_begin(std::vector<Event>* events) {
  const std::size_t end = held_.find("\r\n\r\n");
  if ((end == std::string::npos ? held_.size() : end) > kHeaderBytesMax) {
    return malformed(fmt::format("has a part header of more than {} bytes", kHeaderBytesMax));
  }
  if (end == std::string::npos) {
    return false;
  }
  Event begin{.kind = Event::Kind::PartBegin, .header = {}, .data = {}};
  const std::string_view lines = std::string_view(held_).substr(0, end);
  LH_RETURN_IF_ERROR(
      read_header(lines.substr(std::min<std::size_t>(2, lines.size())), &begin.header));
  events->push_back(std::move(begin));
  held_.erase(0, end + 4);
  state_ = State::Data;
  return true;
}

Result<bool> MultipartParser::step(std::vector<Event>* events) {
  switch (state_) {
    case State::Preamble:
    case State::Data: return read_until_delimiter(events);
    case State::AfterBoundary: return read_boundary_end();
    case State::Header: return read_part_begin(events);
    case State::Epilogue: held_.clear(); return false;
  }
  std::unreachable();
}

Result<std::vector<MultipartParser::Event>> MultipartParser::push(std::string_view bytes) {
  held_ += bytes;
  std::vector<Event> events;
  bool goes_on = true;
  while (goes_on) {
    LH_ASSIGN_OR_RETURN(goes_on, step(&events));
  }
  return events;
}

Status MultipartParser::finish() const {
  return state_ == State::Epilogue ? Status() : malformed("ends before its closing boundary");
}

}  // namespace lakehouse::gateway::http
