#include "engine/cluster/drive_keeper.h"

#include <algorithm>

#include "engine/base/log.h"
#include "engine/cluster/drive_keeper_slot.h"
#include "engine/cluster/limits.h"

namespace flashstor::cluster {

using storage::DriveCondition;
using storage::DriveInfo;

DriveKeeper::DriveKeeper(ErasureSet& set, Runtime& home, DriveOpener opener, std::vector<KeptDrive> drives,
                         KeeperPlace place)
    : set_(set),
      home_(home),
      opener_(std::move(opener)),
      place_(std::move(place)),
      sessions_(home, *opener_.io, opener_.open_rows, opener_.make_pool) {
  for (KeptDrive& drive : drives) {
    auto slot = std::make_unique<Slot>();
    slot->number = drive.slot;
    slot->drive = std::move(drive);
    slot->make_pool = opener_.make_pool;
    slots_.push_back(std::move(slot));
  }
}
DriveKeeper::~DriveKeeper() = default;

FillStatus DriveKeeper::fill_status() const {
  FillStatus status{
      .filling = fill_seen_.load(), .waiting = fills_waiting_.load(), .rows = progress_->rows.load()};
  if (!status.filling) return status;
  status.rows_per_second = fill_rate_.load();
  status.percent = fill_percent_.load();
  status.left_s = fill_left_.load();
  return status;
}

void DriveKeeper::start() {
  running_ = true;
  async::start_detached(run());
}

Task<void> DriveKeeper::run() {
  while (!stopping_) {
    co_await look_at_set();
    look_at_all();
    const bool soon = std::exchange(look_soon_, false);
    co_await wake_.wait_until(home_.now() + (soon ? limits::kKeeperSoon : limits::kKeeperPace));
  }
  running_ = false;
}

Task<void> DriveKeeper::look_at_set() {
  auto view = co_await current_view();
  if (stopping_) co_return;
  view_.reset();
  suffering_ = view && view->suffering;
  if (view) view_ = std::move(*view);
  for (std::uint32_t number = 0; set_.group().leader() && number < set_.info().drives; ++number)
    if (set_.group().is_open(number)) co_await admit(number);
  async::start_detached(sessions_.sweep());
}

void DriveKeeper::look_at_all() {
  for (const auto& slot : slots_) {
    if (slot->busy) continue;
    slot->busy = true;
    async::start_detached(look(this, slot.get()));
  }
}

Task<void> DriveKeeper::look(DriveKeeper* self, Slot* slot) {
  co_await self->look_at(*slot);
  slot->busy = false;
}

Task<void> DriveKeeper::look_now() {
  const auto on_home = [](DriveKeeper* self) -> Task<void> {
    const auto busy = [self] {
      return std::ranges::any_of(self->slots_, [](const auto& slot) { return slot->busy; });
    };
    while (busy()) co_await async::sleep_for(self->home_, Milliseconds(1));
    for (const auto& slot : self->slots_) slot->next_try = {};
    co_await self->look_at_set();
    self->look_at_all();
    while (busy()) co_await async::sleep_for(self->home_, Milliseconds(1));
  };
  co_await async::run_on(home_, on_home(this));
}

Task<std::size_t> DriveKeeper::stop() {
  const auto on_home = [](DriveKeeper* self) -> Task<std::size_t> {
    self->stopping_ = true;
    self->progress_->stop = true;
    self->wake_.notify_all();
    const MonotonicTime deadline = self->home_.now() + limits::kKeeperStop;
    std::size_t hanging = 0;
    do {
      co_await async::sleep_for(self->home_, Milliseconds(1));
      hanging = static_cast<std::size_t>(
          std::ranges::count_if(self->slots_, [](const auto& slot) { return slot->busy; }));
    } while (self->running_ || (hanging > 0 && self->home_.now() < deadline));
    // A thread that hangs in a drive cannot be joined: it is left behind.
    for (const auto& slot : self->slots_)
      if (slot->busy) static_cast<void>(slot->thread.release());
    while (self->serving_.load() > 0 && self->home_.now() < deadline)
      co_await async::sleep_for(self->home_, Milliseconds(1));
    if (!co_await self->sessions_.stop()) ++hanging;
    co_return hanging;
  };
  co_return co_await async::run_on(home_, on_home(this));
}

namespace {

// What a drive waits for that is to be filled: another fill, a leader, or enough drives of its set.
bool is_wait(const Error& error) {
  return error.code() == ErrorCode::kBusy || error.code() == ErrorCode::kNotLeader ||
         error.code() == ErrorCode::kWriteQuorum;
}

}  // namespace

void DriveKeeper::say(Slot& slot, DriveInfo::State state, const std::string& words) {
  if (!slot.drive.place->has_drive()) slot.drive.place->describe(slot.describe(state, words));
  if (slot.said == words) return;
  slot.said = words;
  if (words.empty()) {
    base::log_info("drive {} of set {} at {} is in use again", slot.number + 1, set_.info().index + 1,
                   slot.drive.path);
  } else {
    base::log_error("drive {} of set {} at {} is out: {}", slot.number + 1, set_.info().index + 1,
                    slot.drive.path, words);
  }
}

void DriveKeeper::wait_longer(Slot& slot) {
  slot.backoff = std::clamp<Nanoseconds>(slot.backoff * 2, limits::kKeeperPace, limits::kKeeperRetry);
  slot.next_try = home_.now() + slot.backoff;
}

Task<void> DriveKeeper::look_at(Slot& slot) {
  if (slot.drive.place->has_drive()) {
    if (set_.group().is_open(slot.number)) {
      co_await look_at_open(slot);
    } else {
      look_at_silent(slot);
    }
  } else if (home_.now() >= slot.next_try && slot.drive.place->all_gone()) {
    co_await look_at_empty(slot);
  }
}

// A drive in use: whether it still is what was opened.
Task<void> DriveKeeper::look_at_open(Slot& slot) {
  storage::GuardedStorage& place = *slot.drive.place;
  const auto checked = co_await place.check();
  std::string words = place.failure();
  ErrorCode code = place.failure_code();
  if (words.empty() && !checked && checked.error().code() != ErrorCode::kTimeout) {
    words = checked.error().message();
    code = checked.error().code() == ErrorCode::kCorrupt ? ErrorCode::kIo : checked.error().code();
  }
  if (words.empty() && checked && checked->state == DriveInfo::State::kReadOnly) words = checked->error;
  if (!words.empty()) {
    co_await set_.fail_drive(slot.number, words, code);
    say(slot, DriveInfo::State::kFailed, words);
    co_return;
  }
  set_.set_full(slot.number, checked && checked->state == DriveInfo::State::kFull);
  if (!slot.said.empty()) say(slot, DriveInfo::State::kOnline, {});
  slot.backoff = {};
  if (!std::exchange(slot.swept, true))
    co_await async::offload(slot.pool(), [&] { storage::sweep_frozen(*opener_.io, slot.drive.path); });
  if (co_await check_standing(slot) && set_.group().leader() && place_.peers == nullptr)
    co_await tell_formats();
}

// A drive that failed: once nothing of its member is under way, the place is emptied for whatever comes back.
void DriveKeeper::look_at_silent(Slot& slot) {
  const MemberState& member = set_.group().member(slot.number);
  if (!member.quiet()) return;
  slot.damaged = slot.damaged || member.failure_code == ErrorCode::kCorrupt ||
                 slot.drive.place->failure_code() == ErrorCode::kCorrupt;
  const std::string guard = slot.drive.place->failure();
  const std::string words = guard.empty() ? member.failure : guard;
  slot.drive.place->take_out(slot.describe(DriveInfo::State::kFailed, words));
  say(slot, DriveInfo::State::kFailed, words);
  wait_longer(slot);
}

Result<DriveKeeper::Found> DriveKeeper::inspect(const Slot& slot) const {
  Found found;
  found.inspection = storage::inspect_drive(*opener_.io, slot.drive.path);
  if (found.inspection.condition == DriveCondition::kFormatted) {
    auto filling = storage::is_filling(*opener_.io, slot.drive.path);
    if (!filling) return std::unexpected(filling.error());
    found.filling = *filling;
  }
  if (found.inspection.condition == DriveCondition::kEmpty)
    if (auto may = may_format(slot, found.inspection); !may) return std::unexpected(may.error());
  return found;
}

// An empty directory among drives that are file systems of their own is a mount point without its drive.
Result<void> DriveKeeper::may_format(const Slot& slot, const storage::DriveInspection& found) const {
  if (found.space.mount_point) return {};
  for (const auto& other : slots_) {
    if (other.get() == &slot) continue;
    const auto space = opener_.io->space(other->drive.path);
    if (space && space->mount_point)
      return fail(ErrorCode::kNotFound,
                  slot.drive.path +
                      " is an empty directory and not a file system of its own, as the other "
                      "drives of its set are: its drive is not mounted");
  }
  return {};
}

// An empty place: what stands at its path now.
Task<void> DriveKeeper::look_at_empty(Slot& slot) {
  auto found = co_await async::offload(slot.pool(), [&] { return inspect(slot); });
  if (stopping_) co_return;
  const auto refuse = [&](DriveInfo::State state, const std::string& words) {
    awaits_fill(slot, false);
    say(slot, state, words);
    wait_longer(slot);
  };
  if (!found) co_return refuse(DriveInfo::State::kFailed, std::string(found.error().message()));
  const storage::DriveInspection& inspection = found->inspection;
  switch (inspection.condition) {
    case DriveCondition::kMissing:
      co_return refuse(DriveInfo::State::kMissing, inspection.words);
    case DriveCondition::kForeign:
      co_return refuse(DriveInfo::State::kForeign, inspection.words);
    case DriveCondition::kReadOnly:
      co_return refuse(DriveInfo::State::kReadOnly, inspection.words);
    case DriveCondition::kUnreadable:
      co_return refuse(DriveInfo::State::kFailed, inspection.words);
    case DriveCondition::kEmpty: {
      const auto replaced = co_await replace(slot, false);
      const bool waits = !replaced && is_wait(replaced.error());
      if (!replaced)
        refuse(waits ? DriveInfo::State::kFilling : DriveInfo::State::kMissing,
               std::string(replaced.error().message()));
      awaits_fill(slot, waits);
      co_return;
    }
    case DriveCondition::kFormatted:
      break;
  }
  const auto check = place_.peers == nullptr ? storage::check_identity : storage::check_place;
  if (auto same = check(slot.drive.path, *inspection.format, slot.drive.expected); !same)
    co_return refuse(DriveInfo::State::kForeign, std::string(same.error().message()));
  if (place_.peers != nullptr && view_ && !found->filling && is_replaced(*inspection.format, *view_))
    co_return refuse(DriveInfo::State::kForeign, replaced_words(slot.drive.path));
  slot.drive.expected = *inspection.format;
  co_await take_back(slot, found->filling);
}

Task<void> DriveKeeper::take_back(Slot& slot, bool filling) {
  Result<void> done;
  if (slot.damaged && !filling) {
    done = co_await replace(slot, true);
  } else if (filling) {
    done = co_await fill(slot);
  } else {
    done = co_await open(slot);
  }
  const bool waits = !done && (filling || slot.damaged) && is_wait(done.error());
  awaits_fill(slot, waits);
  if (done) co_return;
  if (done.error().code() == ErrorCode::kCorrupt) slot.damaged = true;
  const bool full = done.error().code() == ErrorCode::kNoSpace;
  say(slot,
      filling || waits ? DriveInfo::State::kFilling
      : full           ? DriveInfo::State::kFull
                       : DriveInfo::State::kFailed,
      std::string(done.error().message()));
  wait_longer(slot);
}

// Opens the drive and starts its member over.
Task<Result<void>> DriveKeeper::open(Slot& slot) {
  auto drive = co_await async::offload(slot.pool(), [&] { return opener_.open_drive(slot.drive.path); });
  if (!drive) co_return std::unexpected(std::move(drive).error());
  if (stopping_) co_return fail(ErrorCode::kCancelled, "the set is closing");
  const bool full = (*drive)->info().state == DriveInfo::State::kFull;
  if (full && set_.group().member(slot.number).failure_code == ErrorCode::kNoSpace)
    co_return fail(ErrorCode::kNoSpace, slot.drive.path + " is full");
  slot.drive.place->put_in(std::move(*drive));
  const std::uint32_t member = slot.drive.expected.member;
  const auto joined =
      co_await set_.group().rejoin(slot.number, member != 0 ? member : first_member_of(slot.number));
  if (!joined) {
    slot.drive.place->take_out(
        slot.describe(DriveInfo::State::kFailed, std::string(joined.error().message())));
    co_return joined;
  }
  slot.damaged = false;
  say(slot, DriveInfo::State::kOnline, {});
  co_return Result<void>();
}

}  // namespace flashstor::cluster
