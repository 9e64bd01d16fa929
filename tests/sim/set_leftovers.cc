#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engine/objects/keys.h"
#include "tests/sim/named_slices.h"
#include "tests/sim/probes.h"
#include "tests/sim/set_world.h"

/// What is left on the drives when all is settled: the same rows everywhere, each slice that a row names and
/// nothing else.
namespace flashstor::sim {

using storage::Family;

void SetWorld::check_drives_agree() {
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    for (std::size_t family = 0; family < storage::kFamilies; ++family) {
      const auto which = static_cast<Family>(family);
      if (storage::is_local(which)) continue;
      const auto first = disks_[set][0]->rows().snapshot(which);
      for (std::uint32_t slot = 1; slot < plan_.drives; ++slot)
        if (disks_[set][slot]->rows().snapshot(which) != first)
          violate(fmt::format("drives 0 and {} of set {} differ in family {}", slot, set, family));
    }
  }
}

void SetWorld::check_nothing_staged() {
  struct Asked {
    std::size_t open = 0;
    std::string found;
  };
  const auto asked = std::make_shared<Asked>();
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot) {
      ++asked->open;
      node_->spawn(
          [](storage::StorageApi* drive, std::uint32_t which, std::shared_ptr<Asked> out) -> Task<void> {
            const auto ids = co_await drive->staged();
            if (!ids) out->found = ids.error().describe();
            if (ids && !ids->empty())
              out->found = fmt::format("drive {} has {} that nothing names", which, ids->front().to_text());
            --out->open;
          }(node_->drive(set, slot), slot, asked));
    }
  }
  wait([asked] { return asked->open == 0; }, std::chrono::minutes(1));
  if (!asked->found.empty()) violate(asked->found);
}

/// Copies that a crash cut off took references that no row came to use, and deletions left some to drop.
void SetWorld::sweep_references() {
  const auto swept = std::make_shared<std::optional<std::size_t>>();
  node_->spawn(
      [](objects::ObjectStore* store, std::shared_ptr<std::optional<std::size_t>> out) -> Task<void> {
        const auto done = co_await store->sweep_references();
        if (done) *out = *done;
      }(&node_->store(), swept));
  if (!wait([swept] { return swept->has_value(); }, std::chrono::minutes(1)))
    return violate("references are not swept");
  if (**swept > 0) SET_PROBE("references-swept");
}

void SetWorld::check_references(const std::set<std::pair<DataId, Uuid>>& uses) {
  for (const auto& disks : disks_) {
    for (const auto& [key, value] : disks[0]->rows().snapshot(Family::kRefs)) {
      const auto data = Uuid::from_bytes(std::string_view(key).substr(0, 16));
      const auto referrer = Uuid::from_bytes(std::string_view(key).substr(16));
      if (!uses.contains({data, referrer}))
        violate(fmt::format("{} is kept for {}, and no row uses it", data.to_text(), referrer.to_text()));
    }
    for (const auto& [key, value] : disks[0]->rows().snapshot(Family::kIntents))
      if (key.starts_with(objects::kDropIntents) || key.starts_with(objects::kTakenReferences))
        violate("references are left undecided");
  }
}

void SetWorld::check_leftovers() {
  SET_PROBE("leftovers-counted");
  if (!read_slowly(*node_, *node_)) return;
  // The grace of data, and that of staged data that nothing named, with what runs now and then after them.
  wait([] { return false; }, std::chrono::minutes(20));
  sweep_references();
  wait([] { return false; }, std::chrono::minutes(55));
  if (!failure_.empty()) return;
  if (!settle(std::chrono::seconds(60))) {
    if (failure_.empty()) violate("an idle set does not stay settled");
    return;
  }
  check_drives_agree();
  check_nothing_staged();
  NamedSlices named;
  for (const auto& disks : disks_) {
    if (!named_by(disks[0]->rows(), named)) violate("a row does not parse");
  }
  for (std::uint32_t set = 0; set < plan_.sets; ++set)
    if (owed(set) != 0) violate("the heal queue is not empty");
  check_references(named.uses);
  for (std::uint32_t set = 0; set < plan_.sets; ++set) {
    for (std::uint32_t slot = 0; slot < plan_.drives; ++slot) {
      const std::set<DataId> held = disks_[set][slot]->held();
      for (const auto& [id, data] : named.data)
        if (data.set == set && !held.contains(id))
          violate(
              fmt::format("drive {} lacks {} (place {})", slot, id.to_text(), static_cast<int>(data.place)));
      for (const DataId& id : held)
        if (!named.data.contains(id))
          violate(fmt::format("drive {} of set {} still holds {}, which nothing names: {}", slot, set,
                              id.to_text(), disks_[set][slot]->describe(id)));
    }
  }
}

}  // namespace flashstor::sim
