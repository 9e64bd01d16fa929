#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/cluster/raft/raft.h"
#include "tests/sim/raft_checker.h"
#include "tests/sim/raft_drive.h"
#include "tests/sim/sim_bus.h"
#include "tests/sim/sim_events.h"

namespace flashstor::sim {

/// What a schedule may do to its group; drawn from the seed ("swarm": each seed leaves some out).
struct RaftPlan {
  std::size_t voters = 3;
  bool crashes = false;
  bool failing_appends = false;
  bool lying_drive = false;
  bool partitions = false;
  bool pauses = false;
  bool transfers = false;
  bool compaction = false;
  bool slow_syncs = false;
  bool membership = false;
  bool hits_leaders = false;
  bool churn = false;                   ///< New leaders crash soon after they were elected.
  bool power_cuts = false;              ///< All members crash at once.
  cluster::raft::MemberId laggard = 0;  ///< Slow, and hard to reach.
  bool asks_after_crash = false;  ///< A member that restarts is muted until peers said what they recorded.
  std::int64_t fault_every_ns = 0;
  std::int64_t client_every_ns = 0;
  std::int64_t faults_end_ns = 0;
};

struct RaftOutcome {
  std::string failure;  ///< Empty when all held.
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t commits = 0;
};

/// Rung one, the core alone: members over simulated drives and a simulated bus, one seed, one thread, no real
/// time. Damage stays within what must be survived: drives of a minority fail, one lies at most and alone.
class RaftWorld {
 public:
  RaftWorld(std::uint64_t seed, const cluster::raft::Defects& defects, cluster::raft::ProbeCounts& probes,
            bool trace);
  RaftOutcome run();

 private:
  using MemberId = cluster::raft::MemberId;
  using Index = cluster::raft::Index;
  using Term = cluster::raft::Term;
  enum class Kind : std::uint8_t {
    kTick,
    kDeliver,
    kSynced,
    kClient,
    kFault,
    kAdmin,
    kResume,
    kRestart,
    kCrash
  };
  struct Event {
    Kind kind;
    MemberId member = 0;
    std::uint64_t life = 0;
    std::uint64_t value = 0;  ///< A message's slot, a sequence or an index.
    bool ok = true;
  };
  struct Recorded {  ///< What one peer recorded of another: the highest term, and (term, index) acknowledged.
    Term term = 0;
    Term acked_term = 0;
    Index acked = 0;
    std::uint64_t life = 0;  ///< Messages of earlier lives are refused since the peer was asked.
  };
  struct PendingRead {
    std::uint64_t token;
    Index floor;
  };
  struct Member {
    MemberId id = 0;
    bool up = false;
    bool failed = false;         ///< Its drive is gone for good.
    bool must_stand_by = false;  ///< Its log came back short: it must be made a standby before it speaks.
    bool needs_fill = false;
    bool has_led = false;    ///< In this life.
    bool regressed = false;  ///< The leader caught it lying.
    std::uint64_t life = 0;
    std::uint64_t lost_life = 0;  ///< What it had sent until then was lost with it.
    std::int64_t paused_until = 0;
    std::int64_t clock_offset = 0;
    std::int64_t clock_ppm = 0;
    std::int64_t drive_free_at = 0;
    std::uint64_t fail_at_sequence = 0;  ///< kFailNext: the next write will fail.
    std::unique_ptr<cluster::raft::Raft> core;
    RaftDrive drive;
    cluster::raft::Membership applied_membership;
    Index applied_membership_index = 0;
    std::vector<PendingRead> reads;
    std::vector<Recorded> recorded;  ///< By member.
  };

  // raft_world.cc
  void schedule(std::int64_t delay, Event event) { queue_.push(now_ + delay, event); }
  void handle(const Event& event);
  void run_member(Member& member, const Event& event);
  void after_input(Member& member);
  void send(Member& member, cluster::raft::Message message);
  void deliver(Member& target, cluster::raft::Message message, std::uint64_t life);
  void apply(Member& member, const std::vector<cluster::raft::Entry>& entries);
  void start(Member& member);
  [[nodiscard]] MonotonicTime clock_of(const Member& member) const;
  [[nodiscard]] bool converged();
  // raft_faults.cc
  void draw_plan();
  void client();
  void fault();
  void crash(Member& member, bool want_lie);
  [[nodiscard]] bool may_lie(const Member& member) const;
  void disturb_bus();
  void stop_faults();
  [[nodiscard]] bool may_fail_another() const;
  Member* pick_victim();
  // raft_admin.cc
  void admin();
  [[nodiscard]] bool can_decide(const cluster::raft::Membership& wanted) const;
  bool step_membership(Member& leader);
  void release_muted();
  bool told_enough(Member& member);
  void fill_standbys(Member& leader);
  bool fill(Member& member, Member& leader);
  Member* current_leader(bool ready);
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  bool chance(std::uint64_t per_mille) { return random_.below(1000) < per_mille; }
  void note(const Member& member, const char* what, std::uint64_t value = 0);

  static constexpr std::uint64_t kFailNext = UINT64_MAX;
  static constexpr std::uint64_t kMaxEvents = 200'000;
  static constexpr std::int64_t kTimeout = 1'000'000'000;
  std::uint64_t seed_;
  base::SeededRandom random_;
  cluster::raft::Options options_;
  bool trace_;
  RaftPlan plan_;
  EventQueue<Event> queue_;
  Bus bus_;
  Digest digest_;
  RaftChecker checker_;
  std::vector<Member> members_;  ///< members_[id - 1].
  struct Slot {
    cluster::raft::Message message;
    std::uint64_t life;
  };
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_slots_;
  std::int64_t now_ = 0;
  bool faults_on_ = true;
  bool lied_ = false;
  std::uint64_t next_value_ = 100;
  std::uint64_t next_token_ = 1;
  Index goal_ = 0;  ///< After the faults: this must be applied everywhere.
};

}  // namespace flashstor::sim
