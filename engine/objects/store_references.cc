#include <algorithm>
#include <map>
#include <set>

#include "engine/objects/keys.h"
#include "engine/objects/queries.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kMaxNamedLocks = 64;       // more data than this locks all references of the set
constexpr std::size_t kMaxUsesACommand = 2'000;  // keeps the entry far under kMaxEntryBytes

cluster::Command make_command(ObjectCommand kind, const ReferencesPayload& payload, Random& random) {
  cluster::Command command;
  command.kind = static_cast<cluster::CommandKind>(kind);
  command.request_id = Uuid::make(random);
  command.payload = encode(payload);
  if (payload.uses.size() > kMaxNamedLocks) {
    command.locks.push_back({cluster::lock_name(Family::kRefs, {}), true});
    return command;
  }
  std::set<std::string> names;
  for (const DroppedReference& use : payload.uses)
    names.insert(cluster::lock_name(Family::kRefs, use.data.id.to_bytes()));
  for (const std::string& name : names) command.locks.push_back({name, true});
  return command;
}

using UsesBySet = std::map<std::uint32_t, std::vector<DroppedReference>>;

// Cuts `uses` into commands and runs them in `set`.
Task<Result<void>> run_all(cluster::SetApi* set, ObjectCommand kind, ReferencesPayload payload,
                           Random* random) {
  std::vector<DroppedReference> uses = std::move(payload.uses);
  for (std::size_t begin = 0; begin < uses.size(); begin += kMaxUsesACommand) {
    const std::size_t end = std::min(uses.size(), begin + kMaxUsesACommand);
    payload.uses.assign(uses.begin() + static_cast<std::ptrdiff_t>(begin),
                        uses.begin() + static_cast<std::ptrdiff_t>(end));
    cluster::Command command = make_command(kind, payload, *random);
    if (kind == ObjectCommand::kAddReferences)
      command.locks.push_back(
          {cluster::lock_name(Family::kVersions, key_prefix(payload.bucket, payload.key)), false});
    co_await or_return(set->execute(std::move(command)));
  }
  co_return {};
}

}  // namespace

Task<Result<std::vector<Slice>>> StoreParts::add_references(const Bucket& bucket, const std::string& key,
                                                            const VersionId& source,
                                                            std::vector<Slice> slices) const {
  const Uuid referrer = Uuid::make(random());
  UsesBySet by_set;
  std::set<DataId> seen;
  for (const Slice& slice : slices)
    if (slice.data.place != DataPlace::kNone && seen.insert(slice.data.id).second)
      by_set[slice.data.set].push_back({slice.data, slice.referrer});
  for (auto& [set, uses] : by_set) {
    ReferencesPayload payload{.bucket = bucket.id,
                              .key = key,
                              .version = source,
                              .new_referrer = referrer,
                              .uses = std::move(uses)};
    co_await or_return(
        run_all(&cluster().set_at(set), ObjectCommand::kAddReferences, std::move(payload), &random()));
  }
  for (Slice& slice : slices)
    if (slice.data.place != DataPlace::kNone) slice.referrer = referrer;
  co_return slices;
}

Task<void> StoreParts::give_back(cluster::SetApi& home, const std::vector<Slice>& slices) const {
  std::vector<DroppedReference> drops;
  std::set<DataId> seen;
  for (const Slice& slice : slices)
    if (!slice.referrer.is_nil() && seen.insert(slice.data.id).second)
      drops.push_back({slice.data, slice.referrer});
  co_await drop_references(home.info().index, std::move(drops));
}

// What fails here stays as an intent row in `home_set`, and is dropped later.
Task<void> StoreParts::drop_references(std::uint32_t home_set, std::vector<DroppedReference> drops) const {
  UsesBySet by_set;
  for (DroppedReference& drop : drops) by_set[drop.data.set].push_back(std::move(drop));
  for (auto& [set, uses] : by_set) {
    ReferencesPayload payload;
    payload.uses = std::move(uses);
    const auto dropped =
        co_await run_all(&cluster().set_at(set), ObjectCommand::kDropReferences, payload, &random());
    if (!dropped || set == home_set) continue;
    payload.intents_only = true;
    (void)co_await run_all(&cluster().set_at(home_set), ObjectCommand::kDropReferences, std::move(payload),
                           &random());
  }
}

Task<Result<std::size_t>> ObjectStore::sweep_references() {
  std::size_t dropped = 0;
  for (std::uint32_t home = 0; home < cluster_.set_count(); ++home) {
    std::string after;
    while (true) {
      const auto keys = co_await or_return(ask_drop_intents(cluster_.set_at(home), after));
      if (keys.empty()) break;
      std::vector<DroppedReference> drops;
      for (const std::string& key : keys) {
        const auto intent = parse_drop_intent_key(key);
        if (!intent || intent->set >= cluster_.set_count()) continue;
        DroppedReference drop;
        drop.data.id = intent->data;
        drop.data.set = intent->set;
        drop.referrer = intent->referrer;
        drops.push_back(drop);
      }
      dropped += drops.size();
      co_await StoreParts{*this}.drop_references(home, std::move(drops));
      after = keys.back();
    }
  }
  co_return dropped;
}

}  // namespace flashstor::objects
