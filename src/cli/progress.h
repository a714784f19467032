#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace lakehouse::cli {

/// The line that shows how far an upload is: "candidates.csv  [#####.....]  52 %  61.0 MB/s
/// ETA 1 s"; then, when all is sent, "loading 3 s". On a terminal it is drawn over and over on the
/// standard error; elsewhere nothing is. Not thread-safe.
class UploadProgress {
 public:
  using Clock = std::chrono::steady_clock;
  /// `width` is the terminal's; 0 draws nothing.
  UploadProgress(std::string name, std::size_t width);
  ~UploadProgress();  ///< Removes the line.
  UploadProgress(const UploadProgress&) = delete;
  UploadProgress& operator=(const UploadProgress&) = delete;

  void update(std::uint64_t sent_bytes, std::uint64_t total_bytes);
  void clear();

 private:
  std::string name_;
  std::size_t width_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point sent_all_;
  Clock::time_point drawn_;
  bool visible_ = false;
};

/// What the line says; `elapsed` is since the beginning, or since all was sent.
[[nodiscard]] std::string upload_line(const std::string& name, std::uint64_t sent_bytes,
                                      std::uint64_t total_bytes, double elapsed_s,
                                      std::size_t width);

}  // namespace lakehouse::cli
