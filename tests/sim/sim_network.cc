#include "tests/sim/sim_network.h"

#include <algorithm>
#include <cstring>

#include "engine/storage/wire/frame.h"
#include "tests/sim/probes.h"

namespace flashstor::sim {
namespace {

namespace wire = storage::wire;

constexpr std::size_t kWindowBytes = 256 * 1024;
constexpr std::uint64_t kRetransmitNs = 600'000'000;

/// How many bytes the frame takes that begins here; 0: not known yet.
std::size_t frame_bytes(std::string_view bytes) {
  if (bytes.size() < wire::kFrameHeaderBytes) return 0;
  std::array<std::byte, wire::kFrameHeaderBytes> front{};
  std::memcpy(front.data(), bytes.data(), front.size());
  const auto header = wire::decode_header(front);
  return header ? front.size() + header->head_bytes + header->body_bytes : bytes.size();
}

bool is_notice(std::string_view bytes) {
  return bytes.starts_with("FSp1") && bytes.size() >= wire::kFrameHeaderBytes &&
         static_cast<wire::FrameKind>(bytes[4]) == wire::FrameKind::kNotice;
}

}  // namespace

/// One end in its owner's hands.
class SimConnection final : public async::Connection {
 public:
  SimConnection(SimNetwork& network, SimNetwork::PipeRef pipe, int side)
      : network_(network), pipe_(std::move(pipe)), side_(side) {}
  ~SimConnection() override { network_.close(pipe_, side_); }

  Task<Result<std::size_t>> read(std::span<std::byte> into) override {
    co_await or_return(wait_readable());
    SimNetwork::End& end = own();
    const std::size_t size = std::min(into.size(), end.inbox.size() - end.taken);
    if (size == 0) co_return std::size_t{0};
    std::memcpy(into.data(), end.inbox.data() + end.taken, size);
    end.taken += size;
    if (end.taken == end.inbox.size()) {
      end.inbox.clear();
      end.taken = 0;
    }
    SimNetwork::End& other = pipe_->ends[1 - side_];
    other.outstanding -= size;
    SimNetwork::wake(other);
    co_return size;
  }
  Task<Result<void>> wait_readable() override {
    SimNetwork::End& end = own();
    while (!end.closed && !end.broken && !end.ended && end.inbox.empty()) co_await end.readable.wait();
    if (end.closed) co_return fail(ErrorCode::kCancelled, "closed");
    if (end.broken) co_return fail(ErrorCode::kIo, "connection reset by peer");
    co_return Result<void>();
  }
  Task<Result<void>> write(std::span<const std::span<const std::byte>> slices) override {
    SimNetwork::End& end = own();
    std::string bytes;
    for (const auto slice : slices) bytes.append(reinterpret_cast<const char*>(slice.data()), slice.size());
    while (!end.closed && !end.broken && end.outstanding > kWindowBytes) co_await end.writable.wait();
    if (end.closed) co_return fail(ErrorCode::kCancelled, "closed");
    if (end.broken) co_return fail(ErrorCode::kIo, "broken pipe");
    end.sent += bytes.size();
    network_.send(pipe_, side_, bytes);
    co_return Result<void>();
  }
  [[nodiscard]] std::uint64_t bytes_sent() const override { return pipe_->ends[side_].sent; }
  Task<Result<void>> shutdown() override {
    network_.queue(pipe_, side_, {});
    co_return Result<void>();
  }
  void close() override { network_.close(pipe_, side_); }
  [[nodiscard]] std::string peer() const override {
    return network_.hosts_[pipe_->ends[1 - side_].place].name;
  }

 private:
  SimNetwork::End& own() { return pipe_->ends[side_]; }
  SimNetwork& network_;
  SimNetwork::PipeRef pipe_;
  int side_;
};

SimNetwork::Counts& SimNetwork::Counts::operator+=(const Counts& other) {
  packets += other.packets;
  connections += other.connections;
  lost += other.lost;
  doubled += other.doubled;
  overtaken += other.overtaken;
  flipped += other.flipped;
  reset += other.reset;
  held += other.held;
  refused += other.refused;
  return *this;
}

SimNetwork::SimNetwork(SimWorld& world, std::vector<std::string> names)
    : world_(world), hosts_(names.size()), cut_(names.size()) {
  for (std::size_t place = 0; place < names.size(); ++place) hosts_[place].name = std::move(names[place]);
}

void SimNetwork::begin(std::uint32_t place, SimRuntime& runtime, Accept accept) {
  hosts_[place].runtime = &runtime;
  hosts_[place].accept = std::move(accept);
  hosts_[place].powered = true;
  release();
}

void SimNetwork::refuse(std::uint32_t place, SimRuntime& runtime) {
  if (hosts_[place].runtime == &runtime) hosts_[place].accept = nullptr;
}

void SimNetwork::kill(std::uint32_t place, SimRuntime& runtime, bool silent) {
  Host& host = hosts_[place];
  if (host.runtime == &runtime) {
    host.runtime = nullptr;
    host.accept = nullptr;
    host.powered = !silent;
  }
  const std::list<PipeRef> pipes = pipes_;
  for (const PipeRef& pipe : pipes) {
    for (int side = 0; side < 2; ++side) {
      End& end = pipe->ends[side];
      if (end.runtime != &runtime || end.closed) continue;
      // Of what was on its way some had left the machine.
      if (silent && !end.queue.empty()) end.queue.resize(world_.random().below(end.queue.size() + 1));
      end.silent = silent;
      close(pipe, side);
    }
  }
}

std::int64_t SimNetwork::delay_ns() {
  const std::int64_t most = chance(weather.late_per_mille) ? weather.late_ns : weather.usual_ns;
  return 1 + static_cast<std::int64_t>(world_.random().below(static_cast<std::uint64_t>(most)));
}

Task<Result<std::unique_ptr<async::Connection>>> SimNetwork::connect(SimRuntime& runtime, std::uint32_t from,
                                                                     std::string name,
                                                                     MonotonicTime deadline) {
  const auto found = std::ranges::find(hosts_, name, &Host::name);
  const auto to = static_cast<std::uint32_t>(found - hosts_.begin());
  co_await async::sleep_for(runtime, Nanoseconds(delay_ns()));
  if (hosts_[from].runtime != &runtime) co_return fail(ErrorCode::kIo, "network is down");
  const Host& host = hosts_[to];
  if (is_cut(from, to) || is_cut(to, from) || !host.powered || chance(weather.lost_per_mille)) {
    ++counts.refused;
    if (runtime.now() < deadline) co_await async::sleep_until(runtime, deadline);
    co_return fail(ErrorCode::kTimeout, name + " does not answer");
  }
  if (!host.accept) {
    ++counts.refused;
    co_return fail(ErrorCode::kIo, name + ": connection refused");
  }
  auto pipe = std::make_shared<Pipe>();
  pipe->ends[0].runtime = &runtime;
  pipe->ends[0].place = from;
  pipe->ends[1].runtime = host.runtime;
  pipe->ends[1].place = to;
  ++counts.connections;
  std::erase_if(pipes_, [](const PipeRef& one) {
    return one->ends[0].closed && one->ends[1].closed && one->ends[0].queue.empty() &&
           one->ends[1].queue.empty();
  });
  pipes_.push_back(pipe);
  host.accept(std::make_unique<SimConnection>(*this, pipe, 1));
  co_return std::make_unique<SimConnection>(*this, pipe, 0);
}

/// Cuts the stream into what is lost or comes whole.
void SimNetwork::send(const PipeRef& pipe, int side, std::string_view bytes) {
  End& end = pipe->ends[side];
  end.outstanding += bytes.size();
  end.partial.append(bytes);
  while (!end.partial.empty()) {
    std::size_t size = end.partial.size();
    if (end.framed) {
      size = frame_bytes(end.partial);
      if (size == 0 || size > end.partial.size()) return;
    } else if (const std::size_t at = end.partial.find("\r\n\r\n"); at != std::string::npos) {
      size = at + 4;
      end.framed = true;
    }
    std::string packet = end.partial.substr(0, size);
    end.partial.erase(0, size);
    send_packet(pipe, side, std::move(packet));
  }
}

void SimNetwork::send_packet(const PipeRef& pipe, int side, std::string bytes) {
  End& end = pipe->ends[side];
  ++counts.packets;
  if (chance(weather.reset_per_mille)) {
    ++counts.reset;
    break_off(pipe);
    return;
  }
  if (chance(weather.flipped_per_mille)) {
    ++counts.flipped;
    bytes[world_.random().below(bytes.size())] ^= static_cast<char>(1 << world_.random().below(8));
  } else if (is_notice(bytes)) {
    if (chance(weather.lost_per_mille)) {
      ++counts.lost;
      end.outstanding -= bytes.size();
      return;
    }
    if (chance(weather.overtaken_per_mille)) {
      ++counts.overtaken;
      const auto later =
          static_cast<std::int64_t>(world_.random().below(static_cast<std::uint64_t>(weather.late_ns)));
      world_.after(Nanoseconds(1 + later),
                   [this, pipe, side, bytes = std::move(bytes)] { queue(pipe, side, bytes); });
      return;
    }
    if (chance(weather.doubled_per_mille)) {
      ++counts.doubled;
      end.outstanding += bytes.size();
      queue(pipe, side, bytes);
    }
  }
  queue(pipe, side, std::move(bytes));
}

void SimNetwork::queue(const PipeRef& pipe, int side, std::string bytes) {
  End& end = pipe->ends[side];
  if (end.broken || (end.closed && !bytes.empty())) return;
  end.last_at = std::max(end.last_at, world_.now_ns() + delay_ns());
  end.queue.push_back({.at = end.last_at, .bytes = std::move(bytes)});
  world_.after(Nanoseconds(end.last_at - world_.now_ns()), [this, pipe, side] { move(pipe, side); });
}

void SimNetwork::move(const PipeRef& pipe, int side) {
  End& end = pipe->ends[side];
  const End& other = pipe->ends[1 - side];
  while (!end.queue.empty() && end.queue.front().at <= world_.now_ns()) {
    if (is_cut(end.place, other.place) || !hosts_[other.place].powered) {
      ++counts.held;
      return;
    }
    const std::string bytes = std::move(end.queue.front().bytes);
    end.queue.pop_front();
    hand_over(pipe, side, bytes);
  }
}

void SimNetwork::hand_over(const PipeRef& pipe, int side, const std::string& bytes) {
  End& target = pipe->ends[1 - side];
  if (target.closed) {
    // Nobody there has it any more: a reset comes back.
    if (is_cut(target.place, pipe->ends[side].place)) return;
    world_.after(Nanoseconds(delay_ns()), [pipe, side] {
      pipe->ends[side].broken = true;
      pipe->ends[side].queue.clear();
      wake(pipe->ends[side]);
    });
    return;
  }
  if (bytes.empty()) {
    target.ended = true;
  } else {
    target.inbox.append(bytes);
  }
  wake(target);
}

void SimNetwork::wake(End& end) {
  if (!end.readable.has_waiters() && !end.writable.has_waiters()) return;
  end.runtime->enter([&end] {
    end.readable.notify_all();
    end.writable.notify_all();
  });
}

void SimNetwork::close(const PipeRef& pipe, int side) {
  End& end = pipe->ends[side];
  if (end.closed) return;
  if (!end.silent) queue(pipe, side, {});
  end.closed = true;
  wake(end);
}

void SimNetwork::break_off(const PipeRef& pipe) {
  for (End& end : pipe->ends) {
    end.broken = true;
    end.queue.clear();
    wake(end);
  }
}

void SimNetwork::cut(std::uint32_t from, std::uint32_t to) { cut_[from] |= 1U << to; }

void SimNetwork::isolate(std::uint32_t place) {
  for (std::uint32_t other = 0; other < hosts_.size(); ++other) {
    if (other == place) continue;
    cut(place, other);
    cut(other, place);
  }
}

void SimNetwork::heal() {
  std::ranges::fill(cut_, 0);
  release();
}

/// What waits is sent again sooner or later.
void SimNetwork::release() {
  for (const PipeRef& pipe : pipes_) {
    for (int side = 0; side < 2; ++side) {
      if (pipe->ends[side].queue.empty()) continue;
      world_.after(Nanoseconds(1 + static_cast<std::int64_t>(world_.random().below(kRetransmitNs))),
                   [this, pipe, side] { move(pipe, side); });
    }
  }
}

}  // namespace flashstor::sim
