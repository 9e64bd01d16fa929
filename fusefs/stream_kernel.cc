#include "fusefs/stream_kernel.h"

#include <linux/fuse.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/async/stream_calls.h"
#include "engine/base/log.h"

namespace flashstor::fusefs {
namespace {

// What requests under way and answers not sent may hold of memory before no more is read: a kernel has at
// most 64 large requests out.
constexpr std::size_t kMostBytes = 80U << 20;
// A kernel waits for each answer on a thread of a program; nobody has so many.
constexpr std::size_t kMostUnderway = 65536;
constexpr std::size_t kFirstBytes = 8192;

}  // namespace

StreamKernel::StreamKernel(std::unique_ptr<async::Connection> connection, Mount& mount)
    : connection_(std::move(connection)), mount_(mount), request_(kFirstBytes) {}

void StreamKernel::close() {
  closed_ = true;
  connection_->close();
  news_.notify_all();
}

Task<Result<std::span<const std::byte>>> StreamKernel::read_request() {
  co_await or_return(async::read_exactly(*connection_, std::span(request_).first(kRequestHeaderBytes)));
  const std::size_t length =
      co_await or_return(request_length(std::span<const std::byte>(request_).first(kRequestHeaderBytes)));
  if (request_.size() < length) request_.resize(length);
  co_await or_return(async::read_exactly(
      *connection_, std::span(request_).subspan(kRequestHeaderBytes, length - kRequestHeaderBytes)));
  co_return std::span<const std::byte>(request_).first(length);
}

bool StreamKernel::in_use(std::uint64_t handle) const {
  return std::ranges::any_of(underway_, [handle](const auto& one) {
    return std::ranges::find(one.second.handles, handle) != one.second.handles.end();
  });
}

Result<int> StreamKernel::admit(const RequestNames& names) const {
  if (underway_.size() >= kMostUnderway)
    return fail(ErrorCode::kMalformed, "more requests under way than a kernel has");
  if (names.answered && underway_.contains(names.unique))
    return fail(ErrorCode::kMalformed, "two requests with one number");
  if (!names.known) return ENOSYS;
  // Of an earlier connection, or of nobody.
  for (const std::uint64_t node : names.nodes)
    if (node != 0 && !mount_.nodes.knows(node)) return ESTALE;
  for (const std::uint64_t file : names.files)
    if (file != 0 && !mount_.open_files.holds(file)) return ESTALE;
  if (names.directory != 0 && !mount_.open_directories.holds(names.directory)) return ESTALE;
  const std::uint64_t released = names.directory != 0 ? names.directory : names.files[0];
  if (names.releases && in_use(released))
    return fail(ErrorCode::kMalformed, "a handle was given back with requests under way");
  return 0;
}

Task<void> StreamKernel::serve(fuse_session* session) {
  async::Gate writing;
  writing.spawn(write_answers());
  while (!closed_) {
    while (!closed_ && underway_bytes_ + answers_.size() > kMostBytes) co_await news_.wait();
    const auto request = co_await read_request();
    if (!request) {
      if (request.error().code() == ErrorCode::kMalformed)
        base::log_warning("a mount from {}: {}", connection_->peer(), request.error().message());
      break;
    }
    const auto names = check_request(*request);
    const auto error = names ? admit(*names) : std::unexpected(names.error());
    if (!error) {
      base::log_warning("a mount from {}: {}", connection_->peer(), error.error().message());
      break;
    }
    // libfuse keeps an interrupt of what is not under way for later, however many there are.
    if (names->opcode == FUSE_INTERRUPT && !underway_.contains(names->interrupts)) continue;
    if (*error != 0) {
      if (names->answered) refuse(names->unique, *error);
      continue;
    }
    if (names->answered) {
      underway_[names->unique] = {.handles = {names->files[0], names->files[1], names->directory},
                                  .bytes = request->size()};
      underway_bytes_ += request->size();
    }
    fuse_buf buffer{};
    buffer.size = request->size();
    buffer.mem = request_.data();
    fuse_session_process_buf(session, &buffer);
    if (fuse_session_exited(session) != 0) break;
  }
  close();
  co_await writing.close();
}

void StreamKernel::refuse(std::uint64_t unique, int error) {
  const fuse_out_header head{.len = sizeof head, .error = -error, .unique = unique};
  answers_.append(reinterpret_cast<const char*>(&head), sizeof head);
  news_.notify_all();
}

ssize_t StreamKernel::answer(const iovec* parts, int count) {
  if (closed_) {
    errno = ENODEV;
    return -1;
  }
  const std::size_t before = answers_.size();
  for (int i = 0; i < count; ++i)
    answers_.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  fuse_out_header head{};
  std::memcpy(&head, answers_.data() + before, sizeof head);
  if (const auto found = underway_.find(head.unique); found != underway_.end()) {
    underway_bytes_ -= found->second.bytes;
    underway_.erase(found);
  }
  const auto taken = static_cast<ssize_t>(answers_.size() - before);
  news_.notify_all();
  return taken;
}

Task<void> StreamKernel::write_answers() {
  std::string sending;
  while (!closed_) {
    if (answers_.empty()) {
      co_await news_.wait();
      continue;
    }
    sending.clear();
    std::swap(sending, answers_);
    const auto bytes = std::as_bytes(std::span(sending));
    const std::span<const std::byte> parts[] = {bytes};
    const auto sent = co_await connection_->write(parts);
    if (!sent) close();
    news_.notify_all();
  }
}

}  // namespace flashstor::fusefs
