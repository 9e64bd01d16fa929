#include "engine/base/log.h"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace flashstor::base {
namespace {

constexpr const char* kLineName = "flashstor";
constexpr const char* kRecordName = "flashstor-records";
/// Lines are JSON objects like the access records, so that one reader understands the whole file.
constexpr const char* kLinePattern = "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",\"message\":%v}";

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') {
      out.push_back('\\');
      out.push_back(byte);
    } else if (static_cast<unsigned char>(byte) < 0x20) {
      out.append(fmt::format("\\u{:04x}", static_cast<unsigned>(byte)));
    } else {
      out.push_back(byte);
    }
  }
  out.push_back('"');
  return out;
}

/// The process's logger: before `start_log` a synchronous one to standard error.
spdlog::logger& lines() {
  if (auto* started = spdlog::default_logger_raw(); started->name() == kLineName) return *started;
  static const std::shared_ptr<spdlog::logger> early = [] {
    auto logger =
        std::make_shared<spdlog::logger>("early", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%l: %v");
    return logger;
  }();
  return *early;
}

spdlog::sink_ptr open_sink(const std::string& file) {
  if (file.empty() || file == "-") return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  return std::make_shared<spdlog::sinks::basic_file_sink_mt>(file, false);
}

std::shared_ptr<spdlog::logger> make_logger(const char* name, const std::string& file, const char* pattern,
                                            const char* line_end) {
  auto logger = std::make_shared<spdlog::async_logger>(name, open_sink(file), spdlog::thread_pool(),
                                                       spdlog::async_overflow_policy::overrun_oldest);
  logger->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, line_end));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

}  // namespace

Result<void> start_log(const LogOptions& options) {
  try {
    spdlog::init_thread_pool(options.queue_lines, 1);
    if (!options.record_file.empty())
      spdlog::register_logger(make_logger(kRecordName, options.record_file, "%v", ""));
    auto lines = make_logger(kLineName, options.file, kLinePattern, "\n");
    lines->set_level(level_of(options.level));
    spdlog::set_default_logger(lines);
  } catch (const spdlog::spdlog_ex& problem) {
    return fail(ErrorCode::kIo, problem.what());
  }
  return {};
}

void stop_log() { spdlog::shutdown(); }

bool log_enabled(LogLevel level) { return lines().should_log(level_of(level)); }

void log_line(LogLevel level, std::string_view line) {
  spdlog::logger& logger = lines();
  if (logger.name() == kLineName) {
    logger.log(level_of(level), quoted(line));
  } else {
    logger.log(level_of(level), line);
  }
}

bool records_wanted() { return spdlog::get(kRecordName) != nullptr; }

void log_records(std::string_view lines) {
  if (const auto logger = spdlog::get(kRecordName)) logger->log(spdlog::level::info, lines);
}

}  // namespace flashstor::base
