#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/async/gather.h"
#include "engine/base/log.h"
#include "engine/cluster/cluster.h"
#include "engine/cluster/limits.h"
#include "engine/cluster/topology.h"
#include "engine/codec/checksum.h"

// How a node of several starts: which deployment its drives are of, whether they may be formatted, its sets.
namespace flashstor::cluster {
namespace {

using storage::DriveCondition;

constexpr Milliseconds kLookAgain{100};
constexpr Milliseconds kProgressPeriod{2000};
constexpr Milliseconds kAskPeriod{2000};

// The name of the first drive in a slot follows from the deployment's, so that all nodes name it alike.
Uuid first_drive_id(const Uuid& deployment, std::uint32_t set, std::uint32_t slot) {
  const std::string text = fmt::format("{} {} {}", deployment.to_text(), set, slot);
  const codec::Hash128 hash = codec::xxh3_128(std::as_bytes(std::span(text)));
  return {.high = hash.high, .low = hash.low | 1};
}

}  // namespace

/// One start. Steps wait for other nodes only where nothing may be decided without them.
class SpreadStart {
 public:
  explicit SpreadStart(ClusterOptions options)
      : options_(std::move(options)), peers_(*options_.peers), spread_(peers_.spread()) {}

  Task<Result<std::unique_ptr<Cluster>>> run() {
    FLASHSTOR_CHECK(!options_.loops.empty() && options_.pool != nullptr && options_.io != nullptr);
    if (options_.standard_parity != ClusterOptions::kDefaultParity)
      co_await or_return(check_parity(options_.standard_parity, spread_.set_drives));
    co_await or_return(inspect());
    publish_reports();
    peers_.set_deployment(most_named(own_reports_));
    peers_.start();
    co_await or_return(agree_on_deployment());
    peers_.set_deployment(deployment_);
    co_await or_return(format_if_new());
    std::unique_ptr<Cluster> cluster(
        new Cluster(deployment_, spread_.set_count()));  // NOLINT(modernize-make-unique): private
    cluster->peers_ = &peers_;
    cluster->first_start_ = first_start_;
    co_await open_sets(*cluster);
    const auto led = co_await await_leaders(*cluster);
    if (led) {
      cluster->gate_.spawn(cluster->keep_asking());
      co_return cluster;
    }
    co_await cluster->close();
    co_return std::unexpected(led.error());
  }

 private:
  struct Own {
    const SpreadDrive* place = nullptr;
    storage::DriveInspection found;
    bool touched = false;
    bool filling = false;  ///< It is to be filled before it takes part.
  };

  Result<void> inspect_now() {
    for (const SpreadDrive& drive : spread_.drives) {
      if (drive.node != spread_.self) continue;
      Own own{.place = &drive,
              .found = storage::inspect_drive(*options_.io, drive.path),
              .touched = false,
              .filling = false};
      if (own.found.condition == DriveCondition::kFormatted) {
        const auto log = options_.io->list(drive.path + "/log");
        if (!log) return std::unexpected(log.error());
        own.touched = !log->empty();
        const auto filling = storage::is_filling(*options_.io, drive.path);
        if (!filling) return std::unexpected(filling.error());
        own.filling = *filling;
      }
      own_.push_back(std::move(own));
    }
    // What is no drive is left out, unless nothing else here is one: then the paths may be wrong.
    const auto formatted = [](const Own& own) { return own.found.format.has_value(); };
    for (const Own& own : own_)
      if (own.found.condition == DriveCondition::kForeign && std::ranges::none_of(own_, formatted))
        return fail(ErrorCode::kDriveForeign, own.found.words);
    return {};
  }
  Task<Result<void>> inspect() {
    co_return co_await async::offload(*options_.pool, [this] { return inspect_now(); });
  }

  // The deployment that more of `reports` name than any other; nil when none does.
  static Uuid most_named(const std::vector<DriveReport>& reports) {
    std::map<Uuid, std::size_t> votes;
    for (const DriveReport& report : reports)
      if (!report.deployment.is_nil()) ++votes[report.deployment];
    Uuid best;
    std::size_t most = 0;
    for (const auto& [deployment, count] : votes) {
      if (count >= most) best = count > most ? deployment : Uuid{};
      most = std::max(most, count);
    }
    return best;
  }

  // A drive of another deployment is left out, and nothing is written to it; its place is as if it were
  // missing.
  void leave_out_foreign() {
    for (Own& own : own_) {
      if (!own.found.format || own.found.format->deployment_id == deployment_) continue;
      own.found.condition = DriveCondition::kForeign;
      own.found.words =
          storage::check_place(own.place->path, *own.found.format, format_of(*own.place)).error().message();
      own.found.format.reset();
      own.touched = own.filling = false;
    }
    publish_reports();
  }

  void publish_reports() {
    std::vector<DriveReport> reports;
    for (const Own& own : own_)
      reports.push_back({.set = own.place->set,
                         .slot = own.place->slot,
                         .condition = own.found.condition,
                         .deployment = own.found.format ? own.found.format->deployment_id : Uuid{},
                         .drive_id = own.found.format ? own.found.format->drive_id : Uuid{},
                         .touched = own.touched});
    own_reports_ = reports;
    peers_.set_reports(std::move(reports));
  }

  // What all nodes say; by node, empty where none answers.
  Task<std::vector<std::vector<DriveReport>>> ask_all() {
    std::vector<std::vector<DriveReport>> all(spread_.nodes.size());
    for (std::uint32_t node = 0; node < all.size(); ++node) {
      if (node == spread_.self) {
        all[node] = own_reports_;
      } else if (peers_.is_up(node)) {
        if (auto found = co_await peers_.reports_of(node)) all[node] = std::move(*found);
      }
    }
    co_return all;
  }

  Task<Result<void>> pause(const std::string& what) {
    Runtime& runtime = *Runtime::current();
    if (options_.cancelled && options_.cancelled())
      co_return fail(ErrorCode::kCancelled, "stopped while starting");
    if (runtime.now() >= next_words_) {
      next_words_ = runtime.now() + kProgressPeriod;
      const std::string troubles = peers_.troubles();
      if (options_.progress) options_.progress(troubles.empty() ? what : what + " (" + troubles + ")");
    }
    co_await async::sleep_for(runtime, kLookAgain);
    co_return Result<void>();
  }

  static bool any(const std::vector<std::vector<DriveReport>>& all,
                  const std::function<bool(const DriveReport&)>& test) {
    return std::ranges::any_of(all, [&](const auto& node) { return std::ranges::any_of(node, test); });
  }
  static bool complete(const std::vector<std::vector<DriveReport>>& all) {
    return std::ranges::none_of(all, [](const auto& node) { return node.empty(); });
  }

  // The first node of the list names a new deployment, once every node stands and every drive is empty.
  Task<Result<void>> agree_on_deployment() {
    next_words_ = Runtime::current()->now() + kProgressPeriod;
    while (true) {
      deployment_ = most_named(own_reports_);
      const auto all = co_await ask_all();
      std::vector<DriveReport> told;
      for (const auto& node : all) told.insert(told.end(), node.begin(), node.end());
      if (deployment_.is_nil()) deployment_ = most_named(told);
      if (!deployment_.is_nil()) break;
      const bool fresh = complete(all) && !any(all, [](const DriveReport& report) {
                           return report.condition != DriveCondition::kEmpty;
                         });
      if (fresh && spread_.self == 0) {
        deployment_ = Uuid::make(Runtime::current()->random());
        break;
      }
      if (complete(all) && !fresh)
        co_return fail(ErrorCode::kIo,
                       "a new store needs every drive of every node to be an empty directory");
      co_await or_return(pause(complete(all) ? "waiting for the first node to name the deployment"
                                             : "waiting for the other nodes"));
    }
    leave_out_foreign();
    co_return Result<void>();
  }

  storage::DriveFormat format_of(const SpreadDrive& drive) const {
    storage::DriveFormat format{.deployment_id = deployment_,
                                .pool = 0,
                                .set = drive.set,
                                .slot = drive.slot,
                                .drive_id = first_drive_id(deployment_, drive.set, drive.slot),
                                .set_drives = {}};
    for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot)
      format.set_drives.push_back(first_drive_id(deployment_, drive.set, slot));
    return format;
  }

  Result<void> format_now() {
    for (Own& own : own_) {
      if (own.found.condition != DriveCondition::kEmpty) continue;
      const auto done = storage::format_drive(*options_.io, own.place->path, format_of(*own.place));
      if (!done)
        return std::unexpected(
            done.error().wrap(done.error().code(),
                              fmt::format("cannot format {}: {}", own.place->path, done.error().message())));
      own.found = storage::inspect_drive(*options_.io, own.place->path);
    }
    return {};
  }

  // Empty drives become drives only while no drive of any node has taken part: one that comes back empty has
  // lost votes and entries, and may not stand in for what it was.
  Task<Result<void>> format_if_new() {
    while (true) {
      const auto all = co_await ask_all();
      if (any(all, [](const DriveReport& report) { return report.touched; })) co_return Result<void>();
      if (complete(all)) {
        const bool whole = !any(
            all, [](const DriveReport& report) { return report.condition != DriveCondition::kFormatted; });
        if (whole) {
          first_start_ = true;
          co_return Result<void>();
        }
        if (std::ranges::any_of(
                own_, [](const Own& own) { return own.found.condition == DriveCondition::kEmpty; })) {
          co_await or_return(co_await async::offload(*options_.pool, [this] { return format_now(); }));
          publish_reports();
          continue;
        }
      }
      co_await or_return(pause("waiting until every node has formatted its drives"));
    }
  }

  static Task<Result<std::unique_ptr<storage::StorageApi>>> open_drive(const ClusterOptions* options,
                                                                       std::string path) {
    co_return co_await async::offload(*options->pool, [options, &path] { return options->open_drive(path); });
  }

  // What stands in the place of an own drive: the drive, or why there is none.
  Task<std::unique_ptr<storage::GuardedStorage>> open_own(const Own& own, storage::DriveInfo& info,
                                                          std::shared_ptr<storage::RetiredDrives> retired) {
    const std::string& path = own.place->path;
    Result<void> good;
    if (own.found.condition == DriveCondition::kFormatted) {
      good = storage::check_place(path, *own.found.format, format_of(*own.place));
      info.state = good ? storage::DriveInfo::State::kFilling : storage::DriveInfo::State::kForeign;
      info.error = good ? path + " is being filled" : std::string(good.error().message());
    } else {
      const bool empty = own.found.condition == DriveCondition::kEmpty;
      good = fail(ErrorCode::kDriveFailed);
      info.state = own.found.condition == DriveCondition::kForeign ? storage::DriveInfo::State::kForeign
                                                                   : storage::DriveInfo::State::kMissing;
      info.error = empty ? path + " is empty: it is to be filled as a new drive of its set" : own.found.words;
    }
    if (good && !own.filling) {
      auto opened = co_await open_drive(&options_, path);
      if (opened) {
        info.state = storage::DriveInfo::State::kOnline;
        info.error.clear();
        co_return std::make_unique<storage::GuardedStorage>(std::move(*opened), options_.guard, retired);
      }
      info.state = storage::DriveInfo::State::kFailed;
      info.error = opened.error().describe();
    }
    base::log_error("drive {} of set {} at {} is out: {}", info.slot + 1, info.set + 1, path, info.error);
    co_return std::make_unique<storage::GuardedStorage>(info, options_.guard, retired);
  }

  [[nodiscard]] std::vector<std::uint32_t> others_of(std::uint32_t set) const {
    std::vector<std::uint32_t> nodes;
    for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot) {
      const std::uint32_t node = spread_.drive(set, slot).node;
      if (node != spread_.self && std::ranges::find(nodes, node) == nodes.end()) nodes.push_back(node);
    }
    return nodes;
  }

  // Of another node's drive a door, of an own one its place, which its keeper looks after.
  Task<KeptDrive> add_drive(Cluster& cluster, SetParts& parts, const SpreadDrive& drive) {
    storage::DriveInfo& info = parts.described[drive.slot];
    info.path = drive.node == spread_.self
                    ? drive.path
                    : fmt::format("{}{}{}", spread_.scheme(), spread_.nodes[drive.node], drive.path);
    info.drive_id = first_drive_id(deployment_, drive.set, drive.slot);
    info.deployment_id = deployment_;
    info.set = drive.set;
    info.slot = drive.slot;
    parts.place.nodes.push_back(drive.node);
    parts.members.push_back(first_member_of(drive.slot));
    if (drive.node != spread_.self) {
      auto elsewhere = std::make_unique<storage::RestStorage>(peers_.caller(drive.node), info);
      cluster.elsewhere_.push_back(elsewhere.get());
      parts.drives[drive.slot] = std::move(elsewhere);
      co_return KeptDrive{};
    }
    const auto own = std::ranges::find_if(own_, [&](const Own& item) { return item.place == &drive; });
    KeptDrive kept{.slot = drive.slot, .place = nullptr, .path = drive.path, .expected = format_of(drive)};
    if (own->found.format && storage::check_place(drive.path, *own->found.format, kept.expected))
      kept.expected = *own->found.format;
    info.drive_id = kept.expected.drive_id;
    if (kept.expected.member != 0) parts.members.back() = kept.expected.member;
    auto place = co_await open_own(*own, info, cluster.retired_);
    kept.place = place.get();
    parts.drives[drive.slot] = std::move(place);
    co_return kept;
  }

  Task<void> open_sets(Cluster& cluster) {
    for (std::uint32_t index = 0; index < spread_.set_count(); ++index) {
      SetParts parts;
      parts.info = info_of_set(options_, index, spread_.set_drives);
      parts.home = options_.loops[index % options_.loops.size()];
      parts.pool = options_.pool;
      parts.registry = options_.registry;
      parts.defects = options_.defects;
      parts.drives.resize(spread_.set_drives);
      parts.described.resize(spread_.set_drives);
      parts.place = {.transport = &peers_, .set = index, .self = spread_.self, .nodes = {}};
      std::vector<KeptDrive> kept;
      for (std::uint32_t slot = 0; slot < spread_.set_drives; ++slot) {
        KeptDrive drive = co_await add_drive(cluster, parts, spread_.drive(index, slot));
        if (drive.place != nullptr) kept.push_back(std::move(drive));
      }
      Runtime& home = *parts.home;
      auto owner = std::make_unique<ErasureSet>(std::move(parts));
      ErasureSet& set = *owner;
      static_cast<void>(co_await set.open());
      for (const KeptDrive& drive : kept)
        peers_.drives().add(index, drive.slot, *drive.place,
                            [&set, slot = drive.slot] { return set.is_open(slot); });
      cluster.add_set(std::move(owner), &peers_);
      peers_.add_set(set);
      if (spread_.gateway) continue;
      cluster.keepers_.push_back(std::make_unique<DriveKeeper>(
          set, home,
          DriveOpener{.io = options_.io,
                      .open_drive = options_.open_drive,
                      .open_rows = options_.open_rows,
                      .make_pool = options_.make_pool},
          std::move(kept), KeeperPlace{.peers = &peers_, .self = spread_.self, .others = others_of(index)}));
      peers_.add_keeper(index, *cluster.keepers_.back());
      co_await start_keeper(*cluster.keepers_.back(), home);
    }
    for (Own& own : own_) own.touched = own.touched || own.found.condition == DriveCondition::kFormatted;
    publish_reports();
  }

  static Task<void> start_keeper(DriveKeeper& keeper, Runtime& home) {
    const auto on_home = [](DriveKeeper* started) -> Task<void> {
      started->start();
      co_return;
    };
    co_await async::run_on(home, on_home(&keeper));
  }

  Task<Result<void>> await_leaders(Cluster& cluster) {
    for (std::uint32_t index = 0; index < spread_.set_count(); ++index)
      while (cluster.erasure_set(index).leader_node() < 0)
        co_await or_return(pause(fmt::format("waiting for a leader of set {}", index + 1)));
    co_return Result<void>();
  }

  ClusterOptions options_;
  Peers& peers_;
  const Spread& spread_;
  std::vector<Own> own_;
  std::vector<DriveReport> own_reports_;
  Uuid deployment_;
  bool first_start_ = false;
  MonotonicTime next_words_{};
};

Task<void> Cluster::keep_asking() {
  Runtime& runtime = *Runtime::current();
  while (!stopping_) {
    for (storage::RestStorage* drive : elsewhere_)
      if (!stopping_) co_await drive->refresh();
    if (!stopping_) co_await stop_.wait_until(runtime.now() + kAskPeriod);
  }
}

Task<Result<std::unique_ptr<Cluster>>> Cluster::open_spread(ClusterOptions options) {
  SpreadStart start(std::move(options));
  co_return co_await start.run();
}

}  // namespace flashstor::cluster
