#include "engine/files/shared_locks.h"

#include <algorithm>

#include "engine/async/gather.h"
#include "engine/base/log.h"
#include "engine/files/limits.h"

namespace flashstor::files {

SharedLocks::SharedLocks(cluster::ClusterApi& cluster, Runtime& runtime)
    : cluster_(cluster), runtime_(runtime), session_(Uuid::make(runtime.random())) {
  // Leaders that are new begin to count as soon as the bucket is mounted.
  for (std::uint32_t set = 0; set < cluster.set_count(); ++set) {
    told_.insert(set);
    turns_.emplace_back(1);
  }
}

std::uint32_t SharedLocks::set_of(const InodeId& inode) const {
  return cluster_.set_for(inode, "").info().index;
}

void SharedLocks::stop() {
  stopping_ = true;
  stop_.notify_all();
  changed_.notify_all();
}

// A set that cannot answer must not cost the locks of others.
Task<void> SharedLocks::keep_refreshing() {
  std::vector<Task<void>> sets;
  for (std::uint32_t set = 0; set < turns_.size(); ++set) sets.push_back(keep_refreshing_set(set));
  co_await async::gather(std::move(sets));
}

Task<void> SharedLocks::keep_refreshing_set(std::uint32_t set) {
  while (!stopping_) {
    if (told_.contains(set)) co_await refresh(set);
    if (!stopping_) co_await stop_.wait_until(runtime_.now() + kLockRefresh);
  }
}

Task<Result<LockAnswer>> SharedLocks::ask_in_turn(LockPayload payload) {
  payload.session = session_;
  payload.number = ++calls_;
  const auto kind = static_cast<cluster::CommandKind>(FileCommand::kLock);
  const std::string bytes = co_await or_return(cluster_.set_at(payload.set).query(kind, encode(payload)));
  co_return decode<LockAnswer>(bytes);
}

Task<void> SharedLocks::refresh(std::uint32_t set) {
  co_await turns_[set].acquire();
  LockPayload payload{
      .what = LockPayload::What::kRefresh, .set = set, .session = {}, .wanted = {}, .held = {}};
  for (const auto& [inode, held] : held_)
    if (set_of(inode) == set)
      for (const LockRange& range : held.space.all()) payload.held.push_back({inode, range});
  const bool empty = payload.held.empty();
  const MonotonicTime asked = runtime_.now();
  const auto answer = co_await ask_in_turn(std::move(payload));
  if (answer && empty) told_.erase(set);
  if (answer) {
    for (const HeldLock& lost : answer->lost) {
      base::log_warning("a lock of inode {} was taken by another node while this one was away",
                        lost.inode.to_text());
      LockRange none = lost.range;
      none.type = LockRange::Type::kUnlock;
      keep(lost.inode, none);
    }
    if (answer->granted)
      for (auto& [inode, held] : held_)
        if (set_of(inode) == set) held.told = asked;
  }
  turns_[set].release();
}

void SharedLocks::keep(const InodeId& inode, const LockRange& range) {
  LockSpace& space = held_[inode].space;
  space.set(range);
  if (space.empty()) held_.erase(inode);
}

bool SharedLocks::holds(const InodeId& inode) const {
  const auto held = held_.find(inode);
  return held != held_.end() && runtime_.now() < held->second.told + kLockLease;
}

std::vector<LockRange> SharedLocks::held_by(const InodeId& inode, std::uint64_t owner,
                                            bool whole_file) const {
  std::vector<LockRange> out;
  if (const auto held = held_.find(inode); held != held_.end())
    for (LockRange range : held->second.space.all()) {
      range.owner ^= session_.low;
      if (range.owner == owner && range.whole_file == whole_file) out.push_back(range);
    }
  std::ranges::sort(out, {}, &LockRange::start);
  return out;
}

Task<Result<LockAnswer>> SharedLocks::ask(LockPayload::What what, InodeId inode, LockRange range) {
  async::Semaphore& turn = turns_[set_of(inode)];
  co_await turn.acquire();
  LockPayload payload{
      .what = what, .set = set_of(inode), .session = {}, .wanted = {inode, range}, .held = {}};
  // Whatever comes of it, the leader hears of it again.
  if (what == LockPayload::What::kSet) told_.insert(payload.set);
  const MonotonicTime asked = runtime_.now();
  auto answer = co_await ask_in_turn(std::move(payload));
  if (answer && answer->granted && what == LockPayload::What::kSet) {
    keep(inode, range);
    if (const auto held = held_.find(inode); held != held_.end()) held->second.told = asked;
  }
  turn.release();
  co_return answer;
}

// The next refresh tells the leader too, if it cannot be told now.
Task<void> SharedLocks::drop(InodeId inode, LockRange range) {
  keep(inode, range);
  static_cast<void>(co_await ask(LockPayload::What::kSet, inode, range));
  changed_.notify_all();
}

Task<Result<void>> SharedLocks::lock(InodeId inode, LockRange range, bool wait, const bool* cancelled) {
  range.owner ^= session_.low;  // mounts of other nodes are numbered alike
  if (range.type == LockRange::Type::kUnlock) {
    if (held_.contains(inode)) co_await drop(inode, range);
    co_return {};
  }
  while (true) {
    const LockAnswer answer = co_await or_return(ask(LockPayload::What::kSet, inode, range));
    if (answer.granted) co_return {};
    if (answer.other && !wait) co_return fail(ErrorCode::kWouldBlock);
    if (stopping_ || (cancelled != nullptr && *cancelled)) co_return fail(ErrorCode::kCancelled);
    co_await changed_.wait_until(runtime_.now() + kLockRetry);
  }
}

Task<Result<LockRange>> SharedLocks::test(InodeId inode, LockRange range) {
  range.owner ^= session_.low;
  while (true) {
    const LockAnswer answer = co_await or_return(ask(LockPayload::What::kTest, inode, range));
    if (answer.other) co_return *answer.other;
    if (!answer.early || stopping_) co_return LockRange{};
    co_await changed_.wait_until(runtime_.now() + kLockRetry);
  }
}

}  // namespace flashstor::files
