#include "engine/storage/wire/channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace flashstor::storage::wire {
namespace {

constexpr std::size_t kReadAheadBytes = 64 * 1024;

class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(count) { ++count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::size_t& count_;
};

}  // namespace

Channel::Channel(Runtime& runtime, async::Connection& connection, Handler handler)
    : runtime_(runtime),
      connection_(connection),
      handler_(std::move(handler)),
      read_ahead_(kReadAheadBytes) {}

Channel::~Channel() { FLASHSTOR_CHECK(gate_.running() == 0 && waiting_.empty()); }

void Channel::close(Error why) {
  if (closed_) return;
  closed_ = std::move(why);
  connection_.close();
  queue_.clear();
  queued_ = 0;
  for (const auto& [number, waiting] : waiting_) {
    waiting->result.emplace(fail(ErrorCode::kIo, std::string(closed_->message())));
    waiting->done.set();
  }
  room_.notify_all();
  served_.notify_all();
}

Task<Error> Channel::run() {
  while (!closed_) {
    while (serving_ >= kMaxServing && !closed_) co_await served_.wait();
    if (closed_) break;
    auto received = co_await receive();
    if (!received) close(std::move(received).error());
  }
  co_await gate_.close();
  while (callers_ > 0) co_await async::sleep_for(runtime_, Milliseconds(1));  // they are woken already
  co_return *closed_;
}

Task<Result<void>> Channel::fill(std::span<std::byte> into) {
  const std::size_t ahead = std::min(into.size(), ahead_end_ - ahead_begin_);
  if (ahead > 0) std::memcpy(into.data(), read_ahead_.data() + ahead_begin_, ahead);
  ahead_begin_ += ahead;
  into = into.subspan(ahead);
  while (!into.empty()) {
    const bool direct = into.size() >= kReadAheadBytes;  // large bodies go where they belong
    const std::span<std::byte> target = direct ? into : std::span(read_ahead_);
    const std::size_t got = co_await or_return(connection_.read(target));
    if (got == 0) co_return fail(ErrorCode::kIo, "the peer closed the connection");
    const std::size_t used = std::min(got, into.size());
    if (!direct) {
      std::memcpy(into.data(), read_ahead_.data(), used);
      ahead_begin_ = used;
      ahead_end_ = got;
    }
    into = into.subspan(used);
  }
  co_return Result<void>();
}

Task<Result<void>> Channel::receive() {
  std::array<std::byte, kFrameHeaderBytes> front;
  co_await or_return(fill(front));
  const FrameHeader header = co_await or_return(decode_header(front));
  Payload payload;
  if (header.head_bytes > 0) {
    payload.head = Buffer::allocate(header.head_bytes);
    co_await or_return(fill(payload.head.writable_span()));
  }
  if (header.body_bytes > 0) {
    Buffer body = Buffer::allocate(header.body_bytes);
    co_await or_return(fill(body.writable_span()));
    payload.body.append(std::move(body));
  }
  if (checksum_of(payload) != header.payload_checksum)
    co_return fail(ErrorCode::kCorrupt, "a frame's bytes do not match its checksum");
  if (!closed_) dispatch(header, std::move(payload));
  co_return Result<void>();
}

void Channel::dispatch(const FrameHeader& header, Payload payload) {
  if (header.kind == FrameKind::kCall || header.kind == FrameKind::kNotice) {
    ++serving_;
    gate_.spawn(serve(header, std::move(payload)));
    return;
  }
  const auto found = waiting_.find(header.call);
  if (found == waiting_.end() || found->second->result) return;  // it came too late
  if (header.kind == FrameKind::kAnswer) {
    found->second->result.emplace(std::move(payload));
  } else {
    found->second->result.emplace(std::unexpected(decode_error(payload.head.view())));
  }
  found->second->done.set();
}

Task<void> Channel::serve(FrameHeader header, Payload payload) {
  auto answer = co_await handler_(header.method, std::move(payload));
  if (header.kind == FrameKind::kCall && co_await wait_for_room()) {
    if (answer) {
      enqueue(FrameKind::kAnswer, header.method, header.call, std::move(*answer));
    } else {
      enqueue(FrameKind::kFailure, header.method, header.call, payload_of(encode_error(answer.error())));
    }
  }
  --serving_;
  served_.notify_all();
}

Task<Result<void>> Channel::wait_for_room() {
  while (!closed_ && queued_ > kMaxQueuedBytes) co_await room_.wait();
  if (closed_) co_return fail(ErrorCode::kIo, std::string(closed_->message()));
  co_return Result<void>();
}

void Channel::enqueue(FrameKind kind, std::uint16_t method, std::uint64_t call, Payload payload) {
  FLASHSTOR_CHECK(payload.head.size() <= kMaxFrameHeadBytes && payload.body.size() <= kMaxFrameBodyBytes);
  const FrameHeader header{.kind = kind,
                           .method = method,
                           .call = call,
                           .head_bytes = static_cast<std::uint32_t>(payload.head.size()),
                           .body_bytes = static_cast<std::uint32_t>(payload.body.size()),
                           .payload_checksum = checksum_of(payload)};
  queue_.push_back({.header = encode_header(header), .payload = std::move(payload)});
  queued_ += queue_.back().size();
  if (!writing_) {
    writing_ = true;
    if (!gate_.spawn(write_queued())) writing_ = false;
  }
}

// Everything that waits goes out in one call, whatever its kind.
Task<void> Channel::write_queued() {
  co_await async::switch_to(runtime_);  // what this turn still has to say comes along
  while (!queue_.empty() && !closed_) {
    std::vector<Outgoing> batch;
    std::vector<std::span<const std::byte>> slices;
    while (!queue_.empty() && batch.size() < kMaxFramesPerWrite) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    std::size_t bytes = 0;
    for (const Outgoing& frame : batch) {
      bytes += frame.size();
      slices.emplace_back(frame.header);
      if (!frame.payload.head.empty()) slices.push_back(frame.payload.head.span());
      for (const Buffer& slice : frame.payload.body.slices())
        if (!slice.empty()) slices.push_back(slice.span());
    }
    const auto sent = co_await connection_.write(slices);
    if (!sent) close(sent.error());
    queued_ -= std::min(queued_, bytes);
    room_.notify_all();
  }
  writing_ = false;
}

Task<Result<Payload>> Channel::call(std::uint16_t method, Payload request, Nanoseconds deadline) {
  const Counted counted(callers_);
  const MonotonicTime until = runtime_.now() + deadline;
  if (request.head.size() > kMaxFrameHeadBytes || request.body.size() > kMaxFrameBodyBytes)
    co_return fail(ErrorCode::kInvalidArgument, "more than a frame holds");
  while (!closed_ && queued_ > kMaxQueuedBytes)
    if (!co_await room_.wait_until(until) && queued_ > kMaxQueuedBytes)
      co_return fail(ErrorCode::kTimeout, "the peer does not take what is sent");
  if (closed_) co_return fail(ErrorCode::kIo, std::string(closed_->message()));
  Waiting waiting;
  const std::uint64_t number = next_call_++;
  waiting_.emplace(number, &waiting);
  enqueue(FrameKind::kCall, method, number, std::move(request));
  static_cast<void>(co_await waiting.done.wait_until(until));
  waiting_.erase(number);
  if (waiting.result) co_return std::move(*waiting.result);
  co_return fail(ErrorCode::kTimeout, "the peer did not answer in time");
}

bool Channel::notify(std::uint16_t method, Payload request) {
  if (closed_ || queued_ > kMaxQueuedNotices || request.head.size() > kMaxFrameHeadBytes ||
      request.body.size() > kMaxFrameBodyBytes)
    return false;
  enqueue(FrameKind::kNotice, method, 0, std::move(request));
  return true;
}

}  // namespace flashstor::storage::wire
