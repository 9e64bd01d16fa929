#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/stream.h"
#include "engine/async/sync.h"
#include "tests/sim/sim_runtime.h"

namespace flashstor::sim {

/// Connections between the nodes of a simulation, in virtual time. A connection is what TCP makes of a bad
/// network: bytes come in order or not at all, late, and the end of one side may never be told to the other.
/// Beyond TCP, whole frames that want no answer (the messages of the consensus) are lost, doubled and
/// overtaken, which the engine must bear, and bits are flipped, which the frames' checksums must find.
class SimNetwork {
 public:
  struct Weather {
    std::int64_t usual_ns = 300'000;
    std::int64_t late_ns = 400'000'000;
    std::uint32_t late_per_mille = 0;       ///< Takes up to late_ns, and all behind it waits.
    std::uint32_t lost_per_mille = 0;       ///< Notices that never come; connections that are not made.
    std::uint32_t doubled_per_mille = 0;    ///< Notices that come twice.
    std::uint32_t overtaken_per_mille = 0;  ///< Notices that come after what was sent later.
    std::uint32_t flipped_per_mille = 0;    ///< One bit.
    std::uint32_t reset_per_mille = 0;      ///< The connection breaks.
  };
  struct Counts {
    std::uint64_t packets = 0;
    std::uint64_t connections = 0;
    std::uint64_t lost = 0;
    std::uint64_t doubled = 0;
    std::uint64_t overtaken = 0;
    std::uint64_t flipped = 0;
    std::uint64_t reset = 0;
    std::uint64_t held = 0;     ///< Met a cut link.
    std::uint64_t refused = 0;  ///< Connections that were not made.
    Counts& operator+=(const Counts& other);
  };
  using Accept = std::function<void(std::unique_ptr<async::Connection>)>;

  SimNetwork(SimWorld& world, std::vector<std::string> names);
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  /// A process begins at `place`; `accept` takes its connections, on its runtime.
  void begin(std::uint32_t place, SimRuntime& runtime, Accept accept);
  /// No more connections to it.
  void refuse(std::uint32_t place, SimRuntime& runtime);
  /// The process is dead: its connections end, which the others learn at once, or (`silent`: the machine lost
  /// its power) once another process begins there.
  void kill(std::uint32_t place, SimRuntime& runtime, bool silent);

  /// Errors: kIo when nobody listens there, kTimeout when nothing comes back before `deadline`.
  Task<Result<std::unique_ptr<async::Connection>>> connect(SimRuntime& runtime, std::uint32_t from,
                                                           std::string name, MonotonicTime deadline);

  /// One way: what `from` sends waits, as TCP sends it again.
  void cut(std::uint32_t from, std::uint32_t to);
  void isolate(std::uint32_t place);
  void heal();
  [[nodiscard]] bool is_cut(std::uint32_t from, std::uint32_t to) const { return cut_[from] >> to & 1U; }

  Weather weather;
  Counts counts;

 private:
  friend class SimConnection;
  struct Packet {
    std::int64_t at = 0;
    std::string bytes;  ///< Empty: the sender's end.
  };
  /// One end of a connection, and what it has sent and has not arrived.
  struct End {
    SimRuntime* runtime = nullptr;
    std::uint32_t place = 0;
    std::string inbox;
    std::size_t taken = 0;
    bool ended = false;   ///< The other side's orderly end came.
    bool broken = false;  ///< A reset came.
    bool closed = false;  ///< By its owner, or its process died.
    bool silent = false;  ///< And nobody was told.
    async::Signal readable;
    async::Signal writable;
    std::deque<Packet> queue;
    std::int64_t last_at = 0;
    std::size_t outstanding = 0;
    std::string partial;
    bool framed = false;
    std::uint64_t sent = 0;
  };
  struct Pipe {
    End ends[2];
  };
  using PipeRef = std::shared_ptr<Pipe>;
  struct Host {
    std::string name;
    SimRuntime* runtime = nullptr;
    Accept accept;
    bool powered = false;
  };

  bool chance(std::uint32_t per_mille) { return per_mille != 0 && world_.random().below(1000) < per_mille; }
  std::int64_t delay_ns();
  void send(const PipeRef& pipe, int side, std::string_view bytes);
  void send_packet(const PipeRef& pipe, int side, std::string bytes);
  void queue(const PipeRef& pipe, int side, std::string bytes);
  void move(const PipeRef& pipe, int side);
  void hand_over(const PipeRef& pipe, int side, const std::string& bytes);
  void close(const PipeRef& pipe, int side);
  void break_off(const PipeRef& pipe);
  static void wake(End& end);
  void release();

  SimWorld& world_;
  std::vector<Host> hosts_;
  std::vector<std::uint32_t> cut_;
  std::list<PipeRef> pipes_;
};

}  // namespace flashstor::sim
