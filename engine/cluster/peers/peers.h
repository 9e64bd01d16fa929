#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/repeats.h"
#include "engine/cluster/drive_keeper.h"
#include "engine/cluster/group.h"
#include "engine/cluster/peers/messages.h"
#include "engine/cluster/set.h"
#include "engine/cluster/spread.h"
#include "engine/storage/storage_server.h"
#include "engine/storage/wire/link.h"

namespace flashstor::cluster {

/// What Peers needs from the process.
struct PeersOptions {
  Spread spread;
  std::string secret;
  std::string version;
  std::uint8_t parity = 0;
  std::string root;         ///< Hello::root
  Runtime* home = nullptr;  ///< The loop of all links.
  /// Connects to "host:port", on `home`.
  std::function<Task<Result<std::unique_ptr<async::Connection>>>(std::string node, MonotonicTime deadline)>
      connect;
};

/// Times of calls between nodes.
inline constexpr Milliseconds kForwardDeadline{35'000};  ///< Longer than a command takes to be unknown.
inline constexpr Milliseconds kNoticeDeadline{1000};
/// How often a gateway asks how the members of each set do.
inline constexpr Milliseconds kReportPeriod{100};

/// This node's channels to all others and its answers to theirs. To each node there are two: one for the
/// consensus, so that no heartbeat waits behind a shard, and one for everything else.
/// Threads: start and stop on `home`; the rest on any loop. Outlives the sets.
class Peers final : public GroupTransport, public KeeperPeersApi {
 public:
  explicit Peers(PeersOptions options);
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;
  ~Peers() override;

  void start();
  Task<void> stop();
  /// Serves one incoming connection whose HTTP request asked for a channel, until it ends.
  Task<void> serve(async::Connection& connection, std::string token);

  [[nodiscard]] const Spread& spread() const { return options_.spread; }
  [[nodiscard]] bool is_up(std::uint32_t node) const;
  /// Nodes that do not answer, with the reasons; on `home`.
  [[nodiscard]] std::string troubles() const;
  [[nodiscard]] Uuid deployment() const;
  void set_deployment(const Uuid& id);
  void set_reports(std::vector<DriveReport> reports);
  /// What the drives of `node` are. Errors: of a call; kBusy while that node has not looked yet.
  Task<Result<std::vector<DriveReport>>> reports_of(std::uint32_t node);
  [[nodiscard]] storage::PeerCaller& caller(std::uint32_t node);
  [[nodiscard]] storage::StorageServer& drives() { return drives_; }
  /// From now on `set` hears what is for it. Sets are added in order, and removed before they are destroyed.
  void add_set(ErasureSet& set);
  /// The keeper of this node's drives of a set. Before it is stopped `remove_sets`.
  void add_keeper(std::uint32_t set, DriveKeeper& keeper);
  void remove_sets();

  void send(std::uint32_t node, Bundle bundle) override;
  void send_bad(std::uint32_t node, std::uint32_t set, std::vector<HealItem> bad) override;
  Task<std::vector<PinAnswer>> ask_pinned(std::uint32_t set, std::vector<DataId> ids) override;
  Task<Result<SetView>> view(std::uint32_t node, std::uint32_t set) override;
  Task<Result<FillStart>> open_fill(std::uint32_t node, std::uint32_t set) override;
  Task<Result<storage::RowPage>> fill_rows(std::uint32_t node, std::uint32_t set, Uuid session, Family family,
                                           std::string from) override;
  Task<Result<std::vector<Standing>>> standing(std::uint32_t node, std::uint32_t set) override;
  Task<Result<void>> raise(std::uint32_t node, std::uint32_t set, RecoverPlan plan) override;
  Task<Result<FillStatus>> fills(std::uint32_t node, std::uint32_t set) override;
  Task<void> close_fill(std::uint32_t node, std::uint32_t set, Uuid session) override;
  /// Errors: the leader's; kNotLeader when it is not that node; kUnknownOutcome when the answer did not come.
  Task<Result<CommandResult>> execute(std::uint32_t node, std::uint32_t set, const Command& command,
                                      std::uint32_t staged);
  /// Errors: the leader's; kNotLeader, kIo, kTimeout.
  Task<Result<std::string>> query(std::uint32_t node, std::uint32_t set, CommandKind kind,
                                  std::string payload);
  /// A query while nobody leads: asks all nodes for their members of the set, and the one with the highest
  /// log for the answer. Errors: kReadQuorum when too few answer; kNotLeader when there is a leader again.
  Task<Result<std::string>> query_leaderless(std::uint32_t set, CommandKind kind, std::string payload);
  /// Tells every node that answers that identities or buckets changed, and waits until each has taken note,
  /// at most kNoticeDeadline.
  Task<void> tell_change();
  /// `taken` runs when another node tells of a change, on the loop of its channel.
  void on_change(std::function<Task<void>()> taken);

 private:
  class Caller;
  struct Node {
    std::string name;
    std::unique_ptr<storage::wire::Link> consensus;  ///< Both null for this node itself.
    std::unique_ptr<storage::wire::Link> data;
    std::unique_ptr<storage::PeerCaller> caller;
  };
  [[nodiscard]] Hello hello() const;
  Task<Result<void>> greet(storage::wire::Channel& channel);
  Task<Result<storage::wire::Payload>> answer(bool& greeted, std::uint16_t method,
                                              storage::wire::Payload request);
  Task<Result<storage::wire::Payload>> answer_set(storage::wire::Method method,
                                                  storage::wire::Payload request,
                                                  std::optional<std::uint32_t> from);
  Task<Result<storage::wire::Payload>> answer_keeper(storage::wire::Method method,
                                                     storage::wire::Payload request);
  Result<storage::wire::Payload> take_bad_shards(const storage::wire::Payload& request);
  // peers_pins.cc
  /// A channel that a gateway has opened; null once it has ended. On its loop only.
  struct Guest {
    Runtime* runtime = nullptr;
    storage::wire::Channel* channel = nullptr;
  };
  using GuestRef = std::shared_ptr<Guest>;
  struct GuestNode {
    std::vector<GuestRef> channels;  ///< The newest last.
    MonotonicTime seen{};            ///< When the last one that ended did.
  };
  static Task<Result<storage::wire::Payload>> call_guest(GuestRef guest, std::string question);
  Result<storage::wire::Payload> answer_pinned(const storage::wire::Payload& request);
  Task<Result<storage::wire::Payload>> answer_as_guest(std::uint16_t method, storage::wire::Payload request);
  GuestRef welcome_guest(const std::string& name, storage::wire::Channel& channel);
  void part_from_guest(const std::string& name, const GuestRef& guest);
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<GuestRef>>> guests_now();
  void take_bundle(std::uint32_t from, const storage::wire::Payload& request);
  [[nodiscard]] std::optional<std::uint32_t> number_of_node(std::string_view name) const;
  [[nodiscard]] ErasureSet* find_set(std::uint32_t index);
  [[nodiscard]] std::optional<Task<Result<std::string>>> ask_keeper(std::uint32_t set,
                                                                    storage::wire::Method method,
                                                                    Uuid session, Family family,
                                                                    std::string text);
  void told(std::uint32_t node, bool up);
  Task<void> keep_asking(std::uint32_t node);
  Task<bool> ask_reports(std::uint32_t node, ErasureSet& set, std::uint32_t index);

  PeersOptions options_;
  Uuid process_;
  bool stopping_ = false;  // on home
  async::Signal stop_;
  async::Gate gate_;
  std::vector<std::unique_ptr<Node>> nodes_;
  storage::wire::TokenVerifier verifier_;
  base::Repeats refused_{std::chrono::minutes(1)};
  storage::StorageServer drives_;
  mutable std::mutex mutex_;  // over the rest
  Uuid deployment_;
  std::optional<std::vector<DriveReport>> reports_;
  std::vector<ErasureSet*> sets_;
  std::map<std::uint32_t, DriveKeeper*> keepers_;
  std::function<Task<void>()> change_taken_;
  std::map<std::string, GuestNode> guests_;  ///< Gateways, by name.
};

}  // namespace flashstor::cluster
