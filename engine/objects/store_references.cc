#include <algorithm>
#include <map>
#include <set>

#include "engine/objects/keys.h"
#include "engine/objects/limits.h"
#include "engine/objects/queries.h"
#include "engine/objects/store_parts.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kMaxNamedLocks = 64;       // more data than this locks all references of the set
constexpr int kMaxSilentReferrers = 4;           // of a set that cannot answer for them, in one pass
constexpr std::size_t kMaxUsesACommand = 2'000;  // keeps the entry far under kMaxEntryBytes

cluster::Command make_command(ObjectCommand kind, const ReferencesPayload& payload, Random& random) {
  cluster::Command command;
  command.kind = static_cast<cluster::CommandKind>(kind);
  command.request_id = Uuid::make(random);
  command.payload = encode(payload);
  if (kind == ObjectCommand::kRefuseReferrer) command.locks.push_back(referrer_lock(payload.new_referrer));
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

cluster::LockName referrer_lock(const Uuid& referrer) {
  return {.name = cluster::lock_name(Family::kIntents, referrer_key(referrer)), .exclusive = true};
}

Uuid referrer_of(const std::vector<Slice>& slices) {
  const auto shared =
      std::ranges::find_if(slices, [](const Slice& slice) { return !slice.referrer.is_nil(); });
  return shared == slices.end() ? Uuid{} : shared->referrer;
}

Task<Result<std::vector<Slice>>> StoreParts::add_references(const Bucket& bucket, const std::string& key,
                                                            const VersionId& source,
                                                            std::vector<Slice> slices,
                                                            std::uint32_t home) const {
  const WallTime deadline = Runtime::current()->wall_now() + Nanoseconds(limits::kReferenceKeep);
  const Uuid referrer{static_cast<std::uint64_t>(base::to_nanoseconds(deadline)), random().next() | 1};
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
                              .uses = std::move(uses),
                              .home = home};
    co_await or_return(
        run_all(&cluster().set_at(set), ObjectCommand::kAddReferences, std::move(payload), &random()));
  }
  for (Slice& slice : slices)
    if (slice.data.place != DataPlace::kNone) slice.referrer = referrer;
  co_return slices;
}

Task<void> StoreParts::settle_references(std::uint32_t home, const std::vector<Slice>& slices) const {
  UsesBySet by_set;
  std::set<DataId> seen;
  for (const Slice& slice : slices)
    if (!slice.referrer.is_nil() && seen.insert(slice.data.id).second)
      by_set[slice.data.set].push_back({slice.data, slice.referrer});
  if (by_set.empty()) co_return;
  ReferencesPayload payload{.new_referrer = by_set.begin()->second.front().referrer, .home = home};
  // What became of the referrer goes last: whoever finds a reference that is not settled asks for it.
  auto last = by_set.extract(home);
  for (auto& [set, uses] : by_set) {
    payload.uses = std::move(uses);
    if (!co_await run_all(&cluster().set_at(set), ObjectCommand::kSettleReferences, payload, &random()))
      co_return;
  }
  payload.uses = last.empty() ? std::vector<DroppedReference>() : std::move(last.mapped());
  payload.forget = payload.uses.size() <= kMaxUsesACommand;
  if (payload.uses.empty()) {
    static_cast<void>(co_await cluster().set_at(home).execute(
        make_command(ObjectCommand::kSettleReferences, payload, random())));
  } else {
    static_cast<void>(
        co_await run_all(&cluster().set_at(home), ObjectCommand::kSettleReferences, payload, &random()));
  }
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
  for (const DroppedReference& drop : drops) by_set[drop.data.set].push_back(drop);
  for (auto& [set, uses] : by_set) {
    ReferencesPayload payload;
    payload.uses = std::move(uses);
    payload.home = home_set;
    const auto dropped =
        co_await run_all(&cluster().set_at(set), ObjectCommand::kDropReferences, payload, &random());
    if (!dropped || set == home_set) continue;
    payload.intents_only = true;
    (void)co_await run_all(&cluster().set_at(home_set), ObjectCommand::kDropReferences, std::move(payload),
                           &random());
  }
}

// References of the set `at` whose deadline passed: used, and only the note of it was lost, or never to be.
// One of which nobody can say yet does not hold up the others.
Task<Result<std::size_t>> StoreParts::sweep_taken(std::uint32_t at, WallTime now) const {
  std::map<std::pair<Uuid, std::uint32_t>, std::vector<DroppedReference>> taken;  // by referrer and home
  std::string after(kTakenReferences);
  for (bool more = true; more;) {
    const auto keys = co_await or_return(ask_drop_intents(cluster().set_at(at), after));
    more = keys.size() == kMaxIntentsAPage;
    for (const std::string& key : keys) {
      const auto one = co_await or_return(parse_taken_key(key));
      if (static_cast<std::int64_t>(one.referrer.high) > base::to_nanoseconds(now)) {
        more = false;  // the keys begin with the deadline
        break;
      }
      DroppedReference use{.data = {}, .referrer = one.referrer};
      use.data.id = one.data;
      use.data.set = at;
      taken[{one.referrer, one.home}].push_back(use);
    }
    if (!keys.empty()) after = keys.back();
  }
  std::size_t dropped = 0;
  Result<void> failed;
  std::map<std::uint32_t, int> silent;
  for (auto& [who, uses] : taken) {
    if (who.second >= cluster().set_count() || silent[who.second] == kMaxSilentReferrers) continue;
    ReferencesPayload payload{.new_referrer = who.first, .home = who.second};
    const auto fate = co_await cluster()
                          .set_at(who.second)
                          .execute(make_command(ObjectCommand::kRefuseReferrer, payload, random()));
    if (!fate) {
      ++silent[who.second];
      failed = std::unexpected(fate.error());
    } else if (fate->response == kRefused) {
      dropped += uses.size();
      co_await drop_references(who.second, std::move(uses));
    } else if (fate->response == kUsed) {
      payload.uses = std::move(uses);
      co_await or_return(
          run_all(&cluster().set_at(at), ObjectCommand::kSettleReferences, std::move(payload), &random()));
    }
  }
  if (!failed) co_return std::unexpected(failed.error());
  co_return dropped;
}

// After a pass over all sets nobody asks any more for what became of referrers of long ago.
Task<Result<void>> StoreParts::forget_referrers(WallTime now) const {
  const std::int64_t oldest = base::to_nanoseconds(now - Nanoseconds(limits::kReferrerKeep));
  for (std::uint32_t home = 0; home < cluster().set_count(); ++home) {
    std::string after(kReferrers);
    for (bool more = true; more;) {
      const auto keys = co_await or_return(ask_drop_intents(cluster().set_at(home), after));
      more = keys.size() == kMaxIntentsAPage;
      for (const std::string& key : keys) {
        const Uuid referrer = co_await or_return(parse_referrer_key(key));
        if (static_cast<std::int64_t>(referrer.high) > oldest) continue;
        const ReferencesPayload payload{.new_referrer = referrer, .home = home, .forget = true};
        co_await or_return(cluster().set_at(home).execute(
            make_command(ObjectCommand::kSettleReferences, payload, random())));
      }
      if (!keys.empty()) after = keys.back();
    }
  }
  co_return {};
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
  const StoreParts parts{*this};
  const WallTime now = Runtime::current()->wall_now();
  Result<void> failed;
  for (std::uint32_t set = 0; set < cluster_.set_count(); ++set) {
    const auto swept = co_await parts.sweep_taken(set, now);
    if (swept)
      dropped += *swept;
    else
      failed = std::unexpected(swept.error());
  }
  co_await or_return(std::move(failed));
  co_await or_return(parts.forget_referrers(now));
  co_return dropped;
}

}  // namespace flashstor::objects
