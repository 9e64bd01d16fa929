#pragma once

#include <fcntl.h>
#include <linux/fuse.h>

#include <memory>
#include <string>

#include "engine/async/uv_runtime.h"
#include "engine/files/file_commands.h"
#include "engine/files/volume.h"
#include "engine/objects/commands.h"
#include "fusefs/mount.h"
#include "tests/support/fake_set.h"

namespace flashstor::fuzz {

class Everybody final : public fusefs::AccessApi {
 public:
  Result<void> check(fusefs::AccessKind, std::string_view) override { return {}; }
};

/// A bucket in memory, as a volume.
class MemoryBucket {
 public:
  explicit MemoryBucket(async::UvRuntime& runtime) : runtime_(runtime), cluster_(registered(registry_)) {
    FLASHSTOR_CHECK(runtime_.run_until(make_bucket(&store_)).has_value());
    auto opened = runtime_.run_until(files::Volume::open(store_, "bucket", {}, runtime_));
    FLASHSTOR_CHECK(opened.has_value());
    volume_ = std::move(*opened);
  }
  MemoryBucket(const MemoryBucket&) = delete;
  MemoryBucket& operator=(const MemoryBucket&) = delete;
  ~MemoryBucket() {
    volume_.reset();
    runtime_.run_until(store_.close());
  }
  [[nodiscard]] files::Volume& volume() { return *volume_; }

 private:
  static const cluster::CommandRegistry& registered(cluster::CommandRegistry& registry) {
    objects::register_object_commands(registry);
    files::register_file_commands(registry);
    return registry;
  }
  static Task<Result<void>> make_bucket(objects::ObjectStore* store) {
    objects::CreateBucketRequest request;
    request.name = "bucket";
    co_await or_return(store->create_bucket(std::move(request)));
    co_return {};
  }

  async::UvRuntime& runtime_;
  cluster::CommandRegistry registry_;
  flashstor::testing::FakeCluster cluster_;
  objects::BucketEpoch epoch_;
  base::SeededRandom random_{3};
  objects::ObjectStore store_{cluster_, epoch_, random_};
  std::unique_ptr<files::Volume> volume_;
};

/// A session of libfuse whose answers go to `take`.
class MemorySession {
 public:
  using Take = ssize_t (*)(int, iovec*, int, void*);
  MemorySession(fusefs::Mount& mount, Take take) {
    FLASHSTOR_CHECK(fuse_opt_add_arg(&words_, "fuzz") == 0);
    session_ = fuse_session_new(&words_, &fusefs::operations(), sizeof(fuse_lowlevel_ops), &mount);
    FLASHSTOR_CHECK(session_ != nullptr);
    const fuse_custom_io io{.writev = take,
                            .read = [](int, void*, std::size_t, void*) -> ssize_t { return -1; },
                            .splice_receive = nullptr,
                            .splice_send = nullptr};
    FLASHSTOR_CHECK(fuse_session_custom_io(session_, &io, ::open("/dev/null", O_RDWR | O_CLOEXEC)) == 0);
  }
  MemorySession(const MemorySession&) = delete;
  MemorySession& operator=(const MemorySession&) = delete;
  ~MemorySession() {
    fuse_session_destroy(session_);
    fuse_opt_free_args(&words_);
  }
  [[nodiscard]] fuse_session* get() { return session_; }

 private:
  fuse_args words_ = FUSE_ARGS_INIT(0, nullptr);
  fuse_session* session_ = nullptr;
};

/// A request as the kernel writes it.
inline std::string kernel_request(std::uint32_t opcode, std::uint64_t node, std::uint64_t unique,
                                  std::string_view arguments) {
  fuse_in_header head{};
  head.opcode = opcode;
  head.nodeid = node;
  head.unique = unique;
  head.len = static_cast<std::uint32_t>(sizeof head + arguments.size());
  return std::string(reinterpret_cast<const char*>(&head), sizeof head).append(arguments);
}

/// What a kernel begins with.
inline std::string kernel_greeting() {
  fuse_init_in init{};
  init.major = FUSE_KERNEL_VERSION;
  init.minor = 31;
  init.max_readahead = 131'072;
  init.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC | FUSE_DO_READDIRPLUS;
  return {reinterpret_cast<const char*>(&init), sizeof init};
}

}  // namespace flashstor::fuzz
