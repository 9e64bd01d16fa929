#include "fusefs/session.h"

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstdlib>

#include "engine/async/uv_socket.h"
#include "engine/async/uv_stream.h"
#include "engine/base/log.h"
#include "fusefs/kernel_mount.h"
#include "fusefs/mount.h"
#include "fusefs/stream_kernel.h"

namespace flashstor::fusefs {
namespace {

// At most so many requests are read in one turn of the loop, so that a busy mount leaves room for sockets.
constexpr int kRequestsPerTurn = 64;

// libfuse takes its options as main() does.
class Arguments {
 public:
  explicit Arguments(const SessionOptions& options) {
    FLASHSTOR_CHECK(fuse_opt_add_arg(&arguments_, "flashstor") == 0);
    std::string list = "default_permissions,fsname=" + options.bucket + ",subtype=flashstor";
    if (options.allow_other) list += ",allow_other";
    if (options.read_only) list += ",ro";
    FLASHSTOR_CHECK(fuse_opt_add_arg(&arguments_, "-o") == 0 &&
                    fuse_opt_add_arg(&arguments_, list.c_str()) == 0);
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() { fuse_opt_free_args(&arguments_); }
  fuse_args* get() { return &arguments_; }

 private:
  fuse_args arguments_ = FUSE_ARGS_INIT(0, nullptr);
};

// Numbers of a stream's nodes begin anywhere: those of an earlier connection are unknown, not another file's.
NodeId first_node(async::UvRuntime& runtime, const SessionOptions& options) {
  if (options.stream < 0) return kRootNode + 1;
  return (runtime.random().next() >> 2) | (std::uint64_t{1} << 40);
}

ssize_t send_to_stream(int /*descriptor*/, iovec* parts, int count, void* data) {
  return static_cast<Mount*>(data)->stream->answer(parts, count);
}

// Requests of a stream are handed to libfuse, never asked for.
ssize_t receive_nothing(int /*descriptor*/, void* /*into*/, std::size_t /*size*/, void* /*data*/) {
  errno = EAGAIN;
  return -1;
}

}  // namespace

struct Session::State {
  State(async::UvRuntime& runtime, files::VolumeApi& volume, AccessApi& access, files::InodeId root,
        SessionOptions words, WorkPool& blocking)
      : mount(runtime, volume, access, root, first_node(runtime, words)),
        options(std::move(words)),
        loop(runtime),
        pool(blocking) {
    mount.owner_salt = options.owner_salt;
    mount.shown = {options.uid, options.gid, options.umask};
  }
  ~State() {
    if (session != nullptr) {
      fuse_session_destroy(session);  // Closes the descriptor: what is still mounted answers ENOTCONN.
    } else if (options.device >= 0) {
      ::close(options.device);
    }
    if (options.stream >= 0) ::close(options.stream);
    std::free(buffer.mem);  // NOLINT(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory): libfuse
                            // allocated it
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Result<void> mount_now();
  Result<void> join_stream();
  Task<void> serve_stream();
  void poll();
  void receive();
  void end();

  Mount mount;
  SessionOptions options;
  async::UvRuntime& loop;
  WorkPool& pool;
  std::string device_number;  ///< Of the mount, as mountinfo has it; empty when it cannot be seen from here.
  fuse_session* session = nullptr;
  fuse_buf buffer{};
  std::unique_ptr<uv_poll_t> watcher;
  bool watching = false;
  bool unmounting = false;
  std::unique_ptr<StreamKernel> stream;
  async::Gate serving;  ///< The stream.
  async::Event ended;
};

Result<void> Session::State::join_stream() {
  stream = std::make_unique<StreamKernel>(
      async::adopt_socket(loop, std::exchange(options.stream, -1), options.mountpoint), mount);
  mount.stream = stream.get();
  static constexpr fuse_custom_io kStreamIo{
      .writev = send_to_stream, .read = receive_nothing, .splice_receive = nullptr, .splice_send = nullptr};
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);  // libfuse wants a descriptor to close
  if (nothing < 0 || fuse_session_custom_io(session, &kStreamIo, nothing) != 0) {
    if (nothing >= 0) ::close(nothing);
    return fail(ErrorCode::kIo, "libfuse takes no stream");
  }
  serving.spawn(serve_stream());
  return {};
}

Task<void> Session::State::serve_stream() {
  co_await stream->serve(session);
  end();
}

void Session::State::poll() {
  watcher = std::make_unique<uv_poll_t>();
  FLASHSTOR_CHECK(uv_poll_init(loop.loop(), watcher.get(), fuse_session_fd(session)) == 0);
  watcher->data = this;
  watching = true;
  FLASHSTOR_CHECK(
      uv_poll_start(watcher.get(), UV_READABLE | UV_DISCONNECT, [](uv_poll_t* handle, int status, int) {
        auto* self = static_cast<State*>(handle->data);
        if (status < 0 && status != UV_EBADF) {
          self->end();
          return;
        }
        self->receive();
      }) == 0);
}

void Session::State::receive() {
  for (int i = 0; i < kRequestsPerTurn && watching; ++i) {
    const int size = fuse_session_receive_buf(session, &buffer);
    if (size == -EINTR) continue;
    if (size == -EAGAIN) return;
    if (size <= 0) return end();  // 0: unmounted; anything else: the descriptor is dead
    fuse_session_process_buf(session, &buffer);
    if (fuse_session_exited(session) != 0) return end();
  }
}

void Session::State::end() {
  if (watching) {
    watching = false;
    uv_poll_stop(watcher.get());
    uv_close(reinterpret_cast<uv_handle_t*>(watcher.release()), [](uv_handle_t* handle) {
      const std::unique_ptr<uv_poll_t> closed(reinterpret_cast<uv_poll_t*>(handle));
    });
  }
  ended.set();
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

const SessionOptions& Session::options() const { return state_->options; }
bool Session::mounted() const { return !state_->ended.is_set(); }
Task<void> Session::wait_ended() { co_await state_->ended.wait(); }

Task<bool> Session::wait_ended_until(MonotonicTime deadline) {
  co_return co_await state_->ended.wait_until(deadline);
}

// Blocks: a mount point may lie in another mount.
Result<void> Session::State::mount_now() {
  if (options.device < 0) {
    if (auto usable = check_mount_point(options.mountpoint); !usable) return usable;
  }
  const std::string place =
      options.device >= 0 ? "/dev/fd/" + std::to_string(options.device) : options.mountpoint;
  if (fuse_session_mount(session, place.c_str()) != 0)
    return fail(ErrorCode::kIo, "cannot mount at " + options.mountpoint +
                                    " (is /dev/fuse there, and fuse3 installed for an ordinary user?)");
  const int descriptor = fuse_session_fd(session);
  if (::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK) != 0)
    return std::unexpected(base::errno_error(errno, "set non-blocking", "/dev/fuse"));
  device_number = mounted_device(options.mountpoint).value_or("");
  return {};
}

Task<Result<std::unique_ptr<Session>>> Session::start(async::UvRuntime& runtime, WorkPool& pool,
                                                      files::VolumeApi& volume, AccessApi& access,
                                                      files::InodeId root, SessionOptions options) {
  auto state = std::make_unique<State>(runtime, volume, access, root, std::move(options), pool);
  Arguments arguments(state->options);
  const fuse_lowlevel_ops& table = operations();
  state->session = fuse_session_new(arguments.get(), &table, sizeof table, &state->mount);
  if (state->session == nullptr) co_return fail(ErrorCode::kIo, "libfuse refused the session's options");
  state->mount.session = state->session;
  State* raw = state.get();
  if (state->options.stream >= 0) {
    const Result<void> joined = state->join_stream();
    if (!joined) {
      co_await state->mount.gate.close();
      co_return std::unexpected(joined.error());
    }
    co_return std::unique_ptr<Session>(new Session(std::move(state)));  // NOLINT: private constructor
  }
  const Result<void> mounted = co_await async::offload(pool, [raw] { return raw->mount_now(); });
  if (!mounted) {
    co_await state->mount.gate.close();
    co_return std::unexpected(mounted.error());
  }
  state->poll();
  co_return std::unique_ptr<Session>(new Session(std::move(state)));  // NOLINT: private constructor
}

Task<Result<void>> Session::stop() {
  // First what was written, while the mount still stands; then no new requests; then what those under way
  // wrote.
  Result<void> published = co_await state_->mount.volume.sync_all();
  if (state_->stream != nullptr) {
    state_->stream->close();
    co_await state_->serving.close();
  } else if (!state_->ended.is_set() && !state_->unmounting) {
    state_->unmounting = true;
    State* raw = state_.get();
    const auto unmount_it = [raw](bool lazy) {
      return unmount(raw->options.mountpoint, raw->device_number, lazy);
    };
    Result<void> gone = co_await async::offload(state_->pool, [unmount_it] { return unmount_it(false); });
    if (!gone && gone.error().code() != ErrorCode::kNotFound)
      gone = co_await async::offload(state_->pool, [unmount_it] { return unmount_it(true); });
    if (!gone) base::log_warning("{}: {}", state_->options.mountpoint, gone.error().describe());
  }
  state_->end();
  state_->mount.cancel_lock_waits();
  co_await state_->mount.gate.close();
  if (const auto rest = co_await state_->mount.volume.sync_all(); !rest && published) published = rest;
  co_return published;
}

}  // namespace flashstor::fusefs
