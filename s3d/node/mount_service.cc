#include "s3d/node/mount_service.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "engine/async/uv_socket.h"
#include "engine/base/json.h"
#include "engine/base/log.h"
#include "fusefs/kernel_mount.h"
#include "s3d/node/mount_handover.h"
#include "s3d/node/mount_limits.h"

namespace flashstor::s3d {

/// A bucket that is mounted at least once.
struct MountService::Served {
  LoopContext& loop;
  std::unique_ptr<files::Volume> volume;
  std::size_t mounts = 0;
};

/// One mount. All but `served` is used on its loop.
struct MountService::Mounted {
  std::uint64_t id = 0;
  std::string bucket;
  std::string mountpoint;
  Served* served = nullptr;
  std::unique_ptr<MountAccess> access;
  std::unique_ptr<fusefs::Session> session;
  bool leaving = false;
  async::Signal nudge;  ///< The mount ended, or is to end.
  async::Gate gate;
};

namespace {

using async::OwnedDescriptor;

Task<void> ask_to_leave(bool* leaving, async::Signal* nudge, files::Volume* volume) {
  *leaving = true;
  if (volume != nullptr) volume->stop_moving();
  nudge->notify_all();
  co_return;
}

Task<Result<void>> close_volume(std::unique_ptr<files::Volume>* volume) {
  Result<void> closed;
  if (*volume != nullptr) closed = co_await (*volume)->close();
  volume->reset();
  co_return closed;
}

/// A mount as --mount asks for it: BUCKET=DIR.
fusefs::SessionOptions configured(const std::string& words) {
  const auto equals = words.find('=');
  std::error_code error;
  fusefs::SessionOptions options{.bucket = words.substr(0, equals),
                                 .mountpoint = std::filesystem::absolute(words.substr(equals + 1), error),
                                 .allow_other = ::geteuid() == 0};
  while (options.mountpoint.size() > 1 && options.mountpoint.ends_with('/')) options.mountpoint.pop_back();
  return options;
}

}  // namespace

MountService::MountService(Environment environment)
    : environment_(std::move(environment)),
      files_([this](std::string message, std::string challenge, std::string peer, int stream) {
        return join(std::move(message), std::move(challenge), std::move(peer), stream);
      }) {}
MountService::~MountService() = default;

Task<Result<void>> MountService::start(NodeContext& context) {
  context_ = &context;
  std::vector<async::UvRuntime*> loops;
  for (const LoopContext& loop : context.loops) loops.push_back(&loop.runtime);
  files_.open(std::move(loops));
  auto mounted = co_await mount_configured();
  if (mounted) mounted = open_socket();
  if (!mounted) co_await stop();  // The node stops only what started.
  co_return mounted;
}

Task<void> MountService::stop() {
  files_.close();
  if (socket_ != nullptr) co_await socket_->close();
  std::vector<MountedRef> all;
  for (const auto& [_, mounted] : mounted_) all.push_back(mounted);
  for (const MountedRef& mounted : all)
    co_await async::run_on(mounted->served->loop.runtime,
                           ask_to_leave(&mounted->leaving, &mounted->nudge, mounted->served->volume.get()));
  co_await gate_.close();
}

Task<Result<void>> MountService::mount_configured() {
  std::vector<fusefs::SessionOptions> wanted;
  for (const std::string& words : context_->options.mounts) wanted.push_back(configured(words));
  // A start that cannot mount leaves no buckets behind.
  for (const fusefs::SessionOptions& options : wanted)
    co_await or_return(co_await async::offload(
        context_->pool, [&options] { return fusefs::check_mount_point(options.mountpoint); }));
  for (fusefs::SessionOptions& options : wanted) {
    co_await or_return(make_bucket(options.bucket));
    const std::string root = context_->iam.snapshot()->root->access_key;
    std::string bucket = options.bucket;
    co_await or_return(mount(std::move(bucket), root, std::move(options)));
  }
  co_return Result<void>();
}

Task<Result<void>> MountService::make_bucket(std::string bucket) {
  objects::ObjectStore& store = context_->loops.front().store;
  const auto found = co_await store.head_bucket(bucket);
  if (found) co_return Result<void>();
  if (found.error().code() != ErrorCode::kNoSuchBucket) co_return std::unexpected(found.error());
  const NodeFacts& facts = context_->loops.front().services.facts;
  const auto made = co_await store.create_bucket(
      {.name = bucket, .owner = context_->iam.snapshot()->root->canonical_id, .region = facts.region});
  if (!made && made.error().code() != ErrorCode::kBucketOwnedByCaller)
    co_return std::unexpected(made.error());
  co_return Result<void>();
}

std::vector<std::string> MountService::socket_places() const {
  if (!context_->options.socket.empty()) return {context_->options.socket};
  // The name tells the nodes of one machine apart.
  const bool gateway = context_->options.drives.empty();
  const std::string drive = gateway ? context_->options.address : context_->options.drives.front();
  // Nothing is asked of the drive: it may hang.
  std::error_code error;
  const std::string whole =
      gateway ? drive : std::filesystem::absolute(drive, error).lexically_normal().string();
  const std::string name = fmt::format("mount-{:016x}.sock", std::hash<std::string>()(whole));
  std::vector<std::string> places;
  if (const auto folder = environment_("XDG_RUNTIME_DIR"); folder && folder->starts_with('/'))
    places.push_back(*folder + "/flashstor/" + name);
  places.push_back("/run/flashstor/" + name);
  if (!gateway) places.push_back(drive + "/.flashstor/mount.sock");
  return places;
}

Result<void> MountService::open_socket() {
  Result<void> failure;
  for (const std::string& place : socket_places()) {
    auto opened = MountSocket::open(
        context_->loops.front().runtime, place,
        [this](std::string message, int device) { return answer(std::move(message), device); });
    if (opened) {
      socket_ = std::move(*opened);
      socket_path_ = place;
      socket_->start();
      return {};
    }
    failure = std::unexpected(opened.error());
  }
  if (!context_->options.socket.empty()) return failure;
  base::log_warning("no mount socket, so flashctl cannot mount: {}", failure.error().describe());
  return {};
}

Task<std::string> MountService::answer(std::string message, int device) {
  co_return handover_answer(co_await take_over(std::move(message), device));
}

// On any loop.
Task<Result<std::uint64_t>> MountService::join(std::string message, std::string challenge, std::string peer,
                                               int stream) {
  co_return co_await async::run_on(
      context_->loops.front().runtime,
      take_stream(std::move(message), std::move(challenge), std::move(peer), stream));
}

Task<Result<std::uint64_t>> MountService::take_stream(std::string message, std::string challenge,
                                                      std::string peer, int stream) {
  OwnedDescriptor owned(stream);
  HandoverRequest request = co_await or_return(parse_handover(message));
  if (request.challenge != challenge)
    co_return fail(ErrorCode::kSignatureMismatch, "the message does not answer the node's challenge");
  Services& services = context_->loops.front().services;
  co_await or_return(verify_handover(request, services.authorizer.identities(), services.runtime.wall_now()));
  fusefs::SessionOptions options = co_await or_return(session_options(request.options));
  options.bucket = request.bucket;
  options.mountpoint = fmt::format("{} of {}", request.mountpoint, peer);
  options.stream = owned.release();
  co_return co_await mount(std::move(request.bucket), std::move(request.access_key), std::move(options));
}

Task<Result<std::uint64_t>> MountService::take_over(std::string message, int device) {
  OwnedDescriptor owned(device);
  HandoverRequest request = co_await or_return(parse_handover(message));
  Services& services = context_->loops.front().services;
  co_await or_return(verify_handover(request, services.authorizer.identities(), services.runtime.wall_now()));
  fusefs::SessionOptions options = co_await or_return(session_options(request.options));
  if (device < 0) co_return fail(ErrorCode::kMalformed, "no descriptor came with the message");
  options.bucket = request.bucket;
  options.mountpoint = request.mountpoint;
  options.device = owned.release();
  co_return co_await mount(std::move(request.bucket), std::move(request.access_key), std::move(options));
}

Task<Result<std::uint64_t>> MountService::mount(std::string bucket, std::string access_key,
                                                fusefs::SessionOptions options) {
  co_await changes_.acquire();
  auto id = co_await mount_in_turn(std::move(bucket), std::move(access_key), std::move(options));
  changes_.release();
  co_return id;
}

MountService::Served& MountService::served_for(const std::string& bucket) {
  auto& served = served_[bucket];
  if (served == nullptr) {
    const std::size_t loop = std::hash<std::string>()(bucket) % context_->loops.size();
    served = std::make_unique<Served>(context_->loops[loop], nullptr);
  }
  return *served;
}

Task<Result<std::uint64_t>> MountService::mount_in_turn(std::string bucket, std::string access_key,
                                                        fusefs::SessionOptions options) {
  OwnedDescriptor device(options.device);
  OwnedDescriptor stream(options.stream);
  if (mounted_.size() >= mount_limits::kMaxMounts)
    co_return fail(ErrorCode::kTooManyRequests, "the node serves as many mounts as it can");
  const auto mounted = std::make_shared<Mounted>();
  mounted->id = next_id_++;
  mounted->bucket = bucket;
  mounted->mountpoint = options.mountpoint;
  mounted->served = &served_for(bucket);
  ++mounted->served->mounts;
  options.owner_salt = mounted->id * 0x9e3779b97f4a7c15;
  const auto begin = [](Mounted* self, std::string key, fusefs::SessionOptions words, WorkPool* pool,
                        OwnedDescriptor* held, OwnedDescriptor* joined) -> Task<Result<void>> {
    Served& served = *self->served;
    LoopContext& loop = served.loop;
    auto found = co_await or_return(loop.store.head_bucket(self->bucket));
    self->access = std::make_unique<MountAccess>(loop.services, std::move(found), std::move(key));
    co_await or_return(self->access->check_mount());
    if (served.volume == nullptr)
      served.volume = co_await or_return(
          files::Volume::open(loop.store, self->bucket,
                              files::FileDefaults{.uid = ::geteuid(), .gid = ::getegid()}, loop.runtime));
    words.device = held->release();  // The session's from here on.
    words.stream = joined->release();
    self->session = co_await or_return(fusefs::Session::start(
        loop.runtime, *pool, *served.volume, *self->access, served.volume->root_inode(), std::move(words)));
    co_return Result<void>();
  };
  const auto begun = co_await async::run_on(
      mounted->served->loop.runtime,
      begin(mounted.get(), std::move(access_key), std::move(options), &context_->pool, &device, &stream));
  if (!begun) {
    co_await leave(*mounted->served);
    co_return std::unexpected(begun.error());
  }
  mounted_[mounted->id] = mounted;
  base::log_info("bucket {} is mounted on {}", mounted->bucket, mounted->mountpoint);
  gate_.spawn(watch(mounted));
  co_return mounted->id;
}

Task<void> MountService::watch(MountedRef mounted) {
  // On the mount's loop: waits for its end, and keeps what is known of the bucket fresh.
  const auto follow = [](Mounted* self) -> Task<Result<void>> {
    Runtime& runtime = self->served->loop.runtime;
    self->gate.spawn([](Mounted* of) -> Task<void> {
      co_await of->session->wait_ended();
      of->nudge.notify_all();
    }(self));
    while (self->session->mounted() && !self->leaving) {
      co_await self->nudge.wait_until(runtime.now() + mount_limits::kBucketLook);
      auto bucket = co_await self->served->loop.store.head_bucket(self->bucket);
      if (bucket) {
        self->access->set_bucket(std::move(*bucket));
      } else if (bucket.error().code() == ErrorCode::kNoSuchBucket) {
        self->access->set_bucket(nullptr);
      }
    }
    Result<void> published = co_await self->session->stop();
    co_await self->gate.close();
    self->session.reset();
    self->access.reset();
    co_return published;
  };
  const auto ended = co_await async::run_on(mounted->served->loop.runtime, follow(mounted.get()));
  if (!ended)
    base::log_error("{}: not everything written could be stored: {}", mounted->mountpoint,
                    ended.error().describe());
  co_await changes_.acquire();
  mounted_.erase(mounted->id);
  co_await leave(*mounted->served);
  changes_.release();
  base::log_info("bucket {} is not mounted on {} any more", mounted->bucket, mounted->mountpoint);
}

Task<void> MountService::leave(Served& served) {
  if (--served.mounts > 0) co_return;
  const auto closed = co_await async::run_on(served.loop.runtime, close_volume(&served.volume));
  if (!closed) base::log_error("closing a mounted bucket: {}", closed.error().describe());
  std::erase_if(served_, [&served](const auto& one) { return one.second.get() == &served; });
}

}  // namespace flashstor::s3d
