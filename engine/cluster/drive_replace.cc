#include <algorithm>

#include "engine/base/log.h"
#include "engine/cluster/drive_keeper_slot.h"
#include "engine/cluster/limits.h"

// How an empty (or damaged) drive becomes a new member of its set.  Source: protocol.md, The log on a drive.
namespace flashstor::cluster {
namespace {

bool has(const std::vector<raft::MemberId>& members, raft::MemberId id) {
  return std::ranges::find(members, id) != members.end();
}

void add(std::vector<raft::MemberId>& members, raft::MemberId id) {
  members.insert(std::ranges::lower_bound(members, id), id);
}

}  // namespace

// The format of the next drive in this place: a new identity and a member's name that nobody had.
storage::DriveFormat DriveKeeper::next_format(const Slot& slot) const {
  raft::MemberId newest = std::max(first_member_of(slot.number), slot.drive.expected.member);
  const raft::Raft* core = set_.group().core(*set_.group().leader());
  for (const auto* members : {&core->membership().voters, &core->membership().standbys})
    for (const raft::MemberId id : *members)
      if (slot_of_member(id) == slot.number) newest = std::max(newest, id);
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
      std::max<std::size_t>(group.majority(), slots_.size() - set_.info().default_parity);
  if (!opener_.open_rows) co_return fail(ErrorCode::kDriveFailed, slot.drive.path + " is not filled here");
  if (!group.leader() || group.open_members() < needed)
    co_return fail(ErrorCode::kWriteQuorum, slot.drive.path + (discard ? " is damaged" : " is empty") +
                                                ": it is filled once enough drives of its set stand");
  if (filling_) co_return fail(ErrorCode::kBusy, slot.drive.path + " waits for another drive to be filled");
  const storage::DriveFormat format = next_format(slot);
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

Task<Result<void>> DriveKeeper::fill(Slot& slot) {
  Group& group = set_.group();
  if (!group.leader())
    co_return fail(ErrorCode::kNotLeader, slot.drive.path + " is filled when its set has a leader");
  if (filling_) co_return fail(ErrorCode::kBusy, slot.drive.path + " waits for another drive to be filled");
  const raft::Membership& members = group.core(*group.leader())->membership();
  const raft::MemberId own = slot.drive.expected.member;
  if (own == 0 || has(members.voters, own) || has(members.standbys, own))
    co_return co_await replace(slot, true);  // cut off before it had its new name
  filling_ = true;
  fill_seen_ = true;
  progress_->rows = 0;
  progress_->hurry = [this] { return set_.requests_suffer(); };
  slot.drive.place->describe(
      slot.describe(storage::DriveInfo::State::kFilling, slot.drive.path + " is being filled"));
  const std::uint32_t leader = *group.leader();
  storage::GuardedStorage& source = *slots_[leader]->drive.place;
  const std::string scratch =
      slots_[leader]->drive.path + "/.flashstor/fill-" + Uuid::make(home_.random()).to_text();
  Result<void> done;
  storage::RowStore* rows = source.rows();
  if (rows == nullptr) done = fail(ErrorCode::kDriveFailed, "the leader's drive is not well");
  if (done) {
    auto applied = co_await async::offload(slot.pool(), [&] {
      return storage::fill_rows(*opener_.io, *rows, scratch, slot.drive.path, opener_.open_rows, *progress_);
    });
    if (applied) {
      auto base = co_await fill_base(source, leader, *applied);
      done = base ? co_await seed_log(slot, *base) : std::unexpected(std::move(base).error());
    } else {
      done = std::unexpected(std::move(applied).error());
    }
  }
  if (done) {
    slot.damaged = false;
    slot.scan_owed = true;
    done = co_await open(slot);
  }
  filling_ = false;
  fill_seen_ = false;
  co_return done;
}

// What belongs to rows as of `applied`: the undecided entries among what they hold, and who takes part.
Task<Result<storage::FillBase>> DriveKeeper::fill_base(storage::GuardedStorage& source, std::uint32_t leader,
                                                       storage::AppliedState applied) {
  storage::FillBase base;
  base.applied = applied;
  const std::uint64_t first = applied.oldest_undecided != 0 ? applied.oldest_undecided : applied.index;
  for (std::uint64_t at = std::max<std::uint64_t>(first, 1); at <= applied.index;) {
    auto entries = co_await or_return(source.read_entries(at, applied.index, flashstor::limits::kMiB));
    if (entries.empty()) break;
    at = entries.back().index + 1;
    std::ranges::move(entries, std::back_inserter(base.entries));
  }
  if (base.entries.empty() || base.entries.back().index != applied.index)
    co_return fail(ErrorCode::kNotFound, "the leader's log no longer has what the fill began with");
  if (base.entries.front().index > 1) {
    const std::uint64_t before = base.entries.front().index - 1;
    const auto entry = co_await or_return(source.read_entries(before, before, 1));
    base.previous_term = entry.front().term;
  }
  const MemberState& member = set_.group().member(leader);
  if (member.membership_index > applied.index)
    co_return fail(ErrorCode::kBusy, "who takes part changed during the fill");
  StoredConfiguration configuration{
      .membership = member.membership, .membership_index = member.membership_index, .runs = member.runs};
  std::erase_if(configuration.runs, [&](const raft::TermRun& run) { return run.first > applied.index; });
  base.configuration = encode_configuration(configuration);
  co_return base;
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

// Standby, voter when it has caught up, and then the drive that it replaces is no longer one; one step a
// look.
Task<void> DriveKeeper::take_part(Slot& slot) {
  Group& group = set_.group();
  const auto leader = group.leader();
  if (!leader) co_return;
  const raft::Raft& core = *group.core(*leader);
  const raft::MemberId id = group.member(slot.number).id;
  const auto peer = std::ranges::find(core.peers(), id, &raft::Progress::id);
  if (peer != core.peers().end() && (peer->flow == raft::Flow::kNeedsFill || peer->regressed)) {
    // It missed more than the log still has: it comes back as a new member, and keeps its shards.
    slot.damaged = true;
    co_return co_await set_.fail_drive(slot.number, slot.drive.path + " is too far behind: it is filled anew",
                                       ErrorCode::kCorrupt);
  }
  raft::Membership wanted = core.membership();
  const auto older = [&](raft::MemberId other) {
    return slot_of_member(other) == slot.number && other != id;
  };
  if (!has(wanted.voters, id) && !has(wanted.standbys, id)) {
    std::erase_if(wanted.standbys, older);
    add(wanted.standbys, id);
  } else if (has(wanted.standbys, id)) {
    if (core.acked_by(id) + limits::kCaughtUp < core.commit_index()) co_return;
    std::erase(wanted.standbys, id);
    add(wanted.voters, id);
  } else if (std::ranges::any_of(wanted.voters, older)) {
    wanted.voters.erase(std::ranges::find_if(wanted.voters, older));
  } else {
    if (std::exchange(slot.scan_owed, false)) set_.scan_soon();
    co_return co_await tell_formats();
  }
  if (auto proposed = group.propose_membership(std::move(wanted));
      !proposed && proposed.error().code() != ErrorCode::kBusy)
    base::log_warning("set {} could not change who takes part: {}", set_.info().index + 1,
                      proposed.error().describe());
  wake_.notify_all();
}

// Every drive's format says which drives the set has now.
Task<void> DriveKeeper::tell_formats() {
  const auto newest =
      std::ranges::max_element(slots_, {}, [](const auto& slot) { return slot->drive.expected.revision; });
  const storage::DriveFormat& told = (*newest)->drive.expected;
  for (const auto& slot : slots_) {
    if (slot->drive.expected.revision >= told.revision || !set_.group().is_open(slot->number)) continue;
    storage::DriveFormat format = slot->drive.expected;
    format.revision = told.revision;
    format.set_drives = told.set_drives;
    auto written = co_await async::offload(
        slot->pool(), [&] { return storage::rewrite_format(*opener_.io, slot->drive.path, format); });
    if (written) slot->drive.expected = format;
  }
}

}  // namespace flashstor::cluster
