#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/sim/probes.h"
#include "tests/sim/raft_world.h"

namespace flashstor::sim {
namespace {

using cluster::raft::Defects;
using cluster::raft::Probe;
using cluster::raft::ProbeCounts;

constexpr std::pair<std::string_view, bool Defects::*> kDefects[] = {
    {"ack-before-sync", &Defects::ack_before_sync},
    {"commit-old-term-by-counting", &Defects::commit_old_term},
    {"match-past-prefix", &Defects::match_past_prefix},
    {"survive-failed-append", &Defects::survive_failed_append},
    {"lease-from-receipt", &Defects::lease_from_receipt},
    {"deposed-leader-reads", &Defects::deposed_leader_reads},
    {"vote-after-lost-tail", &Defects::vote_after_lost_tail},
    {"transfer-keeps-lease", &Defects::transfer_keeps_lease},
    {"vote-while-hearing", &Defects::vote_while_hearing},
    {"forget-vote", &Defects::forget_vote},
    {"serve-before-first-entry", &Defects::serve_before_first_entry},
};
constexpr std::uint64_t kRangeForProbes = 1000;

struct Arguments {
  std::uint64_t from = 1;
  std::uint64_t to = 1000;
  std::string planted;
  int rung = 1;
  bool trace = false;
  bool expect_defect = false;
  std::uint64_t replay_per_mille = 20;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

bool parse_value(Arguments& out, std::string_view name, std::string_view text) {
  if (name == "--planted") {
    out.planted = text;
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
  } else if (name == "--rung") {
    out.rung = static_cast<int>(*value);
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
  if (out.rung != 1) return std::nullopt;
  return out;
}

/// Prints how often the rare branches were taken; gives the number of those that never were.
int report_probes(const ProbeCounts& counts) {
  int missed = 0;
  const auto one = [&missed](std::string_view name, std::uint64_t hits) {
    fmt::print("  {:<24} {}\n", name, hits);
    if (hits == 0) ++missed;
  };
  for (std::size_t i = 0; i < counts.size(); ++i) one(name_of(static_cast<Probe>(i)), counts[i]);
  for (const ProbeSite* site : ProbeSite::all()) one(site->name, site->hits);
  return missed;
}

int run(const Arguments& arguments) {
  Defects defects;
  bool known = arguments.planted.empty();
  for (const auto& [name, member] : kDefects) {
    if (name != arguments.planted) continue;
    defects.*member = true;
    known = true;
  }
  if (!known) {
    fmt::print("no such defect: {}\n", arguments.planted);
    return 2;
  }
  ProbeCounts counts{};
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t commits = 0;
  const auto begun = std::chrono::steady_clock::now();
  for (std::uint64_t seed = arguments.from; seed <= arguments.to; ++seed) {
    const RaftOutcome outcome = RaftWorld(seed, defects, counts, arguments.trace).run();
    digest = digest * 31 + outcome.digest;
    events += outcome.events;
    commits += outcome.commits;
    if (arguments.replay_per_mille != 0 && seed * 7919 % 1000 < arguments.replay_per_mille) {
      ProbeCounts unused{};
      if (RaftWorld(seed, defects, unused, false).run().digest != outcome.digest) {
        fmt::print("seed {} is not deterministic\n", seed);
        return 1;
      }
    }
    if (outcome.failure.empty()) continue;
    const std::string planted = arguments.planted.empty() ? "" : " --planted " + arguments.planted;
    fmt::print("seed {} failed: {}\nreplay: flashstor-sim --rung 1 --seed {}{} --trace\n", seed,
               outcome.failure, seed, planted);
    return arguments.expect_defect ? 0 : 1;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const std::uint64_t schedules = arguments.to - arguments.from + 1;
  fmt::print("{} schedules, {} events, {} commits, digest {:016x}, {:.0f} schedules/s\n", schedules, events,
             commits, digest, static_cast<double>(schedules) / seconds);
  if (arguments.expect_defect) {
    fmt::print("the planted defect {} was not found\n", arguments.planted);
    return 1;
  }
  const int missed = report_probes(counts);
  if (schedules < kRangeForProbes || missed == 0) return 0;
  fmt::print("{} marked branches were never reached\n", missed);
  return 1;
}

}  // namespace
}  // namespace flashstor::sim

int main(int count, char** words) {
  const auto arguments = flashstor::sim::parse(count, words);
  if (!arguments) {
    fmt::print(
        "usage: flashstor-sim [--rung 1] [--seeds FROM..TO | --seed N] [--trace] [--planted NAME "
        "[--expect-defect]] "
        "[--replay-share PER_MILLE]\n");
    return 2;
  }
  return flashstor::sim::run(*arguments);
}
