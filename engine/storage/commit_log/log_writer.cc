#include <unordered_set>
#include <utility>

#include "engine/storage/commit_log/commit_log.h"
#include "engine/storage/commit_log/log_placed.h"

namespace flashstor::storage {

Result<void> CommitLog::make_room(std::size_t bytes) {
  const std::uint64_t need = round_to_block(bytes);
  if (file_.file != nullptr && end_.offset + need <= segment_bytes_) return {};
  auto segment = segments_.create(end_.sequence);
  if (!segment) return std::unexpected(segment.error());
  auto file = segments_.open_to_write((*segment)->header.number);
  if (!file) return std::unexpected(file.error());
  file_ = std::move(*file);
  salt_ = (*segment)->header.salt;
  segment_bytes_ = (*segment)->header.bytes;
  if (limits::kLogBlockBytes + need > segment_bytes_)
    return fail(ErrorCode::kInvalidArgument, "a batch is larger than a log segment");
  const std::lock_guard lock(mutex_);
  end_.segment = (*segment)->header.number;
  end_.offset = limits::kLogBlockBytes;
  return {};
}

void CommitLog::add_data(LogRequest& request, std::vector<Placed>& placed) {
  const auto add = [&](RecordKind kind, std::size_t item, const DataRecord& record) {
    Placed one{.kind = kind, .request = &request, .item = item, .at = {}, .data = {}};
    one.data.ref = record.ref;
    one.data.shard = record.shard;
    one.data.rebuilt = record.rebuilt;
    one.data.checksums = block_checksums(record.ref, record.bytes.span());
    one.at.offset = builder_.add_data(kind, one.data, record.bytes.span());
    one.at.length = static_cast<std::uint32_t>(record.bytes.size());
    placed.push_back(std::move(one));
  };
  for (std::size_t i = 0; i < request.batch.data.size(); ++i)
    add(RecordKind::kData, i, request.batch.data[i]);
  for (std::size_t i = 0; i < request.relocations.size(); ++i)
    add(RecordKind::kRelocation, i, request.relocations[i]);
}

void CommitLog::add_request(LogRequest& request, std::vector<Placed>& placed) {
  const auto note = [&](RecordKind kind, std::size_t item, LogPosition at) {
    placed.push_back({.kind = kind, .request = &request, .item = item, .at = at, .data = {}});
  };
  AppendBatch& batch = request.batch;
  if (batch.hard_state) {
    builder_.add_hard_state(*batch.hard_state);
    note(RecordKind::kHardState, 0, {});
  }
  if (batch.truncate_from) {
    builder_.add_truncate(*batch.truncate_from);
    note(RecordKind::kTruncate, 0, {});
  }
  for (std::size_t i = 0; i < batch.refusals.size(); ++i) {
    builder_.add_refusal(batch.refusals[i]);
    note(RecordKind::kRefusal, i, {});
  }
  // Data before the entries that name it: a torn batch never leaves an entry without its data.
  add_data(request, placed);
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    const LogEntry& entry = batch.entries[i];
    const std::uint32_t offset = builder_.add_entry(entry);
    note(RecordKind::kEntry, i, {0, offset, static_cast<std::uint32_t>(entry.payload.size())});
  }
  if (request.configuration) {
    builder_.add_configuration(*request.configuration);
    note(RecordKind::kConfiguration, 0, {});
  }
  if (request.clean_close) {
    builder_.add_clean_close();
    note(RecordKind::kCleanClose, 0, {});
  }
}

void CommitLog::publish(std::vector<Placed>& placed, const BatchPosition& batch) {
  for (Placed& one : placed) {
    LogRequest& request = *one.request;
    one.at.segment = batch.segment;
    one.at.offset += batch.offset;
    one.data.at = one.at;
    switch (one.kind) {
      case RecordKind::kEntry: {
        const LogEntry& entry = request.batch.entries[one.item];
        index_.on_entry(entry.index, {entry.term, entry.kind, one.at, batch, entry.payload});
        break;
      }
      case RecordKind::kData:
        index_.on_data(std::move(one.data));
        break;
      case RecordKind::kRelocation:
        request.relocated.push_back(std::move(one.data));
        break;
      case RecordKind::kHardState:
        index_.on_hard_state(*request.batch.hard_state);
        break;
      case RecordKind::kTruncate:
        index_.on_truncate(*request.batch.truncate_from);
        break;
      case RecordKind::kRefusal:
        index_.on_refusal(request.batch.refusals[one.item]);
        break;
      case RecordKind::kConfiguration:
        index_.on_configuration(*request.configuration);
        break;
      case RecordKind::kCleanClose:
        index_.on_clean_close();
        break;
    }
  }
}

Result<void> CommitLog::write_group(Job* first) {
  builder_.clear();
  constexpr std::size_t kOthers = 4;  // hard state, truncation, configuration, clean close
  std::size_t records = 0;
  for (const Job* job = first; job != nullptr; job = job->next_job) {
    const AppendBatch& batch = job->request->batch;
    records += batch.data.size() + batch.entries.size() + batch.refusals.size() +
               job->request->relocations.size() + kOthers;
  }
  std::vector<Placed> placed;
  placed.reserve(records);
  std::unordered_set<DataId> refused;
  std::vector<Job*> written;
  std::uint64_t term = index_.hard_state().term;
  for (Job* job = first; job != nullptr; job = job->next_job) {
    for (const DataRecord& record : job->request->batch.data)
      if (!record.rebuilt && (refused.contains(record.id) || index_.refused(record.id)))
        job->result = fail(ErrorCode::kStale, "this drive has refused data " + record.id.to_text());
      else if (record.rebuilt && record.rebuilt_term < term)
        job->result = fail(ErrorCode::kStale, "a leader of an older term had a shard rebuilt");
    // What a deposed leader wants refused late may live by now.
    if (!job->request->batch.refusals.empty() && job->request->batch.refusals_term < term)
      job->result = fail(ErrorCode::kStale, "a leader of an older term wants data refused");
    if (!job->result) continue;
    if (job->request->batch.hard_state) term = job->request->batch.hard_state->term;
    refused.insert(job->request->batch.refusals.begin(), job->request->batch.refusals.end());
    add_request(*job->request, placed);
    written.push_back(job);
  }
  if (builder_.empty()) return {};
  if (auto room = make_room(builder_.size()); !room) return room;
  const BatchPosition at = end_;
  const auto bytes = builder_.seal({.sequence = at.sequence,
                                    .salt = salt_,
                                    .body_bytes = 0,
                                    .synced_through = at.sequence - 1,
                                    .previous = at.previous});
  if (auto done = file_.file->write_durable(bytes, at.offset); !done) return done;
  {
    const std::lock_guard lock(mutex_);
    end_.offset += static_cast<std::uint32_t>(bytes.size());
    ++end_.sequence;
    end_.previous = batch_mark(bytes);
  }
  appended_.fetch_add(bytes.size(), std::memory_order_relaxed);
  publish(placed, at);
  batches_.fetch_add(1, std::memory_order_relaxed);  // who sees it counted finds what it holds
  {
    const std::lock_guard lock(mutex_);
    published_end_ = end_;
  }
  if (observer_)
    for (const Job* job : written) observer_(*job->request);
  return {};
}

void CommitLog::finish(Job* first, const Result<void>& result) {
  while (first != nullptr) {
    Job* job = std::exchange(first, first->next_job);
    if (!result) job->result = result;
    if (job->done) {
      job->done();
      continue;
    }
    job->run = [](async::Work* work) { static_cast<Job*>(work)->waiting.resume(); };
    job->home->post(*job);
  }
}

}  // namespace flashstor::storage
