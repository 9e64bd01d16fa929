#include "s3d/http/wire.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace flashstor::s3d {

std::string_view ServerCore::fixed_headers() {
  const std::int64_t second = base::to_nanoseconds(runtime.wall_now()) / 1'000'000'000;
  if (second != fixed_second_) {
    fixed_second_ = second;
    fixed_ = fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\nServer: {}\r\n",
                         fmt::gmtime(static_cast<std::time_t>(second)), options.server_name);
  }
  return fixed_;
}

Wire::Wire(ServerCore& core, std::unique_ptr<async::Connection> connection)
    : core_(core), connection_(std::move(connection)), peer_(connection_->peer()), next_(core.first) {
  if (next_ != nullptr) next_->before_ = this;
  core.first = this;
  ++core.counters.open_connections;
}

Wire::~Wire() {
  (before_ != nullptr ? before_->next_ : core_.first) = next_;
  if (next_ != nullptr) next_->before_ = before_;
  --core_.counters.open_connections;
}

void Wire::close() {
  broken_ = true;
  connection_->close();
}

template <class T>
Result<T> Wire::settle(Result<T> result) {
  if (result) return result;
  broken_ = true;
  if (timed_out_) return fail(ErrorCode::kTimeout, "the peer was too slow");
  return result;
}

Task<Result<void>> Wire::wait_readable() {
  idle_ = true;
  auto result = co_await connection_->wait_readable();
  idle_ = false;
  co_return settle(std::move(result));
}

Task<Result<std::size_t>> Wire::read(std::span<std::byte> into) {
  co_return settle(co_await connection_->read(into));
}

Task<Result<void>> Wire::send(std::span<const std::span<const std::byte>> slices) {
  if (broken_) co_return fail(timed_out_ ? ErrorCode::kTimeout : ErrorCode::kCancelled);
  expect_by(core_.runtime.now() + core_.options.body_grace, Refusal::kSlowReceiver);
  sent_mark_ = connection_->bytes_sent();
  sending_ = true;
  auto result = co_await connection_->write(slices);
  sending_ = false;
  relax();
  co_return settle(std::move(result));
}

Task<void> Wire::shutdown() {
  if (!broken_ && !co_await connection_->shutdown()) broken_ = true;
}

Task<void> Wire::give_to(ConnectionTaker& taker, std::string authorization) {
  idle_ = true;
  co_await taker.take(*connection_, std::move(authorization));
  idle_ = false;
  close();
}

void Wire::expect_by(MonotonicTime at, std::optional<Refusal> why) {
  deadline_ = at;
  why_ = why;
}

void Wire::check(MonotonicTime now) {
  if (now < deadline_ || broken_) return;
  if (sending_) {
    // However much is to be sent, whoever takes less than the minimum rate in one grace is cut off: what
    // waits for him is held in memory.
    const auto grace = std::chrono::duration_cast<std::chrono::milliseconds>(core_.options.body_grace);
    const auto wanted =
        core_.options.min_body_bytes_per_second * static_cast<std::uint64_t>(grace.count()) / 1000;
    const std::uint64_t sent = connection_->bytes_sent();
    if (sent - sent_mark_ >= wanted) {
      sent_mark_ = sent;
      deadline_ = now + core_.options.body_grace;
      return;
    }
  }
  relax();
  timed_out_ = true;
  if (why_) core_.handler.on_refused(*why_, peer_);
  close();
}

void Wire::stop_if_idle() {
  if (idle_) close();
}

}  // namespace flashstor::s3d
