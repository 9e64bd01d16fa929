#include <algorithm>
#include <bit>

#include "engine/base/codec.h"
#include "engine/cluster/due.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/outside.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/set.h"
#include "engine/cluster/set_rows.h"
#include "engine/codec/erasure.h"

// How a command becomes an entry of the log.
namespace flashstor::cluster {
namespace {

Result<void> check_shape(const Command& command, std::uint32_t drives) {
  const DataRef& data = command.data;
  if (data.place == DataPlace::kNone) return {};
  if (data.geometry.shards() != drives || data.geometry.data_shards == 0)
    return fail(ErrorCode::kInvalidArgument, "the data's geometry is not that of the set");
  if (data.place == DataPlace::kLog &&
      (command.bytes.empty() || command.bytes.size() > flashstor::limits::kMaxInlineObjectBytes ||
       command.bytes.size() != data.length))
    return fail(ErrorCode::kInvalidArgument, "inline data of a wrong length");
  return {};
}

}  // namespace

Task<Result<CommandResult>> ErasureSet::execute(Command command) {
  const Outside inside(outside_);
  if (closing_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
  co_await or_return(check_shape(command, parts_.info.drives));
  requests_.fetch_add(1, std::memory_order_relaxed);
  std::vector<Buffer> shards;
  if (command.data.place == DataPlace::kLog)
    shards = codec::encode_stripe(command.data.geometry, command.bytes, codec::kInlineBlockAlignment);
  co_return co_await async::run_on(*parts_.home, execute_home(command, std::move(shards)));
}

// A frame of its own around what holds locks: it dies on this loop, whatever way it ends.
Task<Result<CommandResult>> ErasureSet::execute_home(Command& command, std::vector<Buffer> shards) {
  auto result = co_await execute_held(command, std::move(shards));
  // Staged data that no entry will name goes at once.
  bool named = result ? result->revision != 0 : result.error().code() == ErrorCode::kUnknownOutcome;
  // Asked of another node next: it is still wanted.
  if (group_.is_spread() && !result && result.error().code() == ErrorCode::kNotLeader) named = true;
  if (command.data.place == DataPlace::kFile && !named) co_await drop_staged(command.data.id);
  co_return result;
}

Task<Result<CommandResult>> ErasureSet::execute_held(Command& command, std::vector<Buffer> shards) {
  const MonotonicTime deadline = parts_.home->now() + limits::kWaitDeadline;
  const Planner* planner = parts_.registry->planner(command.kind);
  if (planner == nullptr) co_return fail(ErrorCode::kNotImplemented, "no planner for this command");
  co_await or_return(await_leader(deadline));
  auto held = co_await or_return(locks_.acquire(command.locks, deadline));
  while (true) {
    co_await or_return(await_leader(deadline));
    co_await or_return(check_writable(command.data));
    const raft::Term term = group_.leader_term();
    SetRows rows(*this);
    if (command.keep_result) {
      const auto kept = co_await or_return(rows.get(Family::kResults, command.request_id.to_bytes()));
      if (kept) co_return CommandResult{.revision = 0, .response = decode_kept_result(*kept)};
    }
    Plan plan = co_await or_return((*planner)(rows, command));
    if (!group_.leads(term)) continue;  // nothing was proposed: decide again under the new leader
    if (!plan.write) co_return CommandResult{.revision = 0, .response = std::move(plan.response)};
    storage::EntryBody body;
    body.request_id = command.request_id;
    body.changes = std::move(plan.changes);
    body.data = command.data;
    if (command.keep_result) keep_result(body.changes, command.request_id, plan.response, rows.now());
    Flight flight;
    if (command.data.place == DataPlace::kNone) {
      std::ranges::move(plan.on_confirm, std::back_inserter(body.changes));
    } else {
      body.on_confirm = std::move(plan.on_confirm);
      body.on_void = std::move(plan.on_void);
      flight.shards = std::move(shards);
      flight.staged = staged_slots(command.data);
      for (const LockName& lock : command.locks)
        if (lock.exclusive) flight.names.push_back(lock.name);
    }
    co_return co_await fly(std::move(body), flight, std::move(plan.response));
  }
}

Task<Result<CommandResult>> ErasureSet::fly(storage::EntryBody body, Flight& flight, std::string response) {
  const std::size_t own = body.changes.size();
  pending_.board(body, limits::kMaxConfirms, limits::kMaxRiders);
  if (body.data.place != DataPlace::kNone) body.excused = excused_now(body.data);
  const auto proposed = group_.propose(storage::entry_payload(body));
  if (!proposed) {
    pending_.unboard(body, own);
    co_return std::unexpected(proposed.error());
  }
  pending_.boarded(proposed->index, body, own);
  flight.index = proposed->index;
  flight.term = proposed->term;
  flight.body = &body;
  flight.needed = needed_for(body.data);
  flight.excused = body.excused;
  flight.proposed_at = parts_.home->now();
  flights_.add(flight);
  arm_house();
  co_await flight.finished.wait();
  flights_.remove(flight);
  if (flight.outcome == Flight::Outcome::kUnknown && group_.leads(flight.term)) mark_unknown(flight);
  if (flight.outcome == Flight::Outcome::kUnknown && flight.has_data() && group_.leads(flight.term)) {
    unknown_through_ = std::max(unknown_through_, flight.index);
    start_settling();  // this leader's own now, as if a predecessor had left it
  }
  if (flight.outcome != Flight::Outcome::kDone)
    co_return fail(ErrorCode::kUnknownOutcome, "the set cannot tell whether the change was made");
  if (body.data.place == DataPlace::kFile) forget_staged(body.data.id);
  co_return CommandResult{.revision = flight.index, .response = std::move(response)};
}

Task<Result<void>> ErasureSet::commit_own(storage::EntryBody body) {
  Flight flight;
  auto done = co_await fly(std::move(body), flight, {});
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return Result<void>();
}

Task<Result<void>> ErasureSet::await_leader(MonotonicTime deadline) {
  while (!group_.leader()) {
    if (group_.leads_elsewhere()) co_return fail(ErrorCode::kNotLeader);
    if (!group_.is_spread() && group_.open_members() < group_.majority())
      co_return fail(ErrorCode::kReadOnly, "too few drives of the set stand to take changes");
    if (closing_.load() || waits_ended_.load()) co_return fail(ErrorCode::kCancelled, "the set is closing");
    if (!co_await leader_signal_.wait_until(deadline) && !group_.leader())
      co_return fail(ErrorCode::kTimeout, "the set has no leader");
  }
  co_return Result<void>();
}

std::uint32_t ErasureSet::needed_for(const DataRef& data) const {
  if (data.place == DataPlace::kNone) return static_cast<std::uint32_t>(group_.majority());
  return write_quorum(parts_.info.drives, data.geometry) - (parts_.defects.one_drive_too_few ? 1 : 0);
}

Result<void> ErasureSet::check_writable(const DataRef& data) const {
  if (std::popcount(open_slots()) < static_cast<int>(needed_for(data)))
    return fail(ErrorCode::kReadOnly, "too few drives of the set stand to take changes");
  // Staged data has its room; what has none must still be able to delete.
  if (data.place == DataPlace::kLog &&
      std::popcount(open_slots() & ~full_mask_.load()) < static_cast<int>(needed_for(data)))
    return fail(ErrorCode::kNoSpace, "the drives of the set are full");
  return {};
}

std::uint32_t ErasureSet::staged_slots(const DataRef& data) {
  if (data.place != DataPlace::kFile) return 0;
  const std::lock_guard lock(staged_mutex_);
  const auto found = staged_.find(data.id);
  return found == staged_.end() ? 0 : found->second.slots;
}

void ErasureSet::forget_staged(const DataId& id) {
  const std::lock_guard lock(staged_mutex_);
  staged_.erase(id);
}

}  // namespace flashstor::cluster
