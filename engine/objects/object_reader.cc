#include "engine/objects/object_reader.h"

#include <algorithm>
#include <cstring>

#include "engine/objects/limits.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kZeroBytes = 256 * limits::kKiB;

// What the reader and its read-ahead share: the read-ahead may outlive the reader.
struct State {
  cluster::ClusterApi& cluster;
  std::vector<Extent> extents;
  std::vector<std::unique_ptr<cluster::DataPin>> pins;
  std::size_t window_bytes = 0;
  std::size_t at = 0;        // extent
  std::uint64_t within = 0;  // bytes of it already given
  bool running = false;
  bool failed = false;
  std::optional<Result<BufferChain>> ahead;
  async::Signal ready;

  [[nodiscard]] bool at_end() const { return at == extents.size(); }
};

void append_zeros(BufferChain& out, std::uint64_t length) {
  Buffer zeros = Buffer::allocate(std::min<std::uint64_t>(length, kZeroBytes));
  std::memset(zeros.writable(), 0, zeros.size());
  while (length > 0) {
    const std::uint64_t size = std::min<std::uint64_t>(length, zeros.size());
    out.append(zeros.slice(0, size));
    length -= size;
  }
}

// The next window. Ends on a stripe of the data where it can, so that no stripe is read twice.
Task<Result<BufferChain>> read_window(State* state) {
  BufferChain out;
  while (!state->at_end() && out.size() < state->window_bytes) {
    const Extent& extent = state->extents[state->at];
    const std::uint64_t left = extent.length - state->within;
    std::uint64_t room = std::min<std::uint64_t>(state->window_bytes - out.size(), cluster::kMaxReadBytes);
    if (extent.is_hole()) {
      const std::uint64_t size = std::min(left, room);
      append_zeros(out, size);
      state->within += size;
    } else {
      const std::uint64_t offset = extent.data_offset + state->within;
      const std::uint64_t over = (offset + room) % limits::kStripeBytes;
      if (over < room) room -= over;
      const std::uint64_t size = std::min(left, room);
      out.append(co_await or_return(state->cluster.set_at(extent.data.set).read(extent.data, offset, size)));
      state->within += size;
    }
    if (state->within == extent.length) {
      ++state->at;
      state->within = 0;
    }
  }
  co_return out;
}

Task<void> read_ahead(std::shared_ptr<State> state) {
  state->ahead = co_await read_window(state.get());
  state->running = false;
  state->ready.notify_all();
}

class WindowReader final : public ObjectReader {
 public:
  WindowReader(std::shared_ptr<State> state, async::Gate& gate) : state_(std::move(state)), gate_(gate) {}

  Task<Result<BufferChain>> next() override {
    State& state = *state_;
    while (state.running) co_await state.ready.wait();
    if (state.failed) co_return fail(ErrorCode::kIo, "the read failed before");
    if (!state.ahead && state.at_end()) co_return BufferChain();
    Result<BufferChain> window =
        state.ahead ? std::move(*std::exchange(state.ahead, std::nullopt)) : co_await read_window(&state);
    if (!window) {
      state.failed = true;
      co_return window;
    }
    if (!state.at_end()) {
      state.running = true;
      if (!gate_.spawn(read_ahead(state_))) state.running = false;
    }
    co_return window;
  }

 private:
  std::shared_ptr<State> state_;
  async::Gate& gate_;
};

}  // namespace

std::unique_ptr<ObjectReader> make_reader(cluster::ClusterApi& cluster, async::Gate& gate,
                                          std::vector<Extent> extents, std::size_t window_bytes) {
  auto state = std::make_shared<State>(cluster);
  const DataRef* before = nullptr;
  for (const Extent& extent : extents) {
    if (extent.is_hole() || (before != nullptr && before->id == extent.data.id)) continue;
    state->pins.push_back(cluster.set_at(extent.data.set).pin(extent.data));
    before = &extent.data;
  }
  state->extents = std::move(extents);
  state->window_bytes = window_bytes;
  return std::make_unique<WindowReader>(std::move(state), gate);
}

}  // namespace flashstor::objects
