#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/json.h"

namespace flashstor::cli {

/// Everything flashctl says: results on standard output (text, or one JSON object a line), notes and errors
/// on standard error. Threads: any.
class Output {
 public:
  void set_json(bool json) { json_ = json; }
  void set_quiet(bool quiet) { quiet_ = quiet; }
  [[nodiscard]] bool json() const { return json_; }
  [[nodiscard]] bool quiet() const { return quiet_; }

  /// A result: `text` for people, or with --json `record` with "status":"success" in front.
  void result(std::string_view text, Json record);
  /// A result that only people see (headings, totals already in the records).
  void text(std::string_view text);
  /// For people only, on standard error; not with --quiet or --json.
  void note(std::string_view text);
  /// A failure about `subject`; flashctl will end with status 1.
  void failure(std::string_view subject, const Error& error);
  /// What was said as a result is bad news: flashctl will end with status 1.
  void mark_failed() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }

  /// What is drawn below everything else on the terminal: `erase` is called before each line, `draw` after
  /// it.
  void attach_progress(std::function<void()> erase, std::function<void()> draw);
  void detach_progress() { attach_progress({}, {}); }
  /// Both standard error and standard output go to a terminal.
  [[nodiscard]] static bool on_terminal();
  [[nodiscard]] static bool stdin_is_terminal();

 private:
  void write(bool to_error, std::string_view line);
  std::mutex mutex_;
  bool json_ = false;
  bool quiet_ = false;
  std::atomic<bool> failed_{false};
  std::function<void()> erase_;
  std::function<void()> draw_;
};

}  // namespace flashstor::cli
