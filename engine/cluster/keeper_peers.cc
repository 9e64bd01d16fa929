#include "engine/cluster/keeper_peers.h"

#include <algorithm>
#include <bit>

#include "engine/base/codec.h"
#include "engine/cluster/member_state.h"

namespace flashstor::cluster {
namespace {

void write_ids(ByteWriter& out, const std::vector<raft::MemberId>& ids) {
  out.varint(ids.size());
  for (const raft::MemberId id : ids) out.varint(id);
}

std::vector<raft::MemberId> read_ids(ByteReader& in) {
  std::vector<raft::MemberId> ids;
  const std::uint64_t count = in.varint();
  if (count > raft::limits::kMaxVoters + raft::limits::kMaxStandbys) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i)
    ids.push_back(static_cast<raft::MemberId>(in.varint()));
  return ids;
}

}  // namespace

raft::MemberId SetView::newest_of(std::uint32_t slot) const {
  raft::MemberId newest = 0;
  for (const auto* ids : {&members.voters, &members.standbys, &retired})
    for (const raft::MemberId id : *ids)
      if (slot_of_member(id) == slot) newest = std::max(newest, id);
  return newest;
}

bool SetView::spares(std::uint32_t slot, std::uint32_t drives, std::uint8_t parity) const {
  const std::uint32_t all = (std::uint32_t{1} << drives) - 1;
  std::uint32_t gone = (lacking & all) | std::uint32_t{1} << slot;
  for (const raft::MemberId other : unfit)
    if (slot_of_member(other) < slot) gone |= std::uint32_t{1} << slot_of_member(other);
  return std::popcount(gone) <= parity;
}

std::string encode_view(const SetView& view) {
  ByteWriter out;
  write_ids(out, view.members.voters);
  write_ids(out, view.members.standbys);
  write_ids(out, view.unfit);
  write_ids(out, view.retired);
  out.varint(view.generation).boolean(view.suffering).varint(view.lacking);
  return out.take();
}

Result<SetView> decode_view(std::string_view bytes) {
  ByteReader in(bytes);
  SetView view;
  view.members.voters = read_ids(in);
  view.members.standbys = read_ids(in);
  view.unfit = read_ids(in);
  view.retired = read_ids(in);
  view.generation = in.varint();
  view.suffering = in.boolean();
  view.lacking = static_cast<std::uint32_t>(in.varint());
  const auto ascends = [](const std::vector<raft::MemberId>& ids) {
    return std::ranges::adjacent_find(ids, std::greater_equal<>()) == ids.end() &&
           (ids.empty() || ids.front() != 0);
  };
  if (!in.ok() || !in.at_end() || !ascends(view.members.voters) || !ascends(view.members.standbys))
    return fail(ErrorCode::kMalformed, "a set's membership from a peer does not parse");
  return view;
}

std::string encode_fill_status(const FillStatus& status) {
  ByteWriter out;
  out.boolean(status.filling).varint(status.waiting).varint(status.rows).varint(status.rows_per_second);
  out.varint(status.percent).varint(status.left_s);
  return out.take();
}

Result<FillStatus> decode_fill_status(std::string_view bytes) {
  ByteReader in(bytes);
  FillStatus status;
  status.filling = in.boolean();
  status.waiting = static_cast<std::uint32_t>(in.varint());
  status.rows = in.varint();
  status.rows_per_second = in.varint();
  status.percent = static_cast<std::uint32_t>(in.varint());
  status.left_s = in.varint();
  if (!in.ok() || !in.at_end())
    return fail(ErrorCode::kMalformed, "a peer's figures of filling do not parse");
  return status;
}

}  // namespace flashstor::cluster
