#include "engine/cluster/set_rows.h"

#include <algorithm>

#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"

namespace flashstor::cluster {
namespace {

// One pass over rows: how far it came and why it stopped.
struct Pass {
  enum class End : std::uint8_t { kDone, kUndecided, kWouldBlock, kLong, kFailed } end = End::kDone;
  std::string at;  // the row that was not visited
  Error error{ErrorCode::kInternal};
};

Pass scan_rows(storage::RowStore& rows, const UndecidedNames& undecided, Family family,
               const std::string& from, const std::string& upper, const ScanVisitor& visitor,
               storage::ReadTier tier, std::size_t most) {
  const auto cursor = rows.iterate(family, from, upper, tier);
  std::string at = from;
  cursor->seek(from);
  for (std::size_t seen = 0; cursor->valid(); ++seen) {
    if (seen >= most) return {.end = Pass::End::kLong, .at = std::string(cursor->key())};
    if (undecided.size() > 0 && undecided.covers(lock_name(family, cursor->key())))
      return {.end = Pass::End::kUndecided, .at = std::string(cursor->key())};
    const ScanStep step = visitor(cursor->key(), cursor->value());
    if (step.kind == ScanStep::Kind::kStop) return {};
    if (step.kind == ScanStep::Kind::kSeek) {
      at = step.seek_to;
      if (!upper.empty() && at >= upper) return {};
      cursor->seek(at);
    } else {
      at.assign(cursor->key()).push_back('\0');
      cursor->next();
    }
  }
  const auto status = cursor->status();
  if (status) return {};
  if (status.error().code() == ErrorCode::kWouldBlock) return {.end = Pass::End::kWouldBlock, .at = at};
  return {.end = Pass::End::kFailed, .at = at, .error = status.error()};
}

}  // namespace

Task<Result<std::optional<std::string>>> SetRows::get(Family family, std::string key) {
  while (true) {
    const std::uint32_t slot = co_await or_return(set_.read_slot());
    const std::uint64_t voids = set_.undecided_.voids();
    storage::StorageApi& drive = *set_.drives_[slot];
    Result<std::optional<std::string>> row = fail(ErrorCode::kWouldBlock);
    if (storage::RowStore* rows = drive.rows(); rows != nullptr)
      row = rows->get(family, key, storage::ReadTier::kCacheOnly);
    if (!row && row.error().code() == ErrorCode::kWouldBlock) row = co_await drive.get_row(family, key);
    if (!row) co_return row;
    if (set_.undecided_.size() > 0) {
      const std::string name = lock_name(family, key);
      if (set_.undecided_.covers(name)) {
        co_await or_return(set_.wait_decided(name));
        continue;
      }
    }
    if (voids == set_.undecided_.voids()) co_return row;
  }
}

Task<Result<void>> SetRows::scan(Family family, std::string lower, std::string upper, ScanVisitor visitor,
                                 std::function<void()> restart) {
  std::string from = lower;
  std::uint64_t voids = set_.undecided_.voids();
  bool may_wait = false;
  while (true) {
    const std::uint32_t slot = co_await or_return(set_.read_slot());
    storage::RowStore* rows = set_.drives_[slot]->rows();
    if (rows == nullptr) co_return fail(ErrorCode::kNotLeader, "the leader is on another node");
    Pass pass;
    if (may_wait && set_.parts_.pool != nullptr) {
      pass = co_await async::offload(*set_.parts_.pool, [&] {
        return scan_rows(*rows, set_.undecided_, family, from, upper, visitor, storage::ReadTier::kAny,
                         SIZE_MAX);
      });
    } else {
      const auto tier = may_wait ? storage::ReadTier::kAny : storage::ReadTier::kCacheOnly;
      pass = scan_rows(*rows, set_.undecided_, family, from, upper, visitor, tier, limits::kRowsOnLoop);
    }
    // A version seen before it was voided must not be answered.
    if (const std::uint64_t now = set_.undecided_.voids(); now != voids) {
      voids = now;
      from = lower;
      restart();
      continue;
    }
    switch (pass.end) {
      case Pass::End::kDone:
        co_return Result<void>();
      case Pass::End::kFailed:
        co_return std::unexpected(std::move(pass.error));
      case Pass::End::kUndecided:
        co_await or_return(set_.wait_decided(lock_name(family, pass.at)));
        break;
      case Pass::End::kWouldBlock:
      case Pass::End::kLong:
        may_wait = true;
        break;
    }
    from = std::move(pass.at);
  }
}

Task<Result<std::string>> ErasureSet::query(CommandKind kind, std::string payload) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
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

// Between two leaders: waits for the next, or for the set to find that there will be none.
Task<Result<std::uint32_t>> ErasureSet::read_slot_home() {
  const MonotonicTime deadline = parts_.home->now() + limits::kWaitDeadline;
  while (true) {
    if (const auto slot = leased_slot()) co_return *slot;
    if (group_.leads_elsewhere()) co_return fail(ErrorCode::kNotLeader);
    if (reader_.load() >= 0 && co_await group_.confirm_leader(deadline) && reader_.load() >= 0) break;
    if (group_.leads_elsewhere() || reader_.load() >= 0) co_return fail(ErrorCode::kNotLeader);
    if (!group_.is_spread() && group_.open_members() < drives_.size() - group_.majority() + 1)
      co_return fail(ErrorCode::kReadQuorum, "too few drives of the set stand to be sure of its rows");
    if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
    if (!co_await leader_signal_.wait_until(deadline) && reader_.load() < 0)
      co_return fail(ErrorCode::kTimeout, "the set has no leader");
  }
  co_return static_cast<std::uint32_t>(reader_.load());
}

Task<Result<void>> ErasureSet::wait_decided(std::string name) {
  co_return co_await async::run_on(*parts_.home, wait_decided_home(std::move(name)));
}

Task<Result<void>> ErasureSet::wait_decided_home(std::string name) {
  const MonotonicTime deadline = parts_.home->now() + limits::kWaitDeadline;
  while (undecided_.covers(name)) {
    if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
    if (!co_await decided_signal_.wait_until(deadline) && undecided_.covers(name))
      co_return fail(ErrorCode::kTimeout, "the newest version is not decided yet: too few drives answer");
  }
  co_return Result<void>();
}

// Until every standing drive has applied what is committed now.
Task<void> ErasureSet::wait_all_applied() {
  const auto on_home = [](ErasureSet* self) -> Task<void> {
    const raft::Index index = self->group_.committed();
    const MonotonicTime deadline = self->parts_.home->now() + limits::kCommitDeadline;
    const auto behind = [](ErasureSet& set, raft::Index wanted) {
      for (std::uint32_t slot = 0; slot < set.drives_.size(); ++slot)
        if (set.group_.is_open(slot) && set.group_.applied(slot) < wanted) return true;
      return false;
    };
    while (!self->closing_.load() && behind(*self, index))
      if (!co_await self->applied_signal_.wait_until(deadline)) co_return;
  };
  co_await async::run_on(*parts_.home, on_home(this));
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
