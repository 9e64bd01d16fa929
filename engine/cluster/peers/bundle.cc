#include "engine/cluster/peers/bundle.h"

#include <map>
#include <utility>

#include "engine/base/codec.h"
#include "engine/cluster/raft/limits.h"
#include "engine/cluster/raft/message_codec.h"

namespace flashstor::cluster {
namespace {

constexpr std::size_t kMaxMessages = 4096;
constexpr std::size_t kMaxAppended = 65'536;

// Messages travel without their entries; these follow once each, named by their place in the table.
struct EntryTable {
  std::map<std::pair<raft::Index, raft::Term>, std::uint64_t> places;
  std::vector<raft::Entry> entries;
  std::uint64_t place_of(const raft::Entry& entry) {
    const auto [at, added] = places.try_emplace({entry.index, entry.term}, entries.size());
    if (added) entries.push_back(entry);
    return at->second;
  }
};

void write_entries(ByteWriter& out, const std::vector<raft::Entry>& entries) {
  out.varint(entries.size());
  for (const raft::Entry& entry : entries) {
    // As an append of one: the codec of messages knows every kind of entry.
    raft::Message carrier;
    carrier.from = 1;
    carrier.to = 2;
    carrier.log_index = entry.index - 1;
    carrier.entries.push_back(entry);
    out.bytes(raft::encode(carrier));
  }
}

Buffer part_of(const Buffer& whole, std::string_view part) {
  if (part.empty()) return {};
  return whole.slice(static_cast<std::size_t>(part.data() - whole.view().data()), part.size());
}

std::vector<raft::Entry> read_entries(ByteReader& in, const Buffer& whole) {
  std::vector<raft::Entry> entries;
  const std::uint64_t count = in.varint();
  if (count > kMaxAppended) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    const std::string_view bytes = in.bytes();
    if (!in.ok()) break;
    auto carrier = raft::decode(part_of(whole, bytes));
    if (!carrier || carrier->entries.size() != 1) {
      in.mark_bad();
      break;
    }
    entries.push_back(std::move(carrier->entries.front()));
  }
  return entries;
}

void read_messages(ByteReader& in, const Buffer& whole, const std::vector<raft::Entry>& table,
                   std::vector<raft::Message>& messages) {
  const std::uint64_t count = in.varint();
  if (count > kMaxMessages) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    const std::string_view bytes = in.bytes();
    const std::uint64_t entries = in.varint();
    if (!in.ok() || entries > raft::limits::kMaxAppendEntries) return in.mark_bad();
    auto message = raft::decode(part_of(whole, bytes));
    if (!message || !message->entries.empty() || (entries > 0 && message->type != raft::MessageType::kAppend))
      return in.mark_bad();
    for (std::uint64_t j = 0; j < entries; ++j) {
      const std::uint64_t place = in.varint();
      if (!in.ok() || place >= table.size() || table[place].index != message->log_index + 1 + j)
        return in.mark_bad();
      message->entries.push_back(table[place]);
    }
    messages.push_back(std::move(*message));
  }
}

void write_reports(ByteWriter& out, const std::vector<MemberReport>& reports) {
  out.varint(reports.size());
  for (const MemberReport& report : reports) {
    out.varint(report.slot)
        .varint(report.member)
        .varint(report.generation)
        .boolean(report.open)
        .boolean(report.votes);
    out.boolean(report.full)
        .u64(report.incarnation)
        .varint(report.leads)
        .varint(report.owed ? *report.owed + 1 : 0)
        .varint(report.applied)
        .boolean(report.in_doubt)
        .varint(report.term)
        .varint(report.end.index)
        .varint(report.end.term)
        .varint(report.appended.size());
    for (const AppendedEntry& entry : report.appended)
      out.varint(entry.index).varint(entry.term).boolean(entry.with_data);
  }
}

void read_reports(ByteReader& in, std::vector<MemberReport>& reports) {
  const std::uint64_t count = in.varint();
  if (count > flashstor::limits::kMaxDrivesPerSet) in.mark_bad();
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    MemberReport report;
    report.slot = static_cast<std::uint32_t>(in.varint());
    report.member = static_cast<raft::MemberId>(in.varint());
    report.generation = in.varint();
    report.open = in.boolean();
    report.votes = in.boolean();
    report.full = in.boolean();
    report.incarnation = in.u64();
    report.leads = in.varint();
    if (const std::uint64_t owed = in.varint(); owed != 0) report.owed = owed - 1;
    report.applied = in.varint();
    report.in_doubt = in.boolean();
    report.term = in.varint();
    report.end.index = in.varint();
    report.end.term = in.varint();
    const std::uint64_t entries = in.varint();
    if (entries > kMaxAppended) in.mark_bad();
    for (std::uint64_t j = 0; in.ok() && j < entries; ++j) {
      AppendedEntry entry;
      entry.index = in.varint();
      entry.term = in.varint();
      entry.with_data = in.boolean();
      report.appended.push_back(entry);
    }
    reports.push_back(std::move(report));
  }
}

void read_data(ByteReader& in, const Buffer& body, std::vector<MemberData>& data) {
  const std::uint64_t count = in.varint();
  if (count > kMaxAppended) in.mark_bad();
  std::size_t at = 0;
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    MemberData item;
    item.member = static_cast<raft::MemberId>(in.varint());
    item.index = in.varint();
    item.term = in.varint();
    item.record.ref = storage::decode_data_ref(in);
    item.record.id = item.record.ref.id;
    item.record.shard = in.u8();
    const std::uint64_t bytes = in.varint();
    if (!in.ok() || bytes > body.size() - at) return in.mark_bad();
    item.record.bytes = body.slice(at, bytes);
    at += bytes;
    data.push_back(std::move(item));
  }
  if (at != body.size()) in.mark_bad();
}

}  // namespace

storage::wire::Payload encode_bundle(const Bundle& bundle) {
  EntryTable table;
  ByteWriter messages;
  messages.varint(bundle.messages.size());
  for (const raft::Message& message : bundle.messages) {
    raft::Message bare = message;
    bare.entries.clear();
    messages.bytes(raft::encode(bare)).varint(message.entries.size());
    for (const raft::Entry& entry : message.entries) messages.varint(table.place_of(entry));
  }
  ByteWriter out;
  BufferChain body;
  out.varint(bundle.set);
  write_entries(out, table.entries);
  out.append(messages.view());
  write_reports(out, bundle.reports);
  out.varint(bundle.data.size());
  for (const MemberData& item : bundle.data) {
    out.varint(item.member).varint(item.index).varint(item.term);
    storage::encode_data_ref(out, item.record.ref);
    out.u8(item.record.shard).varint(item.record.bytes.size());
    if (!item.record.bytes.empty()) body.append(item.record.bytes);
  }
  return storage::wire::payload_of(out.take(), std::move(body));
}

Result<Bundle> decode_bundle(const storage::wire::Payload& payload) {
  ByteReader in(payload.head.view());
  Bundle bundle;
  bundle.set = static_cast<std::uint32_t>(in.varint());
  const auto table = read_entries(in, payload.head);
  read_messages(in, payload.head, table, bundle.messages);
  read_reports(in, bundle.reports);
  read_data(in, payload.body.flatten(), bundle.data);
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "a consensus bundle does not parse");
  return bundle;
}

}  // namespace flashstor::cluster
