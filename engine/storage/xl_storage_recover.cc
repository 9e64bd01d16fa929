#include <fmt/format.h>

#include <algorithm>

#include "engine/base/log.h"
#include "engine/storage/boot.h"
#include "engine/storage/commit_log/replay.h"
#include "engine/storage/commit_log/segment_reader.h"
#include "engine/storage/staged_shard.h"
#include "engine/storage/xl_storage.h"

namespace flashstor::storage {

Task<Result<RecoveredState>> XlStorage::recover() {
  auto state = co_await async::offload(io_pool(), [this] { return recover_now(); });
  if (!state) {
    log_.fail_with(state.error());
  } else {
    start_refill();
  }
  co_return state;
}

Result<void> XlStorage::replay(const LocalState& local) {
  const CheckpointState& checkpoint = local.checkpoint;
  if (auto opened = segments_.open(checkpoint.segments, checkpoint.next_segment); !opened) return opened;
  index_.start_at(checkpoint.first_index, checkpoint.previous_term);
  index_.on_hard_state(checkpoint.hard_state);
  index_.on_configuration(checkpoint.configuration);
  for (const DataPosition& data : checkpoint.unsettled) index_.on_data(data);
  for (const DataId& id : checkpoint.refusals) index_.on_refusal(id);
  auto replayed = replay_log(
      segments_, checkpoint.replay_from,
      [this](const BatchPosition& at, std::string_view body) { return feed_index(index_, at, body); },
      options_.replay_past_torn);
  if (!replayed) return std::unexpected(replayed.error());
  if (!options_.replay_past_torn)
    if (auto checked = check_log_tail(segments_, *replayed, index_.clean()); !checked) return checked;
  const AppliedState applied = applier_->applied();
  if (index_.last() >= index_.first() && index_.first() > applied.index + 1 && !options_.replay_past_torn)
    return fail(ErrorCode::kCorrupt,
                fmt::format("the index of {} is gone: it ends at entry {}, the log begins "
                            "at entry {}",
                            options_.path, applied.index, index_.first()));
  if (index_.last() < applied.index) {
    // The drive lost the end of its log though it had said it was safe, and kept a newer index.
    index_.on_truncate(0);
    index_.start_at(applied.index + 1, applied.term);
  }
  base::log_debug("drive {}: replayed {} batches, {} bytes of log", options_.path, replayed->batches,
                  replayed->bytes);
  // It counts towards the next checkpoint: a node that is killed again and again does not replay ever more.
  replayed_bytes_ = replayed->bytes;
  replayed_last_ = index_.last();
  checkpoint_index_ = applied.index;
  return log_.start(replayed->next_sequence, replayed->end);
}

Result<void> XlStorage::remember_applied(const CheckpointState& checkpoint) {
  const AppliedState applied = applier_->applied();
  const bool was_killed = !index_.clean();  // a clean close comes after the files of all that is applied
  PayloadReader payloads(segments_);
  for (std::uint64_t index = index_.first(); index <= applied.index; ++index) {
    const auto place = index_.entry(index);
    if (!place) return fail(ErrorCode::kNotFound, "the log has no entry " + std::to_string(index));
    if (place->kind != 0) continue;  // Raft's own
    auto payload = payloads.at(place->at);
    if (!payload) return std::unexpected(payload.error());
    if (auto done = applier_->remember(index, *payload, was_killed); !done) return done;
  }
  // Rebuilt shards have a row without an entry behind them that names them; or the stop came before that row
  // was safe, and the index names the bad shard whose place they take, or none.
  const auto was_placed = [&checkpoint](const DataPosition& data) {
    return data.rebuilt && checkpoint.placed_through && lies_before(data.at, *checkpoint.placed_through) &&
           std::ranges::find(checkpoint.unsettled, data.at, &DataPosition::at) == checkpoint.unsettled.end();
  };
  for (const DataPosition& data : index_.all_unsettled()) {
    if (was_placed(data)) {
      index_.settle(data.ref.id);
      continue;
    }
    auto row = find_inline(data.ref.id, ReadTier::kAny);
    if (!row) return std::unexpected(row.error());
    if (*row && !lies_before((*row)->at, data.at)) {
      index_.settle(data.ref.id);
    } else if (data.rebuilt) {
      if (auto placed = applier_->place({data.ref.id}); !placed)
        return std::unexpected(std::move(placed).error());
    }
  }
  return {};
}

Result<RecoveredState> XlStorage::recover_now() {
  const auto opened = was_opened(io_, options_.path);
  if (!opened) return std::unexpected(opened.error());
  auto rows = options_.open_rows(options_.path + "/rows");
  if (!rows) return std::unexpected(rows.error());
  rows_ = std::move(*rows);
  applier_ = std::make_unique<Applier>(*rows_, index_, shards_);
  auto local = applier_->load();
  if (!local) return std::unexpected(local.error());
  if (auto replayed = replay(*local); !replayed) return std::unexpected(replayed.error());
  if (auto remembered = remember_applied(local->checkpoint); !remembered)
    return std::unexpected(remembered.error());

  RecoveredState state;
  const AppliedState applied = applier_->applied();
  state.hard_state = index_.hard_state();
  state.first_index = index_.first();
  state.previous_term = index_.previous_term();
  state.applied_index = applied.index;
  state.applied_term = applied.term;
  state.clean = index_.clean();
  state.configuration = index_.configuration();
  std::uint64_t from = applied.index + 1;
  if (applied.oldest_undecided != 0) from = std::min(from, applied.oldest_undecided);
  for (std::uint64_t index = std::max(from, state.first_index); index <= index_.last(); ++index) {
    auto entry = read_entry(index);
    if (!entry) return std::unexpected(entry.error());
    state.entries.push_back(std::move(*entry));
  }
  index_.applied_through(applied.index);
  if (segments_.numbers().empty() && segments_.spares() == 0) {
    if (*opened) return fail(ErrorCode::kCorrupt, "the log of " + options_.path + " is gone");
    if (auto made = segments_.refill(1); !made) return std::unexpected(made.error());
  }
  auto in_doubt = enter_boot(io_, options_.path, options_.boot, state.clean || !*opened);
  if (!in_doubt) return std::unexpected(std::move(in_doubt).error());
  state.in_doubt = *in_doubt;
  if (!*opened)
    if (auto marked = mark_opened(io_, options_.path); !marked) return std::unexpected(marked.error());
  recovered_ = true;
  return state;
}

}  // namespace flashstor::storage
