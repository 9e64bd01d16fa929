#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/cluster/set.h"
#include "engine/cluster/slots.h"
#include "engine/objects/object_store.h"
#include "tests/sim/process_node.h"
#include "tests/sim/sim_medium.h"

namespace flashstor::sim {

/// One process with all drives: a loop, the sets, an object store over them.
class SetNode final : public cluster::ClusterApi, public ProcessNode {
 public:
  SetNode(SimWorld& world, std::uint64_t life, const Uuid& deployment, std::uint32_t sets)
      : ProcessNode(world, life), deployment_(deployment), slots_(deployment, sets) {}

  [[nodiscard]] cluster::SetApi& set_for(const Uuid& bucket, std::string_view key) override {
    return *sets_[slots_.set_of(bucket, key)];
  }
  [[nodiscard]] cluster::SetApi& set_at(std::uint32_t index) override { return *sets_[index]; }
  [[nodiscard]] std::uint32_t set_count() const override { return static_cast<std::uint32_t>(sets_.size()); }
  [[nodiscard]] Uuid deployment_id() const override { return deployment_; }

  /// Before `start`, one a set.
  void add_set(cluster::SetInfo info, const cluster::CommandRegistry& registry,
               std::vector<OpenedDrive> drives, const cluster::SetDefects& defects);
  /// Opens all sets; `ready` or `failed` is set when that has ended.
  void start(const objects::StoreOptions& options);
  void kill();
  /// Closes everything, in order or (after `kill`) as well as it goes; `gone` is set when that has ended.
  void finish();
  /// Destroys what lives on the loop; on it. After `gone`.
  void drop_parts();

  /// What the sets were given, by set and slot; null where a drive is missing.
  [[nodiscard]] storage::StorageApi* drive(std::uint32_t set, std::uint32_t slot) const {
    return drives_[set][slot];
  }
  [[nodiscard]] cluster::ErasureSet& erasure_set(std::uint32_t index) { return *sets_[index]; }
  [[nodiscard]] objects::ObjectStore& store() override { return *store_; }
  [[nodiscard]] bool leads(std::uint64_t& terms) const override;

 private:
  Task<void> open_all();
  Task<void> close_all();

  Uuid deployment_;
  cluster::SlotTable slots_;
  objects::BucketEpoch epoch_;
  std::vector<std::unique_ptr<cluster::ErasureSet>> sets_;
  std::unique_ptr<objects::ObjectStore> store_;
  std::vector<std::vector<storage::StorageApi*>> drives_;
};

}  // namespace flashstor::sim
