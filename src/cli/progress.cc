#include "cli/progress.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "cli/display.h"

namespace lakehouse::cli {
namespace {

constexpr std::size_t kBarWidth = 24;
constexpr std::chrono::milliseconds kRedrawAfter{100};

double seconds(UploadProgress::Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string upload_line(const std::string& name, std::uint64_t sent_bytes,
                        std::uint64_t total_bytes, double elapsed_s, std::size_t width) {
  if (total_bytes > 0 && sent_bytes >= total_bytes) {
    return fit(fmt::format("{}  loading {}", name, human_seconds(elapsed_s)), width);
  }
  const double rate = elapsed_s > 0 ? static_cast<double>(sent_bytes) / elapsed_s : 0;
  if (total_bytes == 0) {
    return fit(fmt::format("{}  {}  {}/s", name, human_bytes(static_cast<double>(sent_bytes)),
                           human_bytes(rate)),
               width);
  }
  const double part = static_cast<double>(sent_bytes) / static_cast<double>(total_bytes);
  const auto filled = static_cast<std::size_t>(part * kBarWidth);
  std::string text =
      fmt::format("{}  [{}{}] {:3.0f} %  {}/s", name, std::string(filled, '#'),
                  std::string(kBarWidth - filled, '.'), part * 100, human_bytes(rate));
  if (rate > 0) {
    text += "  ETA " + human_seconds(static_cast<double>(total_bytes - sent_bytes) / rate);
  }
  return fit(text, width);
}

UploadProgress::UploadProgress(std::string name, std::size_t width)
    : name_(std::move(name)), width_(width) {}

UploadProgress::~UploadProgress() {
  clear();
}

void UploadProgress::update(std::uint64_t sent_bytes, std::uint64_t total_bytes) {
  const Clock::time_point now = Clock::now();
  const bool all = total_bytes > 0 && sent_bytes >= total_bytes;
  if (all && sent_all_ == Clock::time_point{}) {
    sent_all_ = now;
  }
  if (width_ == 0 || now - drawn_ < kRedrawAfter) {
    return;
  }
  drawn_ = now;
  visible_ = true;
  const std::string line = upload_line(name_, sent_bytes, total_bytes,
                                       seconds(now - (all ? sent_all_ : started_)), width_ - 1);
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
}

void UploadProgress::clear() {
  if (visible_) {
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
    visible_ = false;
  }
}

}  // namespace lakehouse::cli
