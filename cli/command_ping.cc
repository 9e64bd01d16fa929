#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/clock.h"
#include "cli/command_set.h"
#include "cli/interrupt.h"

namespace flashstor::cli {
namespace {

struct PingOptions {
  std::string alias;
  std::uint64_t count = 4;
  double interval_s = 1;
};

/// Any answer at all shows that the server is there; how it stands with the alias's key is `ls`'s affair.
Exit ping_command(Session& session, const PingOptions& options) {
  const auto client = session.client(options.alias);
  if (!client) return session.fail(client.error());
  double least = 0;
  double most = 0;
  double sum = 0;
  std::uint64_t answers = 0;
  for (std::uint64_t i = 0; i < options.count && !interrupted(); ++i) {
    if (i > 0) pause_for(Milliseconds(static_cast<std::int64_t>(options.interval_s * 1000)));
    HttpRequest request;
    request.url = (*client)->alias().url.text() + "/flashstor/health/live";
    const MonotonicTime start = steady_now();
    const auto response = session.http().perform(request);
    const double ms = std::chrono::duration<double, std::milli>(steady_now() - start).count();
    if (!response) {
      session.fail(response.error(), options.alias);
      continue;
    }
    least = answers == 0 ? ms : std::min(least, ms);
    most = std::max(most, ms);
    sum += ms;
    ++answers;
    session.output.result(fmt::format("{}: answer {} in {:.2f} ms, status {}", (*client)->alias().url.text(),
                                      i + 1, ms, response->status),
                          Json::object({{"count", i + 1}, {"ms", ms}, {"http_status", response->status}}));
  }
  if (answers > 0)
    session.output.text(fmt::format("{} of {} answered; {:.2f} / {:.2f} / {:.2f} ms least, average, most",
                                    answers, options.count, least, sum / static_cast<double>(answers), most));
  return session.done();
}

}  // namespace

void add_ping_command(CommandSet& commands) {
  const auto options = std::make_shared<PingOptions>();
  CLI::App* ping = commands.add(nullptr, "ping", "Ask whether a server is there, and how quickly it answers",
                                "  flashctl ping local\n  flashctl ping -c 1 local",
                                [options](Session& session) { return ping_command(session, *options); });
  ping->add_option("ALIAS", options->alias, "Which")->required();
  ping->add_option("-c,--count", options->count, "How often")->capture_default_str();
  ping->add_option("-i,--interval", options->interval_s, "Seconds between")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0));
}

}  // namespace flashstor::cli
