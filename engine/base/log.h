#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/error.h"

namespace flashstor::base {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  std::string file;                ///< Empty: standard error.
  std::string record_file;         ///< Where `log_records` goes: empty nowhere, "-" standard error.
  std::size_t queue_lines = 8192;  ///< Lines that wait for the writer; a full queue drops the oldest.
};

/// Starts the writer thread of the process's log. Before it (and in tests) lines go to standard error at
/// once. Errors: kIo when the file cannot be opened. Once, from main.
Result<void> start_log(const LogOptions& options);
/// Writes what waits and ends the thread. From main, last.
void stop_log();
[[nodiscard]] bool log_enabled(LogLevel level);
/// One line, without its end. Never blocks on the disk after `start_log`.
void log_line(LogLevel level, std::string_view line);
/// Lines as they are, each with its end: access records, which are JSON already.
void log_records(std::string_view lines);
[[nodiscard]] bool records_wanted();

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kDebug))
    log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kInfo))
    log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace flashstor::base
