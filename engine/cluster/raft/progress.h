#pragma once

#include <cstddef>
#include <deque>

#include "engine/cluster/raft/types.h"

namespace flashstor::cluster::raft {

/// How a leader sends to one member.
enum class Flow : std::uint8_t {
  kProbe,      ///< The match is not known: one message at a time.
  kReplicate,  ///< Messages follow each other without waiting.
  kNeedsFill,  ///< What it lacks is no longer in the log.
};

/// What a leader knows of one member.
struct Progress {
  MemberId id = 0;
  bool voter = false;
  Flow flow = Flow::kProbe;
  Index match = 0;             ///< Held durably by the member, as it said in this term.
  Index next = 1;              ///< The next index to send.
  std::deque<Index> inflight;  ///< Last index of each append with entries under way.
  bool probe_sent = false;
  bool empty_due = false;  ///< A heartbeat is to go out even without entries.
  bool loading = false;    ///< Entries were asked of the driver.
  bool fill_reported = false;
  bool regressed = false;  ///< A voter that refuses what it acknowledged: its drive lied; make it a standby.
  std::uint64_t matched_at = 0;  ///< The newest number sent when `match` last rose.
  std::uint64_t since = 0;       ///< Refusals of older numbers were dealt with when the flow last changed.
  std::uint64_t floor = 0;       ///< Answers to older numbers are from before this member (re)joined.
  std::uint64_t echoed = 0;      ///< The newest number that it echoed.
  MonotonicTime echoed_at{};     ///< When that came in.

  void probe_from(Index index) {
    flow = Flow::kProbe;
    next = index;
    inflight.clear();
    probe_sent = false;
    loading = false;
  }
  void replicate_from(Index index) {
    flow = Flow::kReplicate;
    next = index;
    inflight.clear();
    probe_sent = false;
    fill_reported = false;
  }
  void acknowledge(Index index) {
    while (!inflight.empty() && inflight.front() <= index) inflight.pop_front();
  }
};

}  // namespace flashstor::cluster::raft
