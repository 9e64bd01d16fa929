#include <fmt/format.h>

#include <algorithm>

#include "engine/base/log.h"
#include "engine/cluster/drive_keeper_slot.h"
#include "engine/cluster/limits.h"

// Who takes part in a set: what its leader knows, and what it changes when drives have been replaced; and
// what the keepers of other nodes ask for.  Source: protocol.md, The log on a drive.
namespace flashstor::cluster {
namespace {

void add(std::vector<raft::MemberId>& members, raft::MemberId id) {
  members.insert(std::ranges::lower_bound(members, id), id);
}

}  // namespace

bool is_replaced(const storage::DriveFormat& format, const SetView& view) {
  const raft::MemberId own = format.member != 0 ? format.member : first_member_of(format.slot);
  return view.newest_of(format.slot) > own;
}

std::string replaced_words(const std::string& path) {
  return path + " was replaced by another drive, which has taken its place in the set";
}

Task<Result<SetView>> DriveKeeper::view_here() {
  Group& group = set_.group();
  if (!group.leader()) co_return fail(ErrorCode::kNotLeader);
  // One that was deposed and does not know it may know neither the members nor their names.
  if (group.is_spread() && !co_await group.confirm_leader(home_.now() + limits::kViewDeadline))
    co_return fail(ErrorCode::kNotLeader);
  if (!group.leader()) co_return fail(ErrorCode::kNotLeader);
  const raft::Raft& core = *group.core(*group.leader());
  const MemberState& leader = group.member(*group.leader());
  SetView view{.members = core.membership(),
               .generation = leader.generation,
               .retired = leader.retired,
               .unfit = {},
               .suffering = set_.requests_suffer(),
               .lacking = set_.lacking_slots()};
  for (const raft::Progress& peer : core.peers())
    if (peer.flow == raft::Flow::kNeedsFill || peer.regressed) view.unfit.push_back(peer.id);
  // One that is away, or was filled and not looked through yet, may lack anything.
  for (std::uint32_t slot = 0; slot < group.size(); ++slot)
    if (!group.is_open(slot) || !core.membership().is_voter(group.member(slot).id))
      view.lacking |= std::uint32_t{1} << slot;
  co_return view;
}

// On the home loop.
Task<Result<SetView>> DriveKeeper::current_view() {
  Group& group = set_.group();
  if (place_.peers == nullptr || group.leader()) co_return co_await view_here();
  const int node = group.leader_node();
  if (node < 0 || node == static_cast<int>(place_.self)) co_return fail(ErrorCode::kNotLeader);
  co_return co_await place_.peers->view(static_cast<std::uint32_t>(node), set_.info().index);
}

// Whether the drive in use may stay: not when it missed more than the log still has, nor after another took
// its place.
Task<bool> DriveKeeper::check_standing(Slot& slot) {
  if (!view_) co_return true;
  const raft::MemberId id = set_.group().member(slot.number).id;
  if (view_->generation > set_.group().member(slot.number).generation) {
    slot.damaged = slot.declared_lost = true;
    view_.reset();
    co_await set_.fail_drive(
        slot.number, slot.drive.path + " was declared lost when its set was recovered: it is filled anew",
        ErrorCode::kCorrupt);
    co_return false;
  }
  if (view_->newest_of(slot.number) > id) {
    co_await set_.fail_drive(slot.number, replaced_words(slot.drive.path), ErrorCode::kDriveForeign);
    co_return false;
  }
  if (std::ranges::find(view_->unfit, id) == view_->unfit.end()) co_return true;
  if (!view_->spares(slot.number, set_.info().drives, set_.info().default_parity)) co_return true;
  // It comes back as a new member, and keeps its shard files.
  slot.damaged = true;
  view_.reset();
  co_await set_.fail_drive(slot.number, slot.drive.path + " is too far behind: it is filled anew",
                           ErrorCode::kCorrupt);
  co_return false;
}

// Whether the drive at `number` waits for its vote and has caught up.
bool DriveKeeper::may_vote(std::uint32_t number) {
  const raft::Raft& core = *set_.group().core(*set_.group().leader());
  const raft::MemberId id = set_.group().member(number).id;
  return core.membership().is_standby(id) && core.acked_by(id) + limits::kCaughtUp >= core.commit_index();
}

// What a drive lacks that came with data written before it is not known. It does not vote before that is
// noted, so that no set without replaced drives in it passes for one that was healed.
Task<void> DriveKeeper::admit(std::uint32_t number) {
  const raft::MemberId id = set_.group().member(number).id;
  if (may_vote(number) && scans_noted_[number] != id) {
    if (!co_await set_.owe_scan(number)) co_return;
    scans_noted_[number] = id;
  }
  Group& group = set_.group();
  if (group.leader() && group.is_open(number) && group.member(number).id == id) take_part(number);
}

// Standby, voter when it has caught up, and then the drive that it replaces is no longer one; one step a
// look.
void DriveKeeper::take_part(std::uint32_t number) {
  Group& group = set_.group();
  const raft::Raft& core = *group.core(*group.leader());
  const MemberState& leader = group.member(*group.leader());
  const raft::MemberId id = group.member(number).id;
  if (group.member(number).generation != leader.generation) return;
  raft::Membership wanted = core.membership();
  const auto older = [&](raft::MemberId other) { return slot_of_member(other) == number && other < id; };
  if (!wanted.is_voter(id) && !wanted.is_standby(id)) {
    const SetView known{.members = wanted, .generation = 0, .retired = leader.retired, .unfit = {}};
    if (known.newest_of(number) >= id) return;
    std::erase_if(wanted.standbys, older);
    add(wanted.standbys, id);
  } else if (wanted.is_standby(id)) {
    if (!may_vote(number) || scans_noted_[number] != id) return;
    std::erase(wanted.standbys, id);
    add(wanted.voters, id);
  } else if (std::ranges::any_of(wanted.voters, older)) {
    wanted.voters.erase(std::ranges::find_if(wanted.voters, older));
  } else {
    return;
  }
  const auto proposed = group.propose_membership(std::move(wanted));
  look_soon_ = look_soon_ || proposed.has_value();
  if (!proposed && proposed.error().code() != ErrorCode::kBusy)
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

// The drive whose rows others are filled with: the leader's, or the one that has applied most.
DriveKeeper::Slot* DriveKeeper::source_here() {
  Group& group = set_.group();
  Slot* best = nullptr;
  for (const auto& slot : slots_) {
    if (!group.member(slot->number).votes() || slot->drive.place->rows() == nullptr) continue;
    if (group.leader() == slot->number) return slot.get();
    if (best == nullptr || group.applied(slot->number) > group.applied(best->number)) best = slot.get();
  }
  return best;
}

Task<Result<FillStart>> DriveKeeper::open_fill_here() {
  Slot* source = source_here();
  if (source == nullptr || !opener_.open_rows || stopping_)
    co_return fail(ErrorCode::kNotFound, "no drive here can fill another");
  const auto opened = co_await or_return(sessions_.open(*source->drive.place->rows(), source->drive.path));
  auto base = co_await fill_base(*source, opened.applied);
  if (base) co_return FillStart{.session = opened.id, .bytes = opened.bytes, .base = std::move(*base)};
  co_await sessions_.close(opened.id);
  co_return std::unexpected(std::move(base).error());
}

// What belongs to rows as of `applied`: the undecided entries among what they hold, and who takes part.
Task<Result<storage::FillBase>> DriveKeeper::fill_base(Slot& source, storage::AppliedState applied) {
  storage::GuardedStorage& drive = *source.drive.place;
  storage::FillBase base;
  base.applied = applied;
  const std::uint64_t first = applied.oldest_undecided != 0 ? applied.oldest_undecided : applied.index;
  for (std::uint64_t at = std::max<std::uint64_t>(first, 1); at <= applied.index;) {
    auto entries = co_await or_return(drive.read_entries(at, applied.index, flashstor::limits::kMiB));
    if (entries.empty()) break;
    at = entries.back().index + 1;
    std::ranges::move(entries, std::back_inserter(base.entries));
  }
  if (base.entries.empty() || base.entries.back().index != applied.index)
    co_return fail(ErrorCode::kNotFound, "the log no longer has what the fill began with");
  const MemberState& member = set_.group().member(source.number);
  if (base.entries.front().index > 1) {
    // Out of the runs, not of the log: that of a drive which was filled itself begins with these entries, and
    // of an idle set it would stay so.
    const std::uint64_t before = base.entries.front().index - 1;
    base.previous_term = term_of(member.runs, before);
    if (base.previous_term == 0)
      co_return fail(ErrorCode::kNotFound, fmt::format("the term of entry {} is not known", before));
  }
  if (member.membership_index > applied.index)
    co_return fail(ErrorCode::kBusy, "who takes part changed during the fill");
  StoredConfiguration configuration = configuration_of(member);
  std::erase_if(configuration.runs, [&](const raft::TermRun& run) { return run.first > applied.index; });
  base.configuration = encode_configuration(configuration);
  co_return base;
}

Task<Result<std::string>> DriveKeeper::answer(storage::wire::Method method, Uuid session, Family family,
                                              std::string from) {
  return counted(std::make_shared<Serving>(*this), &home_,
                 answer_home(method, session, family, std::move(from)));
}

Task<Result<std::string>> DriveKeeper::counted(std::shared_ptr<Serving> serving, Runtime* home,
                                               Task<Result<std::string>> work) {
  auto answer = co_await async::run_on(*home, std::move(work));
  serving.reset();
  co_return answer;
}

Task<Result<std::string>> DriveKeeper::answer_home(storage::wire::Method method, Uuid session, Family family,
                                                   std::string from) {
  using storage::wire::Method;
  if (method == Method::kSetView) {
    const SetView view = co_await or_return(view_here());
    co_return encode_view(view);
  }
  if (method == Method::kFillOpen) {
    const FillStart start = co_await or_return(open_fill_here());
    ByteWriter out;
    out.append(start.session.to_bytes()).varint(start.bytes);
    co_return out.take() + storage::encode_fill_base(start.base);
  }
  if (method == Method::kFillRows) {
    const storage::RowPage page = co_await or_return(sessions_.read(session, family, std::move(from)));
    co_return storage::encode_page(page);
  }
  if (method == Method::kFillStatus) co_return encode_fill_status(fill_status());
  if (method == Method::kStanding) co_return encode_standing(standing_here());
  if (method == Method::kRaise) {
    co_await or_return(raise_here(co_await or_return(decode_plan(from))));
    co_return std::string();
  }
  co_await sessions_.close(session);
  co_return std::string();
}

}  // namespace flashstor::cluster
