#include "tests/sim/set_node.h"

#include <utility>

namespace flashstor::sim {

void SetNode::add_set(cluster::SetInfo info, const cluster::CommandRegistry& registry,
                      std::vector<OpenedDrive> drives, const cluster::SetDefects& defects) {
  cluster::SetParts parts;
  parts.info = info;
  parts.home = &runtime_;
  parts.pool = &pool_;
  parts.registry = &registry;
  parts.described.resize(drives.size());
  parts.defects = defects;
  auto& pointers = drives_.emplace_back();
  for (OpenedDrive& drive : drives) {
    pointers.push_back(drive.storage.get());
    parts.drives.push_back(adopt(std::move(drive)));
  }
  sets_.push_back(std::make_unique<cluster::ErasureSet>(std::move(parts)));
}

void SetNode::start(const objects::StoreOptions& options) {
  store_ = std::make_unique<objects::ObjectStore>(*this, epoch_, runtime_.random(), options);
  opening_ = true;
  runtime_.enter([this] { async::start_detached(open_all()); });
}

Task<void> SetNode::open_all() {
  bool good = true;
  for (const auto& set : sets_) good = (co_await set->open()).has_value() && good;
  opening_ = false;
  (good ? ready : failed) = true;
}

void SetNode::kill() {
  killed = true;
  ready = false;
  cut_off_drives();
}

void SetNode::finish() {
  ready = false;
  finishing = true;
  runtime_.enter([this] { async::start_detached(close_all()); });
}

Task<void> SetNode::close_all() {
  while (opening_) co_await async::sleep_for(runtime_, Milliseconds(10));
  for (const auto& set : sets_) co_await set->close();
  while (running_ > 0 || drives_busy()) co_await async::sleep_for(runtime_, Milliseconds(10));
  co_await store_->close();
  gone = true;
}

void SetNode::drop_parts() {
  store_.reset();
  sets_.clear();
}

bool SetNode::leads(std::uint64_t& terms) const {
  terms = 0;
  for (const auto& set : sets_) {
    const cluster::SetStatus status = set->status();
    if (status.leader_slot >= status.info.drives) return false;
    terms += status.term;
  }
  return true;
}

}  // namespace flashstor::sim
