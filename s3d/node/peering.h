#pragma once

#include <memory>
#include <optional>
#include <string>

#include "s3d/node/change_watch.h"
#include "s3d/node/early_door.h"

namespace flashstor::s3d {

/// What a node of several has beside a single one: its place in the list, channels to the others, a door that
/// opens early, and the watch over changes. Threads: `home`, but for take.
class Peering final : public ConnectionTaker {
 public:
  /// Errors: kInvalidArgument, in words (spread.h).
  static Result<std::unique_ptr<Peering>> make(const NodeOptions& options, async::UvRuntime& home,
                                               const std::shared_ptr<async::TlsContext>& tls);

  [[nodiscard]] cluster::Peers& peers() { return *peers_; }
  [[nodiscard]] EarlyDoor& door() { return door_; }
  /// The directories of this node's own drives.
  [[nodiscard]] std::vector<std::string> own_drives() const;
  [[nodiscard]] std::size_t drive_count() const { return peers_->spread().drives.size(); }
  /// Makes the watch; `watch` gives it from then on.
  void make_watch(objects::SystemStore& store, objects::BucketEpoch& buckets, iam::Iam& iam,
                  iam::IdentityStore& identities);
  [[nodiscard]] ChangeWatch& watch() { return *watch_; }
  /// Ends watch and links, in this order. After the servers have stopped and before the engine closes.
  Task<void> stop_watch();

  /// Who is asked for what is not between nodes; outlives the connections.
  void set_next(ConnectionTaker* next) { next_ = next; }
  [[nodiscard]] ConnectionTaker* taker_of(const Request& request) override;
  Task<void> take(async::Connection& connection, std::string authorization) override;

 private:
  explicit Peering(async::UvRuntime& home) : home_(home), door_(home, *this) {}
  async::UvRuntime& home_;
  ConnectionTaker* next_ = nullptr;
  EarlyDoor door_;
  std::unique_ptr<cluster::Peers> peers_;
  std::optional<ChangeWatch> watch_;
};

}  // namespace flashstor::s3d
