#include <fmt/format.h>

#include <memory>

#include "cli/admin_client.h"
#include "cli/command_set.h"
#include "cli/interrupt.h"
#include "cli/limits.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

struct TraceOptions {
  std::string alias;
  std::string operation;
  bool errors = false;
  std::uint64_t count = 0;
};

std::string trace_line(const Json& event) {
  const double milliseconds = event.double_or("duration_us") / 1000;
  std::string line =
      fmt::format("{}  {:3}  {:24} {:7.1f} ms  in {}  out {}  {} {}  {}  {}", event.string_or("time"),
                  event.int_or("status"), event.string_or("operation"), milliseconds,
                  human_bytes(event.uint_or("bytes_in")), human_bytes(event.uint_or("bytes_out")),
                  event.string_or("method"), printable(event.string_or("path")),
                  event.string_or("access_key", "-"), event.string_or("trace_id"));
  if (const std::string code = event.string_or("error_code"); !code.empty()) line += "  " + code;
  return line;
}

Exit trace_command(Session& session, const TraceOptions& options) {
  const auto client = session.client(options.alias);
  if (!client) return session.fail(client.error());
  std::string held;  // A line not whole yet.
  std::uint64_t shown = 0;
  bool enough = false;
  const auto show = [&](std::string_view line) {
    const auto event = Json::parse(line);
    if (!event || !event->is_object()) return;
    if (options.errors && event->int_or("status") < 400) return;
    if (!options.operation.empty() && !glob_match(options.operation, event->string_or("operation"))) return;
    Json record = *event;  // In flashctl's own records "status" says how flashctl fared.
    record.set("status_code", event->get("status"));
    record.remove("status");
    session.output.result(trace_line(*event), std::move(record));
    std::fflush(stdout);
    enough = ++shown == options.count;
  };
  S3Call call{.path = admin_path("trace"), .endless = true, .once = true};
  call.sink = [&](std::string_view bytes) -> Result<void> {
    held.append(bytes);
    for (auto end = held.find('\n'); end != std::string::npos && !enough; end = held.find('\n')) {
      show(std::string_view(held).substr(0, end));
      held.erase(0, end + 1);
    }
    if (enough) return fail(ErrorCode::kCancelled, "enough");
    if (held.size() > limits::kMiB) return fail(ErrorCode::kMalformed, "a line of the trace is too long");
    return {};
  };
  const auto done = (*client)->call(call);
  if (!done && !enough && !interrupted()) return session.fail(done.error(), options.alias);
  return Exit::kOk;
}

}  // namespace

void add_trace_command(CommandSet& commands, CLI::App* admin) {
  const auto options = std::make_shared<TraceOptions>();
  CLI::App* trace = commands.add(admin, "trace", "Watch requests as they are answered, until Ctrl-C",
                                 "  flashctl admin trace local\n  flashctl admin trace local --errors\n"
                                 "  flashctl admin trace local --operation 'Put*' --json",
                                 [options](Session& session) { return trace_command(session, *options); });
  trace->add_option("ALIAS", options->alias, "Which deployment")->required();
  trace->add_option("--operation", options->operation, "Only these, such as PutObject or Get*");
  trace->add_flag("--errors", options->errors, "Only what failed");
  trace->add_option("-n,--count", options->count, "End after that many");
}

}  // namespace flashstor::cli
