#include "fusefs/session.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstdlib>

#include "fusefs/mount.h"

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

}  // namespace

struct Session::State {
  State(async::UvRuntime& runtime, files::VolumeApi& volume, AccessApi& access, files::InodeId root,
        SessionOptions words)
      : mount(runtime, volume, access, root), options(std::move(words)), loop(runtime) {
    mount.owner_salt = options.owner_salt;
  }
  ~State() {
    if (session != nullptr) fuse_session_destroy(session);
    std::free(buffer.mem);  // NOLINT(cppcoreguidelines-no-malloc): libfuse allocated it
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void poll();
  void receive();
  void end();

  Mount mount;
  SessionOptions options;
  async::UvRuntime& loop;
  fuse_session* session = nullptr;
  fuse_buf buffer{};
  std::unique_ptr<uv_poll_t> watcher;
  bool watching = false;
  bool unmounted = false;
  async::Event ended;
};

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

Result<std::unique_ptr<Session>> Session::start(async::UvRuntime& runtime, files::VolumeApi& volume,
                                                AccessApi& access, files::InodeId root,
                                                SessionOptions options) {
  struct stat found{};
  if (options.device < 0 && (::stat(options.mountpoint.c_str(), &found) != 0 || !S_ISDIR(found.st_mode)))
    return fail(ErrorCode::kNotFound, "mount point " + options.mountpoint + " is not a directory");
  auto state = std::make_unique<State>(runtime, volume, access, root, std::move(options));
  Arguments arguments(state->options);
  const fuse_lowlevel_ops& table = operations();
  state->session = fuse_session_new(arguments.get(), &table, sizeof table, &state->mount);
  if (state->session == nullptr) return fail(ErrorCode::kIo, "libfuse refused the session's options");
  const std::string place = state->options.device >= 0 ? "/dev/fd/" + std::to_string(state->options.device)
                                                       : state->options.mountpoint;
  if (fuse_session_mount(state->session, place.c_str()) != 0)
    return fail(ErrorCode::kIo, "cannot mount at " + state->options.mountpoint +
                                    " (is /dev/fuse there, and fuse3 installed for an ordinary user?)");
  const int descriptor = fuse_session_fd(state->session);
  if (::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK) != 0)
    return std::unexpected(base::errno_error(errno, "set non-blocking", "/dev/fuse"));
  state->poll();
  return std::unique_ptr<Session>(new Session(std::move(state)));  // NOLINT: private constructor
}

Task<Result<void>> Session::stop() {
  // First what was written, while the mount still stands; then no new requests; then what those under way
  // wrote.
  Result<void> published = co_await state_->mount.volume.sync_all();
  if (!state_->unmounted) {
    state_->unmounted = true;
    if (state_->options.device < 0 || !state_->ended.is_set()) fuse_session_unmount(state_->session);
  }
  state_->end();
  co_await state_->mount.gate.close();
  if (const auto rest = co_await state_->mount.volume.sync_all(); !rest && published) published = rest;
  co_return published;
}

}  // namespace flashstor::fusefs
