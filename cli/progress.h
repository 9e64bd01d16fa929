#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "cli/output.h"
#include "engine/base/time.h"

namespace flashstor::cli {

/// How far the transfers are: a bar with rate and time left on a terminal, nothing elsewhere.
/// Threads: the counters from any; `draw` from the one that waits for the transfers.
class Progress {
 public:
  explicit Progress(Output& output);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Takes the bar off the terminal.
  ~Progress();
  void expect(std::uint64_t files, std::uint64_t bytes);
  void add_bytes(std::uint64_t bytes) { done_bytes_ += bytes; }
  void add_file() { ++done_files_; }
  void draw();
  /// Takes the bar off for good.
  void stop();
  [[nodiscard]] std::uint64_t done_bytes() const { return done_bytes_; }
  [[nodiscard]] std::uint64_t done_files() const { return done_files_; }
  [[nodiscard]] double seconds() const;

 private:
  void paint();
  void erase();
  Output& output_;
  bool visible_;
  bool painted_ = false;
  MonotonicTime started_;
  std::atomic<std::uint64_t> files_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> done_files_{0};
  std::atomic<std::uint64_t> done_bytes_{0};
  std::mutex mutex_;
  MonotonicTime sampled_;
  std::uint64_t sampled_bytes_ = 0;
  double rate_ = 0;  ///< Bytes a second, smoothed.
};

/// The bar's text for a terminal of `columns`: `[=====>    ]  42%  1.0 GiB / 2.4 GiB  310.0 MiB/s  ETA 4s
/// (3/8)`.
[[nodiscard]] std::string progress_line(std::size_t columns, std::uint64_t done, std::uint64_t total,
                                        double rate, std::uint64_t done_files, std::uint64_t files);

}  // namespace flashstor::cli
