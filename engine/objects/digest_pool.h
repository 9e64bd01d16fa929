#pragma once

#include <array>
#include <coroutine>
#include <mutex>
#include <span>
#include <vector>

#include "engine/async/work_pool.h"
#include "engine/base/buffer.h"
#include "engine/codec/checksum.h"
#include "engine/codec/md5.h"

namespace flashstor::objects {

/// Digests of large bodies, off the loops. Pieces of several bodies that wait at the same time are hashed
/// side by side (codec/md5.h): the more streams, the less each costs, and no loop is held up for milliseconds
/// by a MiB of MD5. One a process. Threads: any; outlives what it is asked to do.
class DigestPool {
 public:
  explicit DigestPool(WorkPool& pool);
  DigestPool(const DigestPool&) = delete;
  DigestPool& operator=(const DigestPool&) = delete;

  /// What is to be updated with the same bytes. `others` may be null.
  struct Streams {
    codec::Md5* md5 = nullptr;
    std::array<codec::Hasher*, 2> others{};
  };

  /// `co_await pool.update(streams, bytes)`: comes back to this runtime when all have taken the bytes, of
  /// which they keep nothing. One update of a stream at a time.
  class Update : async::Work {
   public:
    Update(DigestPool& pool, Streams streams, std::span<const std::byte> bytes)
        : pool_(pool), streams_(streams), bytes_(bytes) {}
    bool await_ready() const noexcept { return bytes_.empty(); }
    void await_suspend(std::coroutine_handle<> waiting);
    void await_resume() const noexcept {}

   private:
    friend class DigestPool;
    DigestPool& pool_;
    Streams streams_;
    std::span<const std::byte> bytes_;
    std::coroutine_handle<> waiting_;
    Runtime* home_ = nullptr;
  };
  [[nodiscard]] Update update(Streams streams, std::span<const std::byte> bytes) {
    return {*this, streams, bytes};
  }

 private:
  static constexpr std::size_t kMostRunners = 16;
  struct Runner : async::Work {
    DigestPool* owner = nullptr;
    bool busy = false;
  };
  void push(Update& update);
  void drain(Runner& runner);

  WorkPool& pool_;
  std::mutex mutex_;
  std::vector<Update*> waiting_;  // the oldest first
  std::array<Runner, kMostRunners> runners_;
};

}  // namespace flashstor::objects
