#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/clock.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

double seconds_between(MonotonicTime from, MonotonicTime to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::string progress_line(std::size_t columns, std::uint64_t done, std::uint64_t total, double rate,
                          std::uint64_t done_files, std::uint64_t files) {
  const double part = total == 0
                          ? (files == 0 ? 0 : static_cast<double>(done_files) / static_cast<double>(files))
                          : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto left = total > done ? total - done : 0;
  const std::string eta =
      rate > 1
          ? human_duration(std::chrono::seconds(static_cast<std::int64_t>(static_cast<double>(left) / rate)))
          : "-";
  std::string tail = fmt::format(" {:3.0f}%  {} / {}  {}/s  ETA {}", part * 100, human_bytes(done),
                                 human_bytes(total), human_bytes(static_cast<std::uint64_t>(rate)), eta);
  if (files > 1) tail += fmt::format("  ({}/{})", done_files, files);
  if (tail.size() + 12 >= columns) return tail.substr(0, columns > 1 ? columns - 1 : 0);
  const std::size_t width = std::min<std::size_t>(columns - tail.size() - 3, 50);
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(width));
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return "[" + bar + "]" + tail;
}

Progress::Progress(Output& output)
    : output_(output),
      visible_(Output::on_terminal() && !output.json() && !output.quiet()),
      started_(steady_now()),
      sampled_(started_) {
  if (visible_) output_.attach_progress([this] { erase(); }, [this] { paint(); });
}

Progress::~Progress() { stop(); }

void Progress::stop() {
  if (!visible_) return;
  visible_ = false;
  output_.detach_progress();
  erase();
}

void Progress::expect(std::uint64_t files, std::uint64_t bytes) {
  files_ += files;
  bytes_ += bytes;
}

double Progress::seconds() const { return seconds_between(started_, steady_now()); }

void Progress::draw() {
  if (!visible_) return;
  const MonotonicTime now = steady_now();
  const double passed = seconds_between(sampled_, now);
  if (passed >= 0.2) {
    const std::uint64_t done = done_bytes_;
    const double current = static_cast<double>(done - sampled_bytes_) / passed;
    rate_ = rate_ == 0 ? current : rate_ * 0.8 + current * 0.2;
    sampled_ = now;
    sampled_bytes_ = done;
  }
  paint();
}

void Progress::paint() {
  const std::lock_guard lock(mutex_);
  const std::string line = progress_line(terminal_columns(), done_bytes_, bytes_, rate_, done_files_, files_);
  fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
  painted_ = true;
}

void Progress::erase() {
  const std::lock_guard lock(mutex_);
  if (painted_) fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  painted_ = false;
}

}  // namespace flashstor::cli
