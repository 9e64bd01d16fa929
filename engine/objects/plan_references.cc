#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "engine/objects/keys.h"
#include "engine/objects/limits.h"
#include "engine/objects/payloads.h"
#include "engine/objects/planners.h"
#include "engine/objects/row_codec.h"
#include "engine/objects/rows.h"

/// Family::kRefs: who uses data beside (or after) the version that was written with it. Rows exist only for
/// data that is shared: (data id, nil) for its writer's version and (data id, referrer) for each copy. They
/// are all in the set that stores the data, and so is the decision to free it.
namespace flashstor::objects {
namespace {

constexpr std::size_t kIdBytes = 16;

std::string encode_use(const DataRef& data) {
  ByteWriter out;
  write_slice(out, {.data = data, .offset = 0, .length = 0, .referrer = {}});
  return seal(std::move(out));
}

Result<DataRef> decode_use(std::string_view value, const DataId& id) {
  if (const auto body = unseal(value)) {
    ByteReader in(*body);
    Slice slice = read_slice(in);
    if (!in.ok()) return fail(ErrorCode::kCorrupt, "a reference does not parse");
    return slice.data;
  }
  // As mounts wrote them until 2026-11-27: bare, like the data of an entry.
  ByteReader in(value);
  const DataRef data = storage::decode_data_ref(in);
  if (!in.ok() || !in.at_end() || data.id != id)
    return fail(ErrorCode::kCorrupt, "a reference does not match its checksum");
  return data;
}

// Whether anybody uses `data` who is not `leaving` with this command.
Task<Result<bool>> has_other_users(cluster::RowView& rows, const DataId& data,
                                   const std::set<std::string>& leaving) {
  bool found = false;
  std::string lower = data.to_bytes();
  std::string upper = after_prefix(lower);
  co_await or_return(rows.scan(
      Family::kRefs, std::move(lower), std::move(upper),
      [&](std::string_view key, std::string_view) {
        if (leaving.contains(std::string(key))) return cluster::ScanStep{};
        found = true;
        return cluster::ScanStep{.kind = cluster::ScanStep::Kind::kStop, .seek_to = {}};
      },
      [&found] { found = false; }));
  co_return found;
}

// Whether the version still has the data. The row of a version that was replaced (the null version, or one
// that files revised) stays until the record that confirms its successor; its data is due already. A list of
// slices in a row of its own is never changed: it goes with the version's row, and needs no look.
Task<Result<bool>> source_stands(cluster::RowView& rows, const ReferencesPayload& in) {
  std::string key = version_key(in.bucket, in.key, in.version);
  const auto source = co_await or_return(rows.get(Family::kVersions, std::move(key)));
  if (!source) co_return false;
  if (co_await or_return(rows.get(Family::kIntents, revised_key(in.bucket, in.key, in.version))))
    co_return false;
  const VersionRow row = co_await or_return(decode_version(*source));
  if (row.header.is_null) {
    const auto null = co_await or_return(find_version(rows, in.bucket, in.key, kNullVersionId));
    if (!null || null->id != in.version) co_return false;
  }
  if (row.header.layout != Layout::kSlices) co_return true;
  for (const DroppedReference& use : in.uses)  // a file may have been published meanwhile, with other slices
    if (use.referrer.is_nil() && std::ranges::none_of(row.slices, [&use](const Slice& slice) {
          return slice.data.id == use.data.id && slice.referrer.is_nil();
        }))
      co_return false;
  co_return true;
}

// The time until which the row that uses the references of `referrer` may be written.
std::int64_t deadline_of(const Uuid& referrer) { return static_cast<std::int64_t>(referrer.high); }

}  // namespace

RowChange reference_row(const DataRef& data, const Uuid& referrer) {
  return {Family::kRefs, reference_key(data.id, referrer), encode_use(data)};
}

bool is_own_reference(const RowChange& change) {
  return change.family == Family::kRefs &&
         Uuid::from_bytes(std::string_view(change.key).substr(kIdBytes)).is_nil();
}

// Whoever asks what became of the referrer holds the same lock: whichever comes to the log first, the other
// sees its row, whatever the clocks of their leaders say. The deadline only ends the wait for rows that never
// come; it holds too for those that come after what became of their referrer is forgotten.
Task<Result<void>> use_references(cluster::RowView& rows, const std::vector<Slice>& slices,
                                  std::vector<RowChange>& changes) {
  const auto shared =
      std::ranges::find_if(slices, [](const Slice& slice) { return !slice.referrer.is_nil(); });
  if (shared == slices.end()) co_return {};
  const Uuid& referrer = shared->referrer;  // one for all that a command shares
  if (base::to_nanoseconds(rows.now()) > deadline_of(referrer))
    co_return fail(ErrorCode::kTimeout, "sharing the data of the source took too long");
  std::string key = referrer_key(referrer);
  if (const auto known = co_await or_return(rows.get(Family::kIntents, key)); known && *known == kRefused)
    co_return fail(ErrorCode::kTimeout, "sharing the data of the source took too long: it was given up");
  changes.push_back({Family::kIntents, std::move(key), std::string(kUsed)});
  co_return {};
}

// Holds the source's key shared, so that its version cannot go meanwhile, and the data's references.
PlanTask plan_add_references(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<ReferencesPayload>(command.payload));
  const auto gone = [] { return fail(ErrorCode::kConflict, "the source of a copy went meanwhile"); };
  if (base::to_nanoseconds(rows.now()) > deadline_of(in.new_referrer))
    co_return fail(ErrorCode::kTimeout, "sharing the data of the source took too long");
  cluster::Plan plan;
  bool source_checked = false;
  for (const DroppedReference& use : in.uses) {
    if (use.referrer.is_nil()) {
      if (!source_checked) {
        if (!co_await or_return(source_stands(rows, in))) co_return gone();
        source_checked = true;
      }
      plan.changes.push_back(reference_row(use.data, {}));
    } else if (!co_await or_return(rows.get(Family::kRefs, reference_key(use.data.id, use.referrer)))) {
      co_return gone();
    }
    plan.changes.push_back(reference_row(use.data, in.new_referrer));
    plan.changes.push_back({Family::kIntents, taken_key(in.new_referrer, in.home, use.data.id), ""});
  }
  plan.write = !plan.changes.empty();
  co_return plan;
}

// One command may end several uses of the same data (an object joined from ranges of another), so who is left
// is asked once for each data id, with all that leave out of the count.
PlanTask plan_drop_references(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<ReferencesPayload>(command.payload));
  cluster::Plan plan;
  std::set<std::string> leaving;
  std::map<DataId, DataRef> touched;
  for (const DroppedReference& use : in.uses) {
    plan.changes.push_back(
        {Family::kIntents, drop_intent_key(use.data.set, use.data.id, use.referrer), std::nullopt});
    if (in.intents_only) continue;
    if (!use.referrer.is_nil())
      plan.changes.push_back({Family::kIntents, taken_key(use.referrer, in.home, use.data.id), std::nullopt});
    std::string key = reference_key(use.data.id, use.referrer);
    const auto row = co_await or_return(rows.get(Family::kRefs, key));
    if (!row) continue;                         // dropped before
    auto data = decode_use(*row, use.data.id);  // an intent that a crash left knows no more than the id
    if (!data) co_return std::unexpected(std::move(data).error());
    leaving.insert(std::move(key));
    touched.emplace(use.data.id, *data);
  }
  for (const auto& [id, data] : touched)
    if (!co_await or_return(has_other_users(rows, id, leaving)))
      plan.changes.push_back(cluster::free_later(data, rows.now()));
  for (const std::string& key : leaving) plan.changes.push_back({Family::kRefs, key, std::nullopt});
  plan.write = !plan.changes.empty();
  co_return plan;
}

// The row that uses them stands.
PlanTask plan_settle_references(cluster::RowView& /*rows*/, const cluster::Command& command) {
  const auto in = co_await or_return(decode<ReferencesPayload>(command.payload));
  cluster::Plan plan;
  for (const DroppedReference& use : in.uses)
    plan.changes.push_back(
        {Family::kIntents, taken_key(in.new_referrer, in.home, use.data.id), std::nullopt});
  if (in.forget) plan.changes.push_back({Family::kIntents, referrer_key(in.new_referrer), std::nullopt});
  plan.write = !plan.changes.empty();
  co_return plan;
}

// Answers whether the row that uses a referrer's references was written; if not, it never will be. An empty
// answer: it is too early to say. Waits for a command under way that has the referrer's lock, and while it is
// undecided: a version that is voided takes along that its references were used.
PlanTask plan_refuse_referrer(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<ReferencesPayload>(command.payload));
  cluster::Plan plan{.write = false};
  std::string key = referrer_key(in.new_referrer);
  auto known = co_await or_return(rows.get(Family::kIntents, key));
  if (known) {
    plan.response = std::move(*known);
    co_return plan;
  }
  const std::int64_t margin = Nanoseconds(limits::kReferenceMargin).count();
  if (base::to_nanoseconds(rows.now()) <= deadline_of(in.new_referrer) + margin) co_return plan;
  plan.response = kRefused;
  plan.changes.push_back({Family::kIntents, std::move(key), std::string(kRefused)});
  plan.write = true;
  co_return plan;
}

}  // namespace flashstor::objects
