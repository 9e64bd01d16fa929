#include "engine/cluster/cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/async/gather.h"
#include "engine/base/log.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/peers/routed_set.h"
#include "engine/cluster/placement.h"
#include "engine/cluster/topology.h"

namespace flashstor::cluster {

struct OpenedDrive {
  std::unique_ptr<storage::StorageApi> drive;
  storage::DriveInfo info;
  const PlacedDrive* placed = nullptr;
};

namespace {

Task<OpenedDrive> open_one(const ClusterOptions* options, const PlacedDrive* placed) {
  OpenedDrive out;
  out.placed = placed;
  out.info.path = placed->path;
  out.info.drive_id = placed->format.drive_id;
  out.info.deployment_id = placed->format.deployment_id;
  out.info.set = placed->set;
  out.info.slot = placed->slot;
  out.info.state = placed->state;
  out.info.error = placed->words;
  if (!placed->usable) co_return out;
  auto drive = co_await async::offload(*options->pool,
                                       [options, placed] { return options->open_drive(placed->path); });
  if (drive) {
    out.drive = std::move(*drive);
  } else {
    out.info.state = storage::DriveInfo::State::kFailed;
    out.info.error = drive.error().describe();
  }
  co_return out;
}

Task<Result<void>> open_set(ErasureSet* set, DriveKeeper* keeper, Runtime* home) {
  auto opened = co_await set->open();
  if (!opened) co_return opened;
  co_await async::switch_to(*home);
  keeper->start();
  co_return opened;
}
Task<bool> close_set(ErasureSet* set) {
  co_await set->close();
  co_return true;
}

// Why a set cannot start, with every drive that is to blame.
std::string complaint(const std::vector<OpenedDrive>& drives, std::uint32_t set) {
  std::string words = fmt::format("set {} cannot start:", set + 1);
  for (const OpenedDrive& drive : drives)
    if (drive.drive == nullptr) words += fmt::format(" {} ({});", drive.info.path, drive.info.error);
  words.pop_back();
  return words;
}

}  // namespace

SetInfo info_of_set(const ClusterOptions& options, std::uint32_t index, std::uint32_t drives) {
  SetInfo info{.index = index, .drives = drives};
  info.default_parity = default_parity(drives);
  if (options.standard_parity != ClusterOptions::kDefaultParity)
    info.default_parity = options.standard_parity;
  info.reduced_parity = static_cast<std::uint8_t>(std::min<std::uint32_t>(info.default_parity, 1));
  return info;
}

void Cluster::add_set(std::unique_ptr<ErasureSet> set, Peers* peers) {
  if (peers != nullptr) {
    routed_.push_back(std::make_unique<RoutedSet>(*set, *peers));
    doors_.push_back(routed_.back().get());
  } else {
    doors_.push_back(set.get());
  }
  sets_.push_back(std::move(set));
}

Task<Result<std::unique_ptr<Cluster>>> Cluster::open(ClusterOptions options) {
  if (options.peers != nullptr) co_return co_await open_spread(std::move(options));
  FLASHSTOR_CHECK(!options.loops.empty() && options.pool != nullptr && options.io != nullptr);
  if (options.standard_parity != ClusterOptions::kDefaultParity) {
    const std::uint32_t size = co_await or_return(set_size(options.drives.size()));
    co_await or_return(check_parity(options.standard_parity, size));
  }
  Random& random = Runtime::current()->random();
  auto layout = co_await async::offload(
      *options.pool, [&options, &random] { return lay_out_drives(*options.io, options.drives, random); });
  if (!layout) co_return std::unexpected(std::move(layout).error());
  const auto sets = static_cast<std::uint32_t>(layout->drives.size() / layout->set_drives);
  std::unique_ptr<Cluster> cluster(
      new Cluster(layout->deployment_id, sets));  // NOLINT(modernize-make-unique): the constructor is private
  cluster->first_start_ = layout->first_start;

  std::vector<Task<OpenedDrive>> opening;
  for (const PlacedDrive& drive : layout->drives) opening.push_back(open_one(&options, &drive));
  auto opened = co_await async::gather(std::move(opening));
  Result<void> trouble;
  for (std::uint32_t index = 0; index < sets; ++index) {
    const auto first = opened.begin() + index * layout->set_drives;
    std::vector<OpenedDrive> drives(std::make_move_iterator(first),
                                    std::make_move_iterator(first + layout->set_drives));
    std::uint32_t standing = 0;
    for (const OpenedDrive& drive : drives) standing += drive.drive != nullptr ? 1 : 0;
    const std::uint32_t majority = layout->set_drives / 2 + 1;
    if (standing < layout->set_drives - majority + 1 && trouble)
      trouble = fail(ErrorCode::kReadQuorum, complaint(drives, index));
    cluster->add_local_set(options, index, std::move(drives));
  }
  std::vector<Task<Result<void>>> starting;
  for (std::uint32_t index = 0; trouble && index < sets; ++index)
    starting.push_back(open_set(cluster->sets_[index].get(), cluster->keepers_[index].get(),
                                options.loops[index % options.loops.size()]));
  for (auto& started : co_await async::gather(std::move(starting)))
    if (!started && trouble) trouble = std::move(started);
  if (trouble) co_return cluster;
  co_await cluster->close();
  co_return std::unexpected(std::move(trouble).error());
}

Task<void> Cluster::hand_over() {
  for (const auto& set : sets_) co_await set->hand_over();
}

void Cluster::end_waits() {
  for (const auto& set : sets_) set->end_waits();
}

void Cluster::add_local_set(const ClusterOptions& options, std::uint32_t index,
                            std::vector<OpenedDrive> drives) {
  SetParts parts;
  parts.info = info_of_set(options, index, static_cast<std::uint32_t>(drives.size()));
  parts.home = options.loops[index % options.loops.size()];
  parts.pool = options.pool;
  parts.registry = options.registry;
  std::vector<KeptDrive> kept;
  for (OpenedDrive& drive : drives) {
    auto place =
        drive.drive != nullptr
            ? std::make_unique<storage::GuardedStorage>(std::move(drive.drive), options.guard, retired_)
            : std::make_unique<storage::GuardedStorage>(drive.info, options.guard, retired_);
    kept.push_back({.slot = drive.placed->slot,
                    .place = place.get(),
                    .path = drive.placed->path,
                    .expected = drive.placed->format});
    const std::uint32_t member = drive.placed->format.member;
    parts.members.push_back(member != 0 ? member : first_member_of(drive.placed->slot));
    parts.drives.push_back(std::move(place));
    parts.described.push_back(std::move(drive.info));
    if (!parts.described.back().error.empty())
      base::log_error("drive {} of set {} at {} is out: {}", drive.placed->slot + 1, index + 1,
                      drive.placed->path, parts.described.back().error);
  }
  add_set(std::make_unique<ErasureSet>(std::move(parts)), nullptr);
  keepers_.push_back(std::make_unique<DriveKeeper>(*sets_.back(),
                                                   *options.loops[index % options.loops.size()],
                                                   DriveOpener{.io = options.io,
                                                               .open_drive = options.open_drive,
                                                               .open_rows = options.open_rows,
                                                               .make_pool = options.make_pool},
                                                   std::move(kept)));
}

Task<std::size_t> Cluster::close() {
  if (peers_ != nullptr) {
    stopping_ = true;
    stop_.notify_all();
    co_await gate_.close();
    peers_->remove_sets();
    while (peers_->drives().busy() > 0) co_await async::sleep_for(*Runtime::current(), Milliseconds(1));
  }
  std::size_t hanging = 0;
  for (const auto& keeper : keepers_) hanging += co_await keeper->stop();
  std::vector<Task<bool>> closing;
  for (const auto& set : sets_) closing.push_back(close_set(set.get()));
  co_await async::gather(std::move(closing));
  if (hanging > 0) co_return hanging + retired_->count();
  keepers_.clear();
  doors_.clear();
  routed_.clear();
  sets_.clear();
  Runtime& runtime = *Runtime::current();
  const MonotonicTime deadline = runtime.now() + limits::kKeeperStop;
  while (retired_->count() > 0 && runtime.now() < deadline)
    co_await async::sleep_for(runtime, Milliseconds(1));
  co_return retired_->count();
}

std::vector<SetStatus> Cluster::status() const {
  std::vector<SetStatus> out;
  for (const auto& set : sets_) out.push_back(set->status());
  return out;
}

}  // namespace flashstor::cluster
