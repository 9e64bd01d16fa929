#include "engine/cluster/member_state.h"

#include "engine/base/codec.h"

namespace flashstor::cluster {
namespace {

constexpr std::uint8_t kFormat = 2;
constexpr std::uint8_t kWithoutGeneration = 1;

void encode_members(ByteWriter& out, const std::vector<raft::MemberId>& members) {
  out.varint(members.size());
  for (const raft::MemberId id : members) out.varint(id);
}

std::vector<raft::MemberId> decode_members(ByteReader& in) {
  std::vector<raft::MemberId> members;
  const std::uint64_t count = in.varint();
  if (count > raft::limits::kMaxVoters) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i)
    members.push_back(static_cast<raft::MemberId>(in.varint()));
  return members;
}

std::string encode_membership(const raft::Membership& membership) {
  ByteWriter out;
  encode_members(out, membership.voters);
  encode_members(out, membership.standbys);
  return out.take();
}

}  // namespace

storage::LogEntry to_log_entry(const raft::Entry& entry) {
  storage::LogEntry out{
      .term = entry.term, .index = entry.index, .kind = kEntryBody, .payload = entry.payload};
  if (entry.membership != nullptr) {
    out.kind = kEntryMembership;
    out.payload = Buffer::copy_of(encode_membership(*entry.membership));
  } else if (entry.payload.empty()) {
    out.kind = kEntryEmpty;
  }
  return out;
}

Result<raft::Entry> from_log_entry(const storage::LogEntry& entry) {
  raft::Entry out{.term = entry.term, .index = entry.index, .payload = {}, .membership = nullptr};
  if (entry.kind == kEntryBody) {
    out.payload = entry.payload;
  } else if (entry.kind == kEntryMembership) {
    ByteReader in(entry.payload.view());
    raft::Membership membership;
    membership.voters = decode_members(in);
    membership.standbys = decode_members(in);
    if (!in.ok()) return fail(ErrorCode::kMalformed, "a change of membership in the log does not parse");
    out.membership = std::make_shared<const raft::Membership>(std::move(membership));
  } else if (entry.kind != kEntryEmpty) {
    return fail(ErrorCode::kMalformed, "an entry in the log is of a kind that this version does not know");
  }
  return out;
}

raft::Term term_of(const std::vector<raft::TermRun>& runs, raft::Index index) {
  raft::Term term = 0;
  for (const raft::TermRun& run : runs)
    if (run.first <= index) term = run.term;
  return term;
}

StoredConfiguration configuration_of(const MemberState& member) {
  return {.membership = member.membership,
          .membership_index = member.membership_index,
          .runs = member.runs,
          .generation = member.generation,
          .retired = member.retired};
}

std::string encode_configuration(const StoredConfiguration& configuration) {
  ByteWriter out;
  out.u8(kFormat).bytes(encode_membership(configuration.membership)).varint(configuration.membership_index);
  out.varint(configuration.runs.size());
  for (const raft::TermRun& run : configuration.runs) out.varint(run.first).varint(run.term);
  out.varint(configuration.generation);
  encode_members(out, configuration.retired);
  return out.take();
}

Result<StoredConfiguration> decode_configuration(std::string_view bytes) {
  ByteReader in(bytes);
  StoredConfiguration out;
  const std::uint8_t format = in.u8();
  if (format != kFormat && format != kWithoutGeneration) in.mark_bad();
  ByteReader members(in.bytes());
  out.membership.voters = decode_members(members);
  out.membership.standbys = decode_members(members);
  out.membership_index = in.varint();
  const std::uint64_t runs = in.varint();
  for (std::uint64_t i = 0; in.ok() && i < runs; ++i) {
    const raft::Index first = in.varint();
    out.runs.push_back({.first = first, .term = in.varint()});
  }
  if (format == kFormat) {
    out.generation = in.varint();
    out.retired = decode_members(in);
  }
  if (!in.ok() || !members.ok()) return fail(ErrorCode::kMalformed, "the stored membership does not parse");
  return out;
}

}  // namespace flashstor::cluster
