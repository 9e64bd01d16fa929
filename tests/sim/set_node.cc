#include "tests/sim/set_node.h"

#include <algorithm>
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
    if (drive.storage) {
      kills_.push_back(std::move(drive.kill));
      idles_.push_back(std::move(drive.idle));
    }
    parts.drives.push_back(std::move(drive.storage));
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
  for (const auto& kill : kills_) kill();
}

void SetNode::finish() {
  ready = false;
  finishing = true;
  runtime_.enter([this] { async::start_detached(close_all()); });
}

Task<void> SetNode::close_all() {
  while (opening_) co_await async::sleep_for(runtime_, Milliseconds(10));
  for (const auto& set : sets_) co_await set->close();
  const auto busy = [this] {
    return running_ > 0 || !pool_.idle() ||
           std::ranges::any_of(idles_, [](const auto& idle) { return !idle(); });
  };
  while (busy()) co_await async::sleep_for(runtime_, Milliseconds(10));
  co_await store_->close();
  gone = true;
}

void SetNode::drop_parts() {
  store_.reset();
  sets_.clear();
}

Task<void> SetNode::counted(Task<void> task) {
  co_await std::move(task);
  --running_;
}

void SetNode::spawn(Task<void> task) {
  ++running_;
  runtime_.enter([this, &task] { async::start_detached(counted(std::move(task))); });
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
