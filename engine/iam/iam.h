#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/error.h"
#include "engine/iam/policy.h"

namespace flashstor::iam {

/// Somebody who can sign requests, with all that deciding about him needs. Immutable; safe on all threads.
struct Identity {
  Principal::Kind kind = Principal::Kind::kAnonymous;
  std::string access_key;
  std::string secret_key;
  std::string canonical_id;
  bool enabled = true;
  std::vector<PolicyRef> policies;
  [[nodiscard]] Principal principal() const { return {kind, access_key, canonical_id}; }
};
using IdentityRef = std::shared_ptr<const Identity>;

/// The 64-digit canonical id that S3 answers show for an access key.
[[nodiscard]] std::string canonical_id_of(std::string_view access_key);

/// All identities at one epoch. Immutable.
struct Snapshot {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::uint64_t epoch = 0;
  IdentityRef root;
  IdentityRef anonymous;
  std::unordered_map<std::string, IdentityRef, Hash, std::equal_to<>>
      users;  ///< By access key, root not among them.
};

/// The identities that all loops share: one writer publishes whole snapshots, loops look at the epoch.
/// Threads: all methods from any thread.
class Iam {
 public:
  /// A store with root alone. Root credentials come from the configuration and are never stored.
  Iam(std::string root_access_key, std::string root_secret_key);
  Iam(const Iam&) = delete;
  Iam& operator=(const Iam&) = delete;

  /// Moves with every change. One atomic load.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const;
  /// Makes `users` the ones that exist; the epoch moves by one.
  void publish(std::vector<IdentityRef> users);
  /// Moves the epoch alone, so that every loop drops its decisions (a bucket's policy changed elsewhere).
  void touch();

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;  ///< Under mutex_; loops read it once an epoch.
  std::atomic<std::uint64_t> epoch_{1};
};

/// One loop's view of the identities: a lookup costs an atomic load and a hash, no lock while the epoch
/// stands. Threads: one.
class IamView {
 public:
  explicit IamView(const Iam& iam) : iam_(iam), snapshot_(iam.snapshot()) {}
  /// The current snapshot.
  [[nodiscard]] const Snapshot& current() {
    if (iam_.epoch() != snapshot_->epoch) [[unlikely]]
      snapshot_ = iam_.snapshot();
    return *snapshot_;
  }
  /// Who signs with `access_key`. Errors: kInvalidAccessKey when nobody, or when he is disabled.
  [[nodiscard]] Result<IdentityRef> find(std::string_view access_key);
  [[nodiscard]] IdentityRef anonymous() { return current().anonymous; }
  [[nodiscard]] IdentityRef root() { return current().root; }

 private:
  const Iam& iam_;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace flashstor::iam
