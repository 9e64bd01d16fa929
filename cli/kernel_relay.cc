#include "cli/kernel_relay.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace flashstor::cli {
namespace {

constexpr std::size_t kDeviceBytes = (1U << 20) + 65536;  // the longest request, with room
constexpr std::size_t kMostUnsent = 4U << 20;
constexpr std::size_t kMostAnswer = (1U << 20) + 65536;
constexpr std::size_t kReceiveBytes = 256U << 10;
constexpr int kRetryMilliseconds = 500;

bool is_answered(std::uint32_t opcode) {
  return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT;
}

// What names an open file: gone with the connection that it was opened on.
bool names_handle(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_READ:
    case FUSE_WRITE:
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_FSYNC:
    case FUSE_READDIR:
    case FUSE_READDIRPLUS:
    case FUSE_RELEASEDIR:
    case FUSE_FSYNCDIR:
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
    case FUSE_FALLOCATE:
    case FUSE_LSEEK:
    case FUSE_COPY_FILE_RANGE:
      return true;
    default:
      return false;
  }
}

// A walk along a path begins again at the root after ESTALE (path_lookup in Linux): of those nothing was
// changed.
int error_of_lost(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_GETATTR:
    case FUSE_OPEN:
    case FUSE_OPENDIR:
    case FUSE_READLINK:
    case FUSE_ACCESS:
      return ESTALE;
    default:
      return EIO;
  }
}

template <class T>
T front_of(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

}  // namespace

KernelRelay::KernelRelay(Descriptor device, RawConnection connection, Connect connect, int stop,
                         std::function<void()> unmount)
    : device_(std::move(device)),
      connection_(std::move(connection)),
      connect_(std::move(connect)),
      stop_(stop),
      unmount_(std::move(unmount)),
      block_(kDeviceBytes, '\0') {
  ::fcntl(device_.get(), F_SETFL, ::fcntl(device_.get(), F_GETFL) | O_NONBLOCK);
}

Result<void> KernelRelay::run() {
  while (true) {
    const auto end = relay();
    if (!end) return std::unexpected(end.error());
    if (*end == End::kUnmounted) return {};
    if (auto told = fail_underway(); !told) return told;
    const auto again = reconnect();
    if (!again) return std::unexpected(again.error());
    if (!*again) return {};
  }
}

Result<KernelRelay::End> KernelRelay::relay() {
  while (true) {
    pollfd watched[] = {
        {requests_.size() < kMostUnsent ? device_.get() : -1, POLLIN, 0},
        {connection_.descriptor(), static_cast<short>(requests_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
        {stop_, POLLIN, 0}};
    if (::poll(watched, 3, -1) < 0) continue;
    if (watched[2].revents != 0) look_at_stop();
    const auto mounted = take_requests(true);
    if (!mounted) return std::unexpected(mounted.error());
    if (!*mounted) return End::kUnmounted;
    if (!send_requests()) return End::kBroken;
    const auto answered = take_answers();
    if (!answered) return std::unexpected(answered.error());
    if (!*answered) return End::kBroken;
  }
}

// False once the folder is unmounted.
Result<bool> KernelRelay::take_requests(bool connected) {
  while (requests_.size() < kMostUnsent) {
    const ssize_t got = ::read(device_.get(), block_.data(), block_.size());
    if (got < 0 && (errno == EINTR || errno == ENOENT)) continue;
    if (got < 0 && errno == EAGAIN) return true;
    if (got < 0 && errno == ENODEV) return false;
    if (got < 0) return std::unexpected(base::errno_error(errno, "read", "/dev/fuse"));
    const std::string_view request(block_.data(), static_cast<std::size_t>(got));
    const auto header = front_of<fuse_in_header>(request);
    if (header.opcode == FUSE_INIT) greeting_ = request;
    if (!connected) {
      if (auto taken = take_alone(request); !taken) return std::unexpected(taken.error());
      continue;
    }
    if (is_answered(header.opcode)) underway_[header.unique] = header.opcode;
    requests_.append(request);
  }
  return true;
}

// Without a node: the numbers that the kernel has for files, but for the root's, were that connection's.
Result<void> KernelRelay::take_alone(std::string_view request) {
  const auto header = front_of<fuse_in_header>(request);
  if (header.opcode == FUSE_INTERRUPT) {
    const auto target = front_of<fuse_interrupt_in>(request.substr(sizeof header)).unique;
    return held_.erase(target) == 0 ? Result<void>() : fail(target, EINTR);
  }
  if (!is_answered(header.opcode)) return {};
  if (names_handle(header.opcode) || (header.nodeid != FUSE_ROOT_ID && header.opcode != FUSE_INIT))
    return fail(header.unique, ESTALE);
  held_[header.unique] = request;
  return {};
}

bool KernelRelay::send_requests() {
  std::size_t sent = 0;
  while (sent < requests_.size()) {
    const auto taken = connection_.send(std::string_view(requests_).substr(sent));
    if (!taken) return false;
    if (*taken == 0) break;
    sent += *taken;
  }
  requests_.erase(0, sent);
  return true;
}

// False when the connection is lost.
Result<bool> KernelRelay::take_answers() {
  while (true) {
    const std::size_t before = answers_.size();
    answers_.resize(before + kReceiveBytes);
    const auto got = connection_.receive({answers_.data() + before, kReceiveBytes});
    answers_.resize(before + got.value_or(0));
    if (!got) return false;
    if (*got == 0) return true;
    std::size_t at = 0;
    while (answers_.size() - at >= sizeof(fuse_out_header)) {
      const auto length = front_of<fuse_out_header>(std::string_view(answers_).substr(at)).len;
      if (length < sizeof(fuse_out_header) || length > kMostAnswer) return false;
      if (answers_.size() - at < length) break;
      if (auto given = give_answer(std::string_view(answers_).substr(at, length)); !given)
        return std::unexpected(given.error());
      at += length;
    }
    answers_.erase(0, at);
  }
}

Result<void> KernelRelay::give_answer(std::string_view answer) {
  const auto header = front_of<fuse_out_header>(answer);
  if (header.unique != 0 && header.unique == greeting_again_) {
    greeting_again_ = 0;
    return {};
  }
  underway_.erase(header.unique);
  if (::write(device_.get(), answer.data(), answer.size()) >= 0) return {};
  // ENOENT: whoever asked has gone; ENODEV: it is unmounted, as the next read says.
  if (errno == ENOENT || errno == ENODEV || errno == EINVAL) return {};
  return std::unexpected(base::errno_error(errno, "write", "/dev/fuse"));
}

Result<void> KernelRelay::fail(std::uint64_t unique, int error) {
  const fuse_out_header header{.len = sizeof header, .error = -error, .unique = unique};
  return give_answer({reinterpret_cast<const char*>(&header), sizeof header});
}

Result<void> KernelRelay::fail_underway() {
  for (const auto& [unique, opcode] : std::exchange(underway_, {})) {
    if (opcode == FUSE_INIT) {
      held_[unique] = greeting_;
    } else if (auto told = fail(unique, error_of_lost(opcode)); !told) {
      return told;
    }
  }
  return {};
}

// False when the folder was unmounted meanwhile.
Result<bool> KernelRelay::reconnect() {
  requests_.clear();
  while (true) {
    pollfd watched[] = {{device_.get(), POLLIN, 0}, {stop_, POLLIN, 0}};
    ::poll(watched, 2, kRetryMilliseconds);
    if (watched[1].revents != 0) look_at_stop();
    const auto mounted = take_requests(false);
    if (!mounted || !*mounted) return mounted;
    auto connected = connect_();
    if (!connected) continue;
    connection_ = std::move(*connected);
    answers_.clear();
    const auto unique = front_of<fuse_in_header>(greeting_).unique;
    greeting_again_ = held_.contains(unique) ? 0 : unique;
    if (greeting_again_ != 0) requests_ = greeting_;
    for (const auto& [number, request] : std::exchange(held_, {})) {
      underway_[number] = front_of<fuse_in_header>(request).opcode;
      requests_.append(request);
    }
    return true;
  }
}

void KernelRelay::look_at_stop() {
  unmounting_ = std::jthread(unmount_);
  stop_ = -1;  // ENODEV ends us; files that are open keep it until their last close
}

}  // namespace flashstor::cli
