#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/text.h"

namespace flashstor::cli {

void Output::write(bool to_error, std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (erase_) erase_();
  std::FILE* stream = to_error ? stderr : stdout;
  std::fwrite(line.data(), 1, line.size(), stream);
  std::fputc('\n', stream);
  if (draw_) draw_();
}

void Output::result(std::string_view text, Json record) {
  if (!json_) {
    write(false, text);
    return;
  }
  Json line = Json::object({{"status", "success"}});
  for (const JsonMember& member : record.members()) line.set(member.name, member.value);
  write(false, line.dump());
}

void Output::text(std::string_view text) {
  if (!json_) write(false, text);
}

void Output::note(std::string_view text) {
  if (!json_ && !quiet_) write(true, text);
}

void Output::failure(std::string_view subject, const Error& error) {
  failed_ = true;
  std::string words(error.message());
  for (const Error* cause = error.cause(); cause; cause = cause->cause())
    words.append(": ").append(cause->message());
  if (json_) {
    Json detail = Json::object({{"code", base::name_of(error.code())}, {"message", words}});
    if (!subject.empty()) detail.set("target", subject);
    write(false, Json::object({{"status", "error"}, {"error", detail}}).dump());
    return;
  }
  write(true, subject.empty() ? fmt::format("flashctl: {}", printable(words))
                              : fmt::format("flashctl: {}: {}", printable(subject), printable(words)));
}

void Output::attach_progress(std::function<void()> erase, std::function<void()> draw) {
  const std::lock_guard lock(mutex_);
  erase_ = std::move(erase);
  draw_ = std::move(draw);
}

bool Output::on_terminal() { return ::isatty(STDERR_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1; }
bool Output::stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

}  // namespace flashstor::cli
