#include "engine/objects/object_reader.h"

#include <algorithm>
#include <cstring>

#include "engine/objects/limits.h"

namespace flashstor::objects {
namespace {

constexpr std::size_t kZeroBytes = 256 * limits::kKiB;

// What the reader and its read-ahead share: the read-ahead may outlive the reader.
struct State {
  State(cluster::ClusterApi& cluster_of, ReadBudget& budget_of) : cluster(cluster_of), budget(budget_of) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { budget.give(held); }
  cluster::ClusterApi& cluster;
  ReadBudget& budget;
  std::size_t held = 0;    // of the budget
  std::size_t given = 0;   // of `held`: the window that the caller has
  std::uint64_t left = 0;  // bytes not yet read
  bool begun = false;
  Extents extents;
  std::vector<std::unique_ptr<cluster::DataPin>, async::FrameAllocator<std::unique_ptr<cluster::DataPin>>>
      pins;
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
  const std::size_t window_bytes = state->budget.window(state->window_bytes);
  // Taken before the read, so that many at once do not all see an empty budget.
  const std::size_t taken = std::min<std::uint64_t>(window_bytes, state->left);
  state->budget.take(taken);
  state->held += taken;
  state->left -= taken;
  while (!state->at_end() && out.size() < window_bytes) {
    const Extent& extent = state->extents[state->at];
    const std::uint64_t left = extent.length - state->within;
    std::uint64_t room = std::min<std::uint64_t>(window_bytes - out.size(), cluster::kMaxReadBytes);
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
  // It ended on a stripe before the window's end.
  const std::size_t unused = taken - std::min(taken, out.size());
  state->budget.give(unused);
  state->held -= unused;
  state->left += unused;
  co_return out;
}

Task<void> read_ahead(std::shared_ptr<State> state) {
  state->ahead = co_await read_window(state.get());
  state->running = false;
  state->ready.notify_all();
}

class WindowReader final : public ObjectReader, public async::InFrames {
 public:
  WindowReader(std::shared_ptr<State> state, async::Gate& gate) : state_(std::move(state)), gate_(gate) {}

  Task<Result<BufferChain>> next() override {
    State& state = *state_;
    while (state.running) co_await state.ready.wait();
    if (state.failed) co_return fail(ErrorCode::kIo, "the read failed before");
    // Asking for the next window, the caller has done with the one before.
    state.budget.give(state.given);
    state.held -= std::exchange(state.given, 0);
    if (!std::exchange(state.begun, true) && state.budget.is_full())
      co_return fail(ErrorCode::kTooManyRequests, "reads hold as much memory as they may");
    if (!state.ahead && state.at_end()) co_return BufferChain();
    Result<BufferChain> window =
        state.ahead ? std::move(*std::exchange(state.ahead, std::nullopt)) : co_await read_window(&state);
    if (!window) {
      state.failed = true;
      co_return window;
    }
    state.given = state.held;
    if (!state.at_end() && state.budget.may_read_ahead()) {
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

std::unique_ptr<ObjectReader> make_reader(cluster::ClusterApi& cluster, async::Gate& gate, ReadBudget& budget,
                                          Extents extents, std::size_t window_bytes) {
  auto state = std::allocate_shared<State>(async::FrameAllocator<State>(), cluster, budget);
  const DataRef* before = nullptr;
  for (const Extent& extent : extents) {
    state->left += extent.length;
    if (extent.is_hole() || (before != nullptr && before->id == extent.data.id)) continue;
    state->pins.push_back(cluster.set_at(extent.data.set).pin(extent.data));
    before = &extent.data;
  }
  state->extents = std::move(extents);
  state->window_bytes = window_bytes;
  return std::make_unique<WindowReader>(std::move(state), gate);
}

}  // namespace flashstor::objects
