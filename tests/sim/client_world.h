#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/files/volume.h"
#include "engine/objects/object_store.h"
#include "tests/sim/key_history.h"
#include "tests/sim/sim_runtime.h"

namespace flashstor::sim {

/// A process as its clients see it.
class ClientNode {
 public:
  explicit ClientNode(std::uint64_t number) : life(number) {}
  ClientNode(const ClientNode&) = delete;
  ClientNode& operator=(const ClientNode&) = delete;
  virtual ~ClientNode() = default;
  [[nodiscard]] virtual objects::ObjectStore& store() = 0;
  /// Starts `task` on the node's loop; it is waited for before the node ends.
  virtual void spawn(Task<void> task) = 0;
  /// Every set has its leader here; their terms, added up.
  [[nodiscard]] virtual bool leads(std::uint64_t& terms) const = 0;

  const std::uint64_t life;
  bool killed = false;
};

/// What clients of a schedule do.
struct ClientPlan {
  bool large = true;  ///< Some objects are staged.
  bool versions = true;
  bool copies = false;
  bool uploads = false;
  bool reduced = false;  ///< Some objects have less redundancy.
  bool moves = false;    ///< A file is renamed over sets.
  bool turns = false;    ///< Versioning of a bucket is turned on while it is written to.
  std::uint32_t keys = 3;
};

/// A schedule's clock, its clients and what they write down. What the nodes are made of is the derived
/// world's business.
class ClientWorld {
 public:
  ClientWorld(std::uint64_t seed, bool trace, std::uint64_t most_events)
      : world_(seed), seed_(seed), trace_(trace), most_events_(most_events) {}
  ClientWorld(const ClientWorld&) = delete;
  ClientWorld& operator=(const ClientWorld&) = delete;

 protected:
  ~ClientWorld() = default;
  struct Key {
    std::string bucket;
    std::string name;
    bool versioned = false;
    KeyHistory history;
    bool refused_for_drives = false;                    ///< The last read of it failed for want of drives.
    std::vector<std::pair<int, std::string>> versions;  ///< Operations that made one, and its id.
  };
  /// A client's request that is under way.
  struct Call {
    ClientNode* node = nullptr;
    std::uint64_t life = 0;
    bool closed = false;  ///< The process died: what it answers now nobody hears.
    std::uint64_t terms = 0;
    bool led = false;
    std::vector<std::pair<Key*, int>> open;
  };
  using CallRef = std::shared_ptr<Call>;

  /// No redundancy and damage: an error is all that can be asked for.
  [[nodiscard]] virtual bool may_be_unreadable() const = 0;
  /// Nothing that was broken or taken away can explain a read that is refused for want of drives.
  [[nodiscard]] virtual bool all_drives_stand() const = 0;
  /// What this call was told shows that whatever was lost in earlier lives has happened or never will.
  [[nodiscard]] virtual bool decides(const Call& call, bool reads) const = 0;

  void make_keys(const ClientPlan& plan);
  void violate(std::string what);
  /// Lets the world go on until `done` says so; false when something failed, or after `limit`.
  bool wait(const std::function<bool()>& done, Nanoseconds limit);
  template <class... Args>
  void note(const char* format, const Args&... args) {
    if (!trace_) return;
    fmt::print("{:>14.6f} ", static_cast<double>(world_.now_ns()) / 1e9);
    fmt::print(fmt::runtime(format), args...);
    fmt::print("\n");
  }

  // client_world.cc: what clients do.
  Task<void> set_up(ClientNode* node);
  void start_call(ClientNode& node);
  CallRef open_call(ClientNode& node);
  /// Nobody hears any more what the calls under way at `node` will answer.
  void close_calls(const ClientNode& node);
  int begin(const CallRef& call, Key& key, KeyHistory::Operation operation);
  void end(const CallRef& call, Key& key, int number, KeyHistory::Outcome outcome,
           int content = KeyHistory::kNothing);
  void end_failed(const CallRef& call, Key& key, int number, const Error& error);
  Task<void> put(ClientNode* node, CallRef call, Key* key);
  Task<void> get(ClientNode* node, CallRef call, Key* key);
  Task<void> get_version(ClientNode* node, CallRef call, Key* key);
  Task<void> remove(ClientNode* node, CallRef call, Key* key, bool version);
  Task<void> list(ClientNode* node, CallRef call, bool versioned);
  Task<void> copy(ClientNode* node, CallRef call, Key* source, Key* key);
  Task<void> upload(ClientNode* node, CallRef call, Key* key);
  Task<void> turn(ClientNode* node, CallRef call);
  // client_moves.cc: one file that is renamed on and on.
  Task<bool> set_up_moves(ClientNode* node);
  Task<void> move(ClientNode* node, CallRef call);
  Task<void> move_on(ClientNode* node, CallRef call, files::Volume& volume);
  Task<void> look_for_moved(ClientNode* node, CallRef call);
  Task<std::optional<bool>> is_at(ClientNode* node, std::string name);
  /// What crashes left of renames was finished: it has exactly one name.
  Task<void> check_moved(ClientNode* node);
  Task<Result<std::string>> read_all(ClientNode* node, objects::GetRequest request);
  // slow_read.cc
  /// Reads at `reader` what is removed at `remover` after the first bytes, slower than its grace lasts. False
  /// when that fails.
  bool read_slowly(ClientNode& reader, ClientNode& remover);
  static std::string md5_of(std::string_view bytes);
  int new_content(std::size_t size);
  int content_of(const std::string& bytes, const char* what);
  [[nodiscard]] int content_of_etag(const std::string& etag);
  [[nodiscard]] std::size_t draw_size();
  void check_histories();

  std::uint64_t below(std::uint64_t bound) { return world_.random().below(bound); }
  bool chance(std::uint64_t per_mille) { return below(1000) < per_mille; }

  SimWorld world_;
  std::uint64_t seed_;
  bool trace_;
  std::uint64_t most_events_;
  std::uint64_t events_ = 0;
  /// A key with so many operations of unknown outcome is only read from then on.
  std::uint64_t most_unknown_ = UINT64_MAX;
  bool ready_buckets_ = false;
  bool setting_up_ = false;
  std::uint64_t calls_ = 0;
  std::uint64_t undetermined_ = 0;
  std::vector<std::unique_ptr<Key>> keys_;
  std::vector<CallRef> open_calls_;
  std::vector<std::string> contents_;
  std::string failure_;

 private:
  struct SlowRead {
    std::unique_ptr<objects::ObjectReader> reader;
    std::string expected;
    std::string got;
    bool running = false;
    std::string error;
  };
  using SlowReadRef = std::shared_ptr<SlowRead>;
  static Task<void> begin_slow_read(ClientNode* node, SlowReadRef read);
  static Task<void> remove_slow(ClientNode* node, SlowReadRef read);
  static Task<void> end_slow_read(SlowReadRef read);
  static constexpr const char* kTurned = "turned";  ///< A bucket.
  enum class Turned : std::uint8_t { kNo, kAsked, kAnswered };
  /// A file under changing names, one rename after the other.
  struct Moved {
    std::string at;  ///< Its name, or the old one of a rename whose end is not known.
    std::string to;  ///< The new name of that rename; empty while there is none.
    bool busy = false;
    std::uint64_t era = 0;  ///< Another one whenever something of the above changes.
    int content = 0;
  };
  static constexpr const char* kMoved = "moved";  ///< A bucket.
  static std::string moved_name(std::uint64_t number) { return fmt::format("w{}", number); }
  static constexpr std::uint64_t kMovedNames = 6;
  Moved moved_;
  ClientPlan client_plan_;
  Turned turned_ = Turned::kNo;
  std::map<std::string, int> content_ids_;
  std::map<std::string, int> etag_ids_;
};

}  // namespace flashstor::sim
