#include <algorithm>

#include "engine/base/log.h"
#include "engine/cluster/drive_keeper_slot.h"
#include "engine/cluster/limits.h"

// How an empty (or damaged) drive becomes a new drive of its set.  Source: protocol.md, The log on a drive.
namespace flashstor::cluster {

// The format of the next drive in this place: a new identity and a member's name that nobody had.
storage::DriveFormat DriveKeeper::next_format(const Slot& slot, const SetView& view) const {
  const raft::MemberId newest =
      std::max({first_member_of(slot.number), slot.drive.expected.member, view.newest_of(slot.number)});
  storage::DriveFormat format = slot.drive.expected;
  format.drive_id = Uuid::make(home_.random());
  format.member = next_member(newest);
  for (const auto& other : slots_)
    format.revision = std::max(format.revision, other->drive.expected.revision);
  ++format.revision;
  for (const auto& other : slots_) format.set_drives[other->number] = other->drive.expected.drive_id;
  format.set_drives[slot.number] = format.drive_id;
  return format;
}

// Makes a new member of the drive at the slot's path: an empty directory, or (`discard`) our own drive whose
// index or log is damaged. Only while the rest of the set can do without it.
Task<Result<void>> DriveKeeper::replace(Slot& slot, bool discard) {
  Group& group = set_.group();
  const std::size_t needed =
      std::max<std::size_t>(group.majority(), set_.info().drives - set_.info().default_parity);
  if (!opener_.open_rows) co_return fail(ErrorCode::kDriveFailed, slot.drive.path + " is not filled here");
  const auto view = co_await current_view();
  if (!view || (discard && !slot.declared_lost && group.open_members() < needed))
    co_return fail(ErrorCode::kWriteQuorum, slot.drive.path + (discard ? " is damaged" : " is empty") +
                                                ": it is filled once enough drives of its set stand");
  if (filling_) co_return fail(ErrorCode::kBusy, slot.drive.path + " waits for another drive to be filled");
  const storage::DriveFormat format = next_format(slot, *view);
  auto written = co_await async::offload(slot.pool(), [&]() -> Result<void> {
    if (discard) return storage::discard_index(*opener_.io, slot.drive.path, format);
    if (auto done = storage::format_drive(*opener_.io, slot.drive.path, format, true); !done) return done;
    return {};
  });
  if (!written) co_return written;
  base::log_info("{} is a new drive of set {} and is filled", slot.drive.path, set_.info().index + 1);
  slot.drive.expected = format;
  co_return co_await fill(slot);
}

void DriveKeeper::awaits_fill(Slot& slot, bool waits) {
  if (std::exchange(slot.awaits_fill, waits) == waits) return;
  if (waits) {
    fills_waiting_.fetch_add(1);
  } else {
    fills_waiting_.fetch_sub(1);
  }
}

// How far the present fill is, by the bytes that its rows take: how many rows there are is known nowhere.
void DriveKeeper::measure_fill(const storage::RowStore& target) {
  const Nanoseconds spent = home_.now() - fill_began_;
  const auto spent_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<Milliseconds>(spent).count());
  if (spent_ms == 0) return;
  fill_rate_ = (progress_->rows.load() - fill_rows_before_) * 1000 / spent_ms;
  const storage::RowStore::Usage usage = target.usage();
  const std::uint64_t bytes = std::min(usage.drive_bytes + usage.memory_bytes, fill_bytes_);
  if (bytes == 0) return;
  fill_percent_ = static_cast<std::uint32_t>(bytes * 100 / fill_bytes_);
  fill_left_ = spent_ms * (fill_bytes_ - bytes) / bytes / 1000;
}

Task<Result<void>> DriveKeeper::fill(Slot& slot) {
  const auto view = co_await current_view();
  if (!view) co_return fail(ErrorCode::kNotLeader, slot.drive.path + " is filled when its set has a leader");
  if (filling_) co_return fail(ErrorCode::kBusy, slot.drive.path + " waits for another drive to be filled");
  const raft::MemberId own = slot.drive.expected.member;
  if (own == 0 || own <= view->newest_of(slot.number))
    co_return co_await replace(slot, true);  // cut off before it had its new name
  filling_ = true;
  awaits_fill(slot, false);
  fill_began_ = home_.now();
  fill_rows_before_ = progress_->rows.load();
  fill_rate_ = fill_left_ = 0;
  fill_percent_ = 0;
  fill_seen_ = true;
  progress_->hurry = [this] { return suffering_.load() || set_.requests_suffer(); };
  slot.drive.place->describe(
      slot.describe(storage::DriveInfo::State::kFilling, slot.drive.path + " is being filled"));
  const bool here = place_.peers == nullptr || source_here() != nullptr;
  const int leader = set_.group().leader_node();
  Result<void> done;
  if (!here && leader < 0) done = fail(ErrorCode::kNotLeader, "the set has no leader");
  if (done) {
    auto base = co_await fill_from(slot, here ? place_.self : static_cast<std::uint32_t>(leader));
    done = base ? co_await seed_log(slot, *base) : std::unexpected(std::move(base).error());
  }
  if (done) {
    slot.damaged = slot.declared_lost = false;
    done = co_await open(slot);
  }
  filling_ = false;
  fill_seen_ = false;
  look_soon_ = true;  // it is to take part
  wake_.notify_all();
  co_return done;
}

// Copies a consistent state of the set's rows from a drive on `node`; gives what belongs to it.
Task<Result<storage::FillBase>> DriveKeeper::fill_from(Slot& slot, std::uint32_t node) {
  const bool here = place_.peers == nullptr || node == place_.self;
  const std::uint32_t index = set_.info().index;
  FillStart start = co_await or_return(here ? open_fill_here() : place_.peers->open_fill(node, index));
  fill_bytes_ = start.bytes;
  auto target = co_await async::offload(
      slot.pool(), [&] { return storage::begin_fill(slot.drive.path, opener_.open_rows, *progress_); });
  Result<void> done;
  if (target) {
    done = co_await fill_families(slot, node, start.session, target->get());
    co_await async::offload(slot.pool(), [&] {
      if (done) done = (*target)->flush();
      target->reset();
    });
  } else {
    done = std::unexpected(std::move(target).error());
  }
  if (here) {
    co_await sessions_.close(start.session);
  } else {
    co_await place_.peers->close_fill(node, index, start.session);
  }
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return std::move(start.base);
}

Task<Result<void>> DriveKeeper::fill_families(Slot& slot, std::uint32_t node, Uuid session,
                                              storage::RowStore* target) {
  const bool here = place_.peers == nullptr || node == place_.self;
  for (std::size_t number = 0; number < storage::kFamilies; ++number) {
    const auto family = static_cast<Family>(number);
    if (storage::is_local(family)) continue;
    std::string from;
    bool more = true;
    while (more) {
      const storage::RowPage page =
          co_await or_return(here ? sessions_.read(session, family, from)
                                  : place_.peers->fill_rows(node, set_.info().index, session, family, from));
      from = co_await or_return(co_await async::offload(
          slot.pool(), [&] { return storage::put_page(*target, family, from, page, *progress_); }));
      more = page.more;
      measure_fill(*target);
    }
  }
  co_return Result<void>();
}

// Gives the filled drive the entries that its member must know, and lets it take part.
Task<Result<void>> DriveKeeper::seed_log(Slot& slot, const storage::FillBase& base) {
  const std::string& path = slot.drive.path;
  auto begun = co_await async::offload(
      slot.pool(), [&] { return storage::begin_filled_log(*opener_.io, path, opener_.open_rows, base); });
  if (!begun) co_return begun;
  auto opened = co_await async::offload(slot.pool(), [&] { return opener_.open_drive(path); });
  if (!opened) co_return std::unexpected(std::move(opened).error());
  std::unique_ptr<storage::StorageApi> drive = std::move(*opened);
  Result<void> done;
  if (auto state = co_await drive->recover(); !state) done = std::unexpected(std::move(state).error());
  storage::AppendBatch batch;
  batch.entries = base.entries;
  if (done) done = co_await drive->append(std::move(batch));
  if (auto closed = co_await drive->close(); !closed && done) done = std::move(closed);
  co_await async::offload(slot.pool(), [&] { drive.reset(); });
  if (!done) co_return done;
  co_return co_await async::offload(
      slot.pool(), [&] { return storage::end_fill(*opener_.io, path, opener_.open_rows, base); });
}

}  // namespace flashstor::cluster
