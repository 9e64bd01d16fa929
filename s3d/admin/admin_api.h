#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/runtime.h"
#include "engine/iam/identities.h"
#include "engine/storage/storage_api.h"
#include "s3d/ops/call.h"

namespace flashstor::s3d {

inline constexpr std::string_view kProductVersion = "0.1.0";

/// How healing goes, over all sets and nodes that answer.
struct HealFigures {
  std::uint64_t queued = 0;
  std::uint64_t healed = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
  bool running = false;
  std::uint64_t bytes_per_second = 0;
  std::uint64_t left_s = 0;      ///< 0 when idle or not known yet.
  std::uint64_t scanned = 0;     ///< Slices that the scanner looked at since the start …
  std::uint64_t scan_found = 0;  ///< … and those of them that lacked a shard.
  std::uint64_t scans = 0;       ///< Passes that came to their end …
  std::uint64_t deep_scans = 0;  ///< … and those of them that read contents.
  bool scanning = false;
  bool deep = false;
  std::uint64_t filling = 0;               ///< Drives that are being filled now …
  std::uint64_t fill_rows = 0;             ///< … and rows copied to them.
  std::uint64_t fill_waiting = 0;          ///< Drives that are to be filled, and wait.
  std::uint64_t fill_rows_per_second = 0;  ///< Of all that are being filled.
  std::uint64_t fill_percent = 0;          ///< Of the one that is least far, about.
  std::uint64_t fill_left_s = 0;           ///< Of the one that takes longest; 0 when not known yet.
};

/// A node as `admin info` shows it.
struct NodeReport {
  std::string address;
  std::string state = "online";
  std::vector<storage::DriveInfo> drives;
};

/// What became of a set that was recovered.
struct RecoverReport {
  std::uint64_t generation = 0;
  std::size_t standing = 0;  ///< Drives that go on.
  std::size_t lost = 0;
  bool whole = true;  ///< Nothing that was acknowledged can be missing from its rows.
};

/// What the admin API knows of its node beside identities, buckets and sets. The functions are called on any
/// loop and must not block.
struct AdminFacts {
  std::string version;
  std::string address;
  MonotonicTime started{};
  std::function<std::string()> mount_socket;  ///< Empty, or gives "": no mounts are served.
  std::function<Task<HealFigures>()> heal;    ///< Empty: heal answers NotImplemented.
  /// Has the scanner of every set begin a pass, wherever the set is led.
  std::function<Task<Result<void>>(bool deep)> scan;
  /// Declares the drives of a set that do not stand lost; empty: not here.
  std::function<Task<Result<RecoverReport>>(std::uint32_t set, bool accept_loss)> recover;
  std::function<std::vector<NodeReport>()> nodes;  ///< Empty: this node holds all drives.
};

/// What an administrator does over HTTP, under `/flashstor/admin/v1/`: see docs/admin-api.md. Requests are
/// signed as S3's; root and identities with a policy that allows the call's `admin:` action may do it. Errors
/// go out as JSON {"code", "message"}.
/// Order:   a change of identities is durable, and holds on every loop of this node, when it is answered.
/// Threads: `handle` on any loop; changes run on the loop of the IdentityStore. One a node.
class AdminApi {
 public:
  /// `identities` lives on `home`; both outlive every call.
  AdminApi(AdminFacts facts, Runtime& home, iam::IdentityStore& identities)
      : facts_(std::move(facts)), home_(home), identities_(identities) {}
  AdminApi(const AdminApi&) = delete;
  AdminApi& operator=(const AdminApi&) = delete;

  [[nodiscard]] static bool serves(std::string_view path) { return path.starts_with(kPrefix); }
  /// Answers in every case; an error means that the answer could not be sent.
  Task<Result<void>> handle(Call& call);
  /// Ends running traces soon. From any thread.
  void stop() { stopping_.store(true, std::memory_order_relaxed); }

  // For the handlers of this folder.
  [[nodiscard]] const AdminFacts& facts() const { return facts_; }
  [[nodiscard]] Runtime& home() { return home_; }
  [[nodiscard]] iam::IdentityStore& identities() { return identities_; }
  /// The rate since the last look that was at least a second ago.
  [[nodiscard]] bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  static constexpr std::string_view kPrefix = "/flashstor/admin/";

 private:
  AdminFacts facts_;
  Runtime& home_;
  iam::IdentityStore& identities_;
  std::atomic<bool> stopping_{false};
};

}  // namespace flashstor::s3d
