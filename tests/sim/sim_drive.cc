#include "tests/sim/sim_drive.h"

#include <algorithm>
#include <string>

#include "engine/async/sync.h"
#include "engine/codec/geometry.h"
#include "tests/sim/probes.h"

namespace flashstor::sim {

using storage::DataRef;
using storage::LogEntry;

namespace {

constexpr std::uint64_t kFlushPerMille = 30;
constexpr std::uint64_t kKeptPerMille = 50;
constexpr Milliseconds kHungPoll{50};

}  // namespace

// The rows are as of the last flush, and the log may not end before them.
void SimDisk::keep() { kept_ = {hard_state, entries, configuration, shards, refused}; }

bool SimDisk::write(storage::AppendBatch& batch) {
  if (!batch.refusals.empty() && batch.refusals_term < hard_state.term) return false;
  if (batch.hard_state) hard_state = *batch.hard_state;
  if (batch.truncate_from) entries.erase(entries.lower_bound(*batch.truncate_from), entries.end());
  for (LogEntry& entry : batch.entries) {
    entries.erase(entries.lower_bound(entry.index), entries.end());
    entries.insert_or_assign(entry.index, std::move(entry));
  }
  for (const DataId& id : batch.refusals) {
    refused.insert(id);
    staging.erase(id);
    const auto held = shards.find(id);
    if (held != shards.end() && !held->second.named) shards.erase(held);
  }
  for (storage::DataRecord& data : batch.data) {
    if (refused.contains(data.id)) continue;
    Shard& shard = shards[data.id];
    shard.ref = data.ref;
    shard.shard = data.shard;
    shard.bytes = data.bytes;
  }
  if (may_lose && random_.below(1000) < kKeptPerMille) keep();
  return true;
}

void SimDisk::complete(const Job& job) {
  while (!queue.empty() && !job.done) {
    const std::shared_ptr<Job> first = std::move(queue.front());
    queue.pop_front();
    first->stale = !write(first->batch);
    if (first->configuration) configuration = *first->configuration;
    first->done = true;
  }
}

void SimDisk::apply(const LogEntry& entry) {
  applied = entry.index;
  if (entry.kind != 0) return;
  auto body = storage::decode_entry(entry.payload.view());
  FLASHSTOR_CHECK(body.has_value());
  const auto decide = [this](std::uint64_t which, bool confirmed) {
    const auto found = deferred.find(which);
    if (found == deferred.end()) return;
    static_cast<void>(index.write(confirmed ? found->second.on_confirm : found->second.on_void, true));
    if (!confirmed) shards.erase(found->second.data);
    deferred.erase(found);
  };
  for (const auto which : body->confirms) decide(which, true);
  for (const auto which : body->voids) decide(which, false);
  static_cast<void>(index.write(body->changes, true));
  if (body->data.place == storage::DataPlace::kNone) {
    static_cast<void>(index.write(body->on_confirm, true));
  } else {
    deferred[entry.index] = {std::move(body->on_confirm), std::move(body->on_void), body->data.id};
    if (const auto held = shards.find(body->data.id); held != shards.end()) {
      held->second.named = true;
      held->second.named_at = entry.index;
    }
  }
  for (const DataId& id : body->frees) shards.erase(id);
}

void SimDisk::flush() {
  static_cast<void>(index.flush());
  flushed_ = applied;
  flushed_deferred_ = deferred;
  if (may_lose) keep();
}

OpenedDrive SimDisk::open(std::uint32_t slot) {
  auto storage = std::make_unique<SimStorage>(*this, slot, acknowledge_early_);
  const SimStorage::LifeRef life = storage->life();
  return {.storage = std::move(storage),
          .kill = [life] { life->dead = true; },
          .idle = [life] { return life->late == 0; }};
}

void SimDisk::rot(bool /*keep_tail*/) {
  for (const auto& [id, shard] : shards)
    if (random_.below(10) < 3) rotten.insert(id);
  if (!rotten.empty()) SET_PROBE("shards-rotten");
}

std::string SimDisk::describe(const DataId& id) {
  const auto found = shards.find(id);
  if (found == shards.end()) return "being staged";
  const Shard& shard = found->second;
  return "place " + std::to_string(static_cast<int>(shard.ref.place)) + ", " +
         std::to_string(shard.ref.length) + " bytes, " +
         (shard.named ? "named at " + std::to_string(shard.named_at) : "not named");
}

std::set<DataId> SimDisk::held() {
  std::set<DataId> out;
  for (const auto& [id, shard] : shards) out.insert(id);
  for (const auto& [id, staged] : staging) out.insert(id);
  return out;
}

// Without a power cut what was handed to the system arrives.
void SimDisk::crash(bool power_cut) {
  if (!power_cut && !queue.empty()) complete(*queue.back());
  const std::size_t kept = queue.empty() ? 0 : random_.below(queue.size() + 1);
  if (kept > 0) {
    SET_PROBE("unsynced-batch-survived");
    complete(*queue[kept - 1]);
  }
  if (!queue.empty()) SET_PROBE("unsynced-batch-lost");
  queue.clear();
  in_doubt = in_doubt || power_cut;
  if (power_cut && may_lose && random_.below(4) != 0) {
    NET_PROBE("synced-batch-lost");
    hard_state = kept_.hard_state;
    entries = kept_.entries;
    configuration = kept_.configuration;
    shards = kept_.shards;
    refused = kept_.refused;
  }
  index.crash();
  applied = flushed_;
  deferred = flushed_deferred_;
  for (auto& [id, shard] : shards)
    if (shard.named_at > flushed_) shard.named = false;
  for (auto at = staging.begin(); at != staging.end();)
    at = random_.below(2) == 0 ? staging.erase(at) : std::next(at);
}

storage::DriveInfo SimStorage::info() const {
  storage::DriveInfo out;
  out.path = "drive" + std::to_string(slot_);
  out.slot = slot_;
  if (disk_.failed) out.state = storage::DriveInfo::State::kFailed;
  return out;
}

Result<void> SimStorage::sound(bool writes) const {
  if (life_->dead) return fail(ErrorCode::kDriveFailed, "the process is gone");
  if (disk_.weather.fails || disk_.weather.lost) return fail(ErrorCode::kIo, "the drive does not answer");
  if (writes && disk_.failed) return fail(ErrorCode::kDriveFailed, "an earlier write failed");
  return {};
}

Task<Result<void>> SimStorage::wait(bool writes) {
  Runtime& runtime = *Runtime::current();
  const DriveWeather& weather = disk_.weather;
  std::int64_t took = 1 + static_cast<std::int64_t>(disk_.random().below(
                              static_cast<std::uint64_t>(weather.usual_ns + weather.slow_ns)));
  MonotonicTime until = runtime.now() + Nanoseconds(took);
  if (writes) until = free_at_ = std::max(free_at_ + Nanoseconds(1), until);
  co_await async::sleep_until(runtime, until);
  while (disk_.weather.hung && !life_->dead) co_await async::sleep_for(runtime, kHungPoll);
  co_return sound(writes);
}

Task<Result<storage::RecoveredState>> SimStorage::recover() {
  co_await or_return(wait(false));
  storage::RecoveredState state;
  state.hard_state = disk_.hard_state;
  state.applied_index = disk_.applied;
  const auto at = disk_.entries.find(disk_.applied);
  state.applied_term = at == disk_.entries.end() ? 0 : at->second.term;
  state.configuration = disk_.configuration;
  state.in_doubt = disk_.in_doubt;
  std::uint64_t from = disk_.applied + 1;
  if (!disk_.deferred.empty()) from = std::min(from, disk_.deferred.begin()->first);
  for (auto entry = disk_.entries.lower_bound(from); entry != disk_.entries.end(); ++entry)
    state.entries.push_back(entry->second);
  co_return state;
}

Task<Result<void>> SimStorage::write_job(std::shared_ptr<SimDisk::Job> job) {
  co_await or_return(sound(true));
  disk_.queue.push_back(job);
  if (acknowledge_early_) {
    ++life_->late;
    async::start_detached([](SimStorage* self, std::shared_ptr<SimDisk::Job> late) -> Task<void> {
      if (co_await self->wait(true)) self->disk_.complete(*late);
      --self->life_->late;
    }(this, job));
    co_await async::switch_to(*Runtime::current());
    co_return Result<void>();
  }
  auto done = co_await wait(true);
  if (!done) {
    if (!life_->dead) disk_.failed = true;
    co_return done;
  }
  disk_.complete(*job);
  if (job->stale) co_return fail(ErrorCode::kStale, "refused by an older term");
  co_return Result<void>();
}

Task<Result<void>> SimStorage::append(storage::AppendBatch batch) {
  for (const storage::DataRecord& data : batch.data)
    if (disk_.refused.contains(data.id)) co_return fail(ErrorCode::kStale, "refused");
  auto job = std::make_shared<SimDisk::Job>();
  job->batch = std::move(batch);
  co_return co_await write_job(std::move(job));
}

Task<Result<void>> SimStorage::set_configuration(std::string bytes) {
  auto job = std::make_shared<SimDisk::Job>();
  job->configuration = std::move(bytes);
  co_return co_await write_job(std::move(job));
}

Task<Result<void>> SimStorage::trust() {
  co_await or_return(wait(true));
  disk_.in_doubt = false;
  co_return Result<void>();
}

Task<Result<std::vector<LogEntry>>> SimStorage::read_entries(std::uint64_t from, std::uint64_t to,
                                                             std::size_t max_bytes) {
  co_await or_return(wait(false));
  std::vector<LogEntry> out;
  std::size_t bytes = 0;
  for (auto at = disk_.entries.find(from); at != disk_.entries.end() && at->first <= to; ++at) {
    if (!out.empty() && bytes + at->second.payload.size() > max_bytes) break;
    bytes += at->second.payload.size();
    out.push_back(at->second);
  }
  if (out.empty()) co_return fail(ErrorCode::kNotFound, "no such entry");
  co_return out;
}

Task<Result<void>> SimStorage::apply(std::vector<LogEntry> entries) {
  if (disk_.random().below(4) == 0) {
    co_await or_return(wait(false));  // what needs the drive: renames, drops
  } else {
    co_await async::switch_to(*Runtime::current());
    co_await or_return(sound(false));
  }
  for (const LogEntry& entry : entries) {
    if (entry.index <= disk_.applied) continue;
    FLASHSTOR_CHECK(entry.index == disk_.applied + 1);
    disk_.apply(entry);
  }
  if (disk_.random().below(1000) < kFlushPerMille) disk_.flush();
  co_return Result<void>();
}

Task<Result<std::optional<std::string>>> SimStorage::get_row(storage::Family family, std::string key) {
  co_await or_return(wait(false));
  co_return disk_.index.get(family, key, storage::ReadTier::kAny);
}

Task<Result<void>> SimStorage::stage_open(DataRef data, std::uint8_t shard, std::uint64_t /*expected*/) {
  co_await or_return(wait(false));
  if (disk_.failed) co_return fail(ErrorCode::kDriveFailed, "failed before");
  if (disk_.refused.contains(data.id)) co_return fail(ErrorCode::kStale, "refused");
  disk_.staging[data.id] = {.ref = data, .shard = shard, .bytes = {}};
  co_return Result<void>();
}

Task<Result<void>> SimStorage::stage_append(DataId data, Buffer blocks, std::size_t /*block_bytes*/) {
  co_await or_return(wait(false));
  const auto found = disk_.staging.find(data);
  if (found == disk_.staging.end()) co_return fail(ErrorCode::kNotFound, "not being staged");
  found->second.bytes.append(std::move(blocks));
  co_return Result<void>();
}

Task<Result<void>> SimStorage::stage_finish(DataId data, std::uint64_t length) {
  co_await or_return(wait(false));
  const auto found = disk_.staging.find(data);
  if (found == disk_.staging.end()) co_return fail(ErrorCode::kNotFound, "not being staged");
  SimDisk::Shard shard{.ref = found->second.ref, .shard = found->second.shard, .bytes = {}};
  shard.ref.length = length;
  shard.bytes = found->second.bytes.flatten();
  disk_.staging.erase(found);
  if (disk_.refused.contains(data)) co_return fail(ErrorCode::kStale, "refused");
  disk_.shards.insert_or_assign(data, std::move(shard));
  co_return Result<void>();
}

Task<Result<void>> SimStorage::stage_abort(DataId data) {
  co_await or_return(wait(false));
  disk_.staging.erase(data);
  const auto found = disk_.shards.find(data);
  if (found != disk_.shards.end() && !found->second.named) disk_.shards.erase(found);
  co_return Result<void>();
}

Result<Buffer> SimStorage::read_now(const DataRef& data, std::uint32_t first, std::uint32_t count) {
  if (auto good = sound(false); !good) return std::unexpected(good.error());
  if (disk_.weather.read_errors_per_mille > disk_.random().below(1000))
    return fail(ErrorCode::kIo, "a read that failed");
  const auto found = disk_.shards.find(data.id);
  const bool file = data.place == storage::DataPlace::kFile;
  if (found == disk_.shards.end() || (file && !found->second.named)) return fail(ErrorCode::kNotFound);
  if (disk_.rotten.contains(data.id)) return fail(ErrorCode::kCorrupt, "the shard is rotten");
  const std::size_t alignment = file ? codec::kFileBlockAlignment : codec::kInlineBlockAlignment;
  const std::size_t full = codec::shard_block_bytes(data.geometry, limits::kStripeBytes, alignment);
  const std::size_t from = first * full;
  const std::size_t to = std::min(found->second.bytes.size(), from + count * full);
  if (from > to) return fail(ErrorCode::kCorrupt, "a shard too short");
  return found->second.bytes.slice(from, to - from);
}

Task<Result<Buffer>> SimStorage::read_shard(DataRef data, std::uint32_t first, std::uint32_t count) {
  co_await or_return(wait(false));
  co_return read_now(data, first, count);
}

Result<Buffer> SimStorage::try_read_shard(const DataRef& data, std::uint32_t first, std::uint32_t count) {
  if (disk_.weather.hung || disk_.random().below(2) == 0) return fail(ErrorCode::kWouldBlock);
  auto bytes = read_now(data, first, count);
  if (!bytes) return fail(ErrorCode::kWouldBlock);
  return bytes;
}

Task<Result<void>> SimStorage::verify_shard(DataRef data) {
  co_await or_return(wait(false));
  const auto blocks =
      static_cast<std::uint32_t>((data.length + limits::kStripeBytes - 1) / limits::kStripeBytes);
  auto bytes = read_now(data, 0, blocks);
  if (!bytes) co_return std::unexpected(bytes.error());
  co_return Result<void>();
}

Task<Result<void>> SimStorage::restore_shard(DataRef data, std::uint8_t shard, std::uint64_t term,
                                             std::uint64_t at, BufferChain blocks) {
  co_await or_return(wait(true));
  if (term < disk_.hard_state.term) co_return fail(ErrorCode::kStale, "an older leader had it rebuilt");
  BufferChain& whole = restoring_[data.id];
  if (at == 0) whole.clear();
  if (whole.size() != at) co_return fail(ErrorCode::kStale, "a piece out of order");
  whole.append(std::move(blocks));
  if (whole.size() < storage::shard_bytes_of(data)) co_return Result<void>();
  disk_.shards[data.id] = {
      .ref = data, .shard = shard, .bytes = whole.flatten(), .named_at = 0, .named = true};
  restoring_.erase(data.id);
  disk_.rotten.erase(data.id);
  co_return Result<void>();
}

Task<Result<storage::Holdings>> SimStorage::holds(std::vector<DataId> data) {
  co_await or_return(wait(false));
  storage::Holdings out{.held = {}, .incarnation = incarnation_};
  for (const DataId& id : data) out.held.push_back(disk_.shards.contains(id));
  co_return out;
}

Task<Result<std::vector<DataId>>> SimStorage::staged() {
  co_await or_return(wait(false));
  std::vector<DataId> out;
  for (const auto& [id, staging] : disk_.staging) out.push_back(id);
  for (const auto& [id, shard] : disk_.shards)
    if (!shard.named) out.push_back(id);
  co_return out;
}

Task<Result<std::vector<DataRef>>> SimStorage::inventory(DataId after, std::size_t most) {
  co_await or_return(wait(false));
  std::vector<DataRef> out;
  for (auto at = disk_.shards.upper_bound(after); at != disk_.shards.end() && out.size() < most; ++at)
    if (at->second.named) out.push_back(at->second.ref);
  co_return out;
}

Task<Result<void>> SimStorage::close() {
  while (life_->late > 0) co_await async::sleep_for(*Runtime::current(), kHungPoll);
  co_await or_return(wait(true));
  disk_.flush();
  co_return Result<void>();
}

}  // namespace flashstor::sim
