#include "engine/cluster/set_rows.h"

#include <algorithm>

#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/row_scan.h"

namespace flashstor::cluster {
namespace {

/// Errors that say that the drive itself, not the question, is at fault.
bool drive_is_at_fault(ErrorCode code) {
  return code == ErrorCode::kIo || code == ErrorCode::kCorrupt || code == ErrorCode::kDriveFailed ||
         code == ErrorCode::kTimeout || code == ErrorCode::kUnknownOutcome;
}

}  // namespace

Task<Result<std::uint32_t>> SetRows::read_slot() {
  if (slot_) co_return *slot_;
  co_return co_await set_.read_slot();
}

// Another drive answers, unless all have been tried.
Task<Result<void>> SetRows::give_up_drive(std::uint32_t slot, Error error) {
  if (slot_ || !drive_is_at_fault(error.code()) || ++drives_tried_ > set_.drives_.size())
    co_return std::unexpected(std::move(error));
  co_await set_.fail_drive(slot, std::string(error.message()), error.code());
  co_return Result<void>();
}

Task<Result<std::optional<std::string>>> SetRows::get(Family family, std::string key) {
  while (true) {
    const std::uint64_t voids = set_.undecided_.voids();
    const std::uint32_t slot = co_await or_return(read_slot());
    storage::StorageApi& drive = *set_.drives_[slot];
    Result<std::optional<std::string>> row = fail(ErrorCode::kWouldBlock);
    if (storage::RowStore* rows = drive.rows(); rows != nullptr)
      row = rows->get(family, key, storage::ReadTier::kCacheOnly);
    if (!row && row.error().code() == ErrorCode::kWouldBlock) row = co_await drive.get_row(family, key);
    if (!row) {
      co_await or_return(give_up_drive(slot, std::move(row).error()));
      continue;
    }
    if (set_.undecided_.size() > 0 && !set_.parts_.defects.show_pending) {
      const std::string name = lock_name(family, key);
      if (set_.undecided_.covers(name)) {
        co_await or_return(set_.wait_decided({.lower = name, .upper = name}));
        continue;
      }
    }
    if (voids == set_.undecided_.voids()) co_return row;
  }
}

Task<Result<void>> SetRows::scan(Family family, std::string lower, std::string upper, ScanVisitor visitor,
                                 std::function<void()> restart) {
  RowRange range{.undecided = &set_.undecided_, .family = family, .from = lower, .upper = std::move(upper)};
  if (set_.parts_.defects.show_pending) range.undecided = &set_.none_undecided_;
  range.visitor = &visitor;
  std::uint64_t voids = set_.undecided_.voids();
  bool may_wait = false;
  while (true) {
    const std::uint32_t slot = co_await or_return(read_slot());
    range.unseen = set_.tail_undecided_.load();
    range.rows = set_.drives_[slot]->rows();
    if (range.rows == nullptr) {
      const storage::DriveInfo info = set_.drives_[slot]->info();
      if (info.state == storage::DriveInfo::State::kOnline)
        co_return fail(ErrorCode::kNotLeader, "the leader is on another node");
      co_await or_return(give_up_drive(slot, Error(ErrorCode::kDriveFailed, info.error)));
      continue;
    }
    RowPass pass;
    if (may_wait && set_.parts_.pool != nullptr) {
      pass = co_await scan_rows_on(*set_.parts_.pool, range);
    } else {
      const auto tier = may_wait ? storage::ReadTier::kAny : storage::ReadTier::kCacheOnly;
      pass = scan_rows(range, tier, limits::kRowsOnLoop);
    }
    // A version seen before it was voided must not be answered; nor rows of a drive that fails half way.
    const bool failed = pass.end == RowPass::End::kFailed;
    if (failed) co_await or_return(give_up_drive(slot, std::move(pass.error)));
    if (const std::uint64_t now = set_.undecided_.voids(); failed || now != voids) {
      voids = now;
      range.from = lower;
      restart();
      continue;
    }
    if (pass.end == RowPass::End::kDone) co_return Result<void>();
    if (pass.end == RowPass::End::kUndecided) {
      co_await or_return(set_.wait_decided(std::move(pass.names)));
    } else {
      may_wait = true;
    }
    range.from = std::move(pass.at);
  }
}

Task<Result<std::string>> ErasureSet::query(CommandKind kind, std::string payload) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
  if (kind == kScanQuery) co_return co_await scan_soon(payload == "deep");
  if (kind == kHealQuery) {
    if (group_.is_spread() && leader_node() != static_cast<int>(parts_.place.self))
      co_return fail(ErrorCode::kNotLeader);
    co_return encode_heal_status(heal_status());
  }
  const QueryHandler* handler = parts_.registry->query(kind);
  if (handler == nullptr) co_return fail(ErrorCode::kNotImplemented, "no handler for this query");
  SetRows rows(*this);
  co_return co_await (*handler)(rows, payload);
}

Task<Result<void>> ErasureSet::with_rows(std::function<Task<Result<void>>(RowView&)> read) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
  SetRows rows(*this);
  co_return co_await read(rows);
}

std::optional<RowsMark> ErasureSet::mark(std::string_view name) {
  const Outside inside(outside_);
  if (closing_.load() || parts_.defects.show_pending) return std::nullopt;
  const std::uint64_t voids = undecided_.voids();
  const std::uint64_t era = reader_era_.load();
  const auto slot = leased_slot();
  if (!slot || undecided_.covers(name)) return std::nullopt;
  // Looked at last: a version that was decided since was written since.
  const storage::RowStore* rows = drives_[*slot]->rows();
  const auto writes = rows == nullptr ? std::nullopt : rows->writes_under(name.substr(1));
  if (!writes || undecided_.voids() != voids) return std::nullopt;
  return RowsMark{.era = era, .slot = *slot, .writes = *writes};
}

std::optional<std::uint32_t> ErasureSet::leased_slot() {
  const int slot = reader_.load(std::memory_order_acquire);
  if (slot < 0) return std::nullopt;
  if (group_.is_spread() && Runtime::current()->now() >= group_.lease_until()) return std::nullopt;
  return static_cast<std::uint32_t>(slot);
}

Task<Result<std::uint32_t>> ErasureSet::read_slot() {
  if (const auto slot = leased_slot()) co_return *slot;
  co_return co_await async::run_on(*parts_.home, read_slot_home());
}

// Between two leaders: waits for the next, or for the set to find that there will be none. A majority that
// stands and elects nobody for long (one of it lacks too much of the log to follow) is none.
Task<Result<std::uint32_t>> ErasureSet::read_slot_home() {
  const MonotonicTime deadline = parts_.home->now() + limits::kWaitDeadline;
  while (true) {
    if (const auto slot = leased_slot()) co_return *slot;
    if (group_.leads_elsewhere()) co_return fail(ErrorCode::kNotLeader);
    if (reader_.load() >= 0 && co_await group_.confirm_leader(deadline) && reader_.load() >= 0) break;
    if (group_.leads_elsewhere() || reader_.load() >= 0) co_return fail(ErrorCode::kNotLeader);
    if (!group_.is_spread() && group_.open_members() < group_.read_quorum())
      co_return fail(ErrorCode::kReadQuorum, "too few drives of the set stand to be sure of its rows");
    if (closing_.load() || waits_ended_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
    const MonotonicTime patience = leaderless_since_ + limits::kLeaderPatience;
    const bool patient = !group_.is_spread() && parts_.home->now() < patience;
    if (co_await leader_signal_.wait_until(patient ? std::min(patience, deadline) : deadline)) continue;
    if (patient) publish();
    if (reader_.load() < 0 && parts_.home->now() >= deadline)
      co_return fail(ErrorCode::kTimeout, "the set has no leader");
  }
  co_return static_cast<std::uint32_t>(reader_.load());
}

Task<Result<void>> ErasureSet::wait_decided(NameRange names) {
  co_return co_await async::run_on(*parts_.home, wait_decided_home(std::move(names)));
}

Task<Result<void>> ErasureSet::wait_decided_home(NameRange names) {
  const MonotonicTime deadline = parts_.home->now() + limits::kWaitDeadline;
  while (undecided_.covers(names.lower, names.upper)) {
    if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
    if (!co_await decided_signal_.wait_until(deadline) && undecided_.covers(names.lower, names.upper))
      co_return fail(ErrorCode::kTimeout, "the newest version is not decided yet: too few drives answer");
  }
  co_return Result<void>();
}

// Until every standing drive has applied what is committed now.
Task<bool> ErasureSet::wait_all_applied() {
  const auto on_home = [](ErasureSet* self) -> Task<bool> {
    const raft::Index index = self->group_.committed();
    const MonotonicTime deadline = self->parts_.home->now() + limits::kCommitDeadline;
    const auto behind = [](ErasureSet& set, raft::Index wanted) {
      for (std::uint32_t slot = 0; slot < set.drives_.size(); ++slot)
        if (set.group_.is_open(slot) && set.group_.applied(slot) < wanted) return true;
      return false;
    };
    while (!self->closing_.load() && behind(*self, index))
      if (!co_await self->applied_signal_.wait_until(deadline)) co_return false;
    co_return self->group_.open_members() == self->drives_.size();
  };
  co_return co_await async::run_on(*parts_.home, on_home(this));
}

WallTime ErasureSet::next_time() {
  const std::int64_t clock = base::to_nanoseconds(Runtime::current()->wall_now());
  std::int64_t last = last_time_.load();
  std::int64_t next = 0;
  do {
    next = std::max(clock, last + 1);
  } while (!last_time_.compare_exchange_weak(last, next));
  return base::from_nanoseconds(next);
}

}  // namespace flashstor::cluster
