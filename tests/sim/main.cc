#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/log.h"
#include "tests/sim/net_world.h"
#include "tests/sim/planted.h"
#include "tests/sim/probes.h"
#include "tests/sim/raft_world.h"
#include "tests/sim/set_world.h"

namespace flashstor::sim {
namespace {

using cluster::raft::Defects;
using cluster::raft::Probe;
using cluster::raft::ProbeCounts;

constexpr std::uint64_t kRangeForProbes = 1000;

struct Arguments {
  std::uint64_t from = 1;
  std::uint64_t to = 1000;
  std::string planted;
  std::string rung = "core";
  bool trace = false;
  bool expect_defect = false;
  std::uint64_t replay_per_mille = 20;
  std::uint64_t seconds = 0;  ///< No new seed after so long; 0: all of them.
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool parse_value(Arguments& out, std::string_view name, std::string_view text) {
  if (name == "--planted" || name == "--rung") {
    (name == "--rung" ? out.rung : out.planted) = text;
    return true;
  }
  if (name == "--seeds") {
    const std::size_t dots = text.find("..");
    if (dots == std::string_view::npos) return false;
    const auto from = number(text.substr(0, dots));
    const auto to = number(text.substr(dots + 2));
    if (!from || !to || *from > *to) return false;
    out.from = *from;
    out.to = *to;
    return true;
  }
  const auto value = number(text);
  if (!value) return false;
  if (name == "--seed") {
    out.from = out.to = *value;
  } else if (name == "--seconds") {
    out.seconds = *value;
  } else if (name == "--replay-share") {
    out.replay_per_mille = *value;
  } else {
    return false;
  }
  return true;
}

std::optional<Arguments> parse(int count, char** words) {
  Arguments out;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--trace") {
      out.trace = true;
    } else if (word == "--expect-defect") {
      out.expect_defect = true;
    } else if (i + 1 < count && parse_value(out, word, words[i + 1])) {
      ++i;
    } else {
      return std::nullopt;
    }
  }
  if (out.rung != "core" && out.rung != "set" && out.rung != "files" && out.rung != "net")
    return std::nullopt;
  return out;
}

/// Prints how often the rare branches were taken; gives the number of those that never were.
int report_probes(const ProbeCounts& counts, const std::string& rung) {
  int missed = 0;
  const auto one = [&missed](std::string_view name, std::uint64_t hits) {
    fmt::print("  {:<24} {}\n", name, hits);
    if (hits == 0) ++missed;
  };
  if (rung == "core")
    for (std::size_t i = 0; i < counts.size(); ++i) one(name_of(static_cast<Probe>(i)), counts[i]);
  for (const ProbeSite* site : ProbeSite::all())
    if (site->rung == rung || (site->rung == "client" && rung != "core")) one(site->name, site->hits);
  return missed;
}

struct Totals {
  std::uint64_t schedules = 0;
  std::uint64_t events = 0;
  std::uint64_t work = 0;  ///< Commits of the core, calls of clients.
  std::uint64_t lives = 0;
  std::uint64_t undetermined = 0;
  std::uint64_t digest = 0;
  std::uint64_t unknown = 0;
  std::int64_t longest_outage_ns = 0;
  SimNetwork::Counts network;
};
struct Verdict {
  std::string failure;
  std::uint64_t digest = 0;
};
void report_network(const Totals& totals) {
  const SimNetwork::Counts& net = totals.network;
  fmt::print(
      "{} frames on {} connections: {} held by a cut link, {} connections not made, {} lost, {} doubled, {} "
      "overtaken, {} with a bit flipped, {} resets\n",
      net.packets, net.connections, net.held, net.refused, net.lost, net.doubled, net.overtaken, net.flipped,
      net.reset);
  fmt::print("{} outcomes unknown, longest stop of writes after a node's death {:.3f} s\n", totals.unknown,
             static_cast<double>(totals.longest_outage_ns) / 1e9);
}

using RunSeed = std::function<Verdict(std::uint64_t seed, bool count, Totals& totals)>;

/// One seed of the chosen rung with what is planted in it; nothing when there is no such defect.
std::optional<RunSeed> choose(const Arguments& arguments, ProbeCounts& counts) {
  if (arguments.rung == "core") {
    Defects defects;
    if (!arguments.planted.empty() && !plant(defects, arguments.planted)) return std::nullopt;
    return [defects, &counts, trace = arguments.trace](std::uint64_t seed, bool count, Totals& totals) {
      ProbeCounts unused{};
      RaftOutcome outcome = RaftWorld(seed, defects, count ? counts : unused, trace && count).run();
      totals.events += outcome.events;
      totals.work += outcome.commits;
      return Verdict{std::move(outcome.failure), outcome.digest};
    };
  }
  PlantedDefects defects;
  if (!arguments.planted.empty() && !plant(defects, arguments.planted)) return std::nullopt;
  if (arguments.rung == "net") {
    return [defects, trace = arguments.trace](std::uint64_t seed, bool count, Totals& totals) {
      NetOutcome outcome = NetWorld(seed, defects, trace && count).run();
      totals.events += outcome.events;
      totals.work += outcome.calls;
      totals.lives += outcome.lives;
      totals.undetermined += outcome.undetermined;
      totals.unknown += outcome.unknown;
      totals.longest_outage_ns = std::max(totals.longest_outage_ns, outcome.longest_outage_ns);
      totals.network += outcome.network;
      return Verdict{std::move(outcome.failure), outcome.digest};
    };
  }
  const bool files = arguments.rung == "files";
  return [defects, files, trace = arguments.trace](std::uint64_t seed, bool count, Totals& totals) {
    SetOutcome outcome = SetWorld(seed, files, defects, trace && count).run();
    totals.events += outcome.events;
    totals.work += outcome.calls;
    totals.lives += outcome.lives;
    totals.undetermined += outcome.undetermined;
    return Verdict{std::move(outcome.failure), outcome.digest};
  };
}

int run(const Arguments& arguments) {
  ProbeCounts counts{};
  const auto run_seed = choose(arguments, counts);
  if (!run_seed) {
    fmt::print("no such defect: {}\n", arguments.planted);
    return 2;
  }
  Totals totals;
  const auto begun = std::chrono::steady_clock::now();
  const auto seconds = [&begun] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  for (std::uint64_t seed = arguments.from; seed <= arguments.to; ++seed) {
    if (arguments.seconds != 0 && seconds() > static_cast<double>(arguments.seconds)) break;
    const Verdict verdict = (*run_seed)(seed, true, totals);
    ++totals.schedules;
    totals.digest = totals.digest * 31 + verdict.digest;
    if (arguments.replay_per_mille != 0 && seed * 7919 % 1000 < arguments.replay_per_mille) {
      Totals unused;
      if ((*run_seed)(seed, false, unused).digest != verdict.digest) {
        fmt::print("seed {} is not deterministic\n", seed);
        return 1;
      }
    }
    if (verdict.failure.empty()) continue;
    const std::string planted = arguments.planted.empty() ? "" : " --planted " + arguments.planted;
    fmt::print("seed {} failed: {}\nreplay: flashstor-sim --rung {} --seed {}{} --trace\n", seed,
               verdict.failure, arguments.rung, seed, planted);
    if (arguments.expect_defect)
      fmt::print("found after {} schedules, {:.1f} s\n", totals.schedules, seconds());
    return arguments.expect_defect ? 0 : 1;
  }
  fmt::print(
      "{} schedules, {} events, {} {}, {} lives, {} histories undetermined, digest {:016x}, {:.0f} "
      "schedules/s\n",
      totals.schedules, totals.events, totals.work, arguments.rung == "core" ? "commits" : "calls",
      totals.lives, totals.undetermined, totals.digest, static_cast<double>(totals.schedules) / seconds());
  if (arguments.rung == "net") report_network(totals);
  if (arguments.expect_defect) {
    fmt::print("the planted defect {} was not found\n", arguments.planted);
    return 1;
  }
  const int missed = report_probes(counts, arguments.rung);
  if (totals.schedules < kRangeForProbes || missed == 0) return 0;
  fmt::print("{} marked branches were never reached\n", missed);
  return 1;
}

}  // namespace
}  // namespace flashstor::sim

int main(int count, char** words) {
  const auto arguments = flashstor::sim::parse(count, words);
  if (!arguments) {
    fmt::print(
        "usage: flashstor-sim [--rung core|set|files|net] [--seeds FROM..TO | --seed N] [--seconds S] "
        "[--trace] "
        "[--planted NAME "
        "[--expect-defect]] "
        "[--replay-share PER_MILLE]\n");
    return 2;
  }
  // What the nodes say for their operators; a schedule that is looked at shows it.
  if (!arguments->trace)
    static_cast<void>(flashstor::base::start_log(
        {.level = flashstor::base::LogLevel::kError, .file = "/dev/null", .record_file = {}}));
  if (arguments->trace) static_cast<void>(std::setvbuf(stdout, nullptr, _IOLBF, 0));
  const int status = flashstor::sim::run(*arguments);
  if (!arguments->trace) flashstor::base::stop_log();
  return status;
}
