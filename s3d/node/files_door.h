#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "engine/async/uv_runtime.h"
#include "s3d/http/server.h"

namespace flashstor::s3d {

/// Where the client of another host asks for the channel of files, and what the channel is called.
inline constexpr std::string_view kFilesPath = "/flashstor/files/v1";
inline constexpr std::string_view kFilesUpgrade = "flashstor-files";
inline constexpr std::string_view kFilesChallenge = "Flashstor-Challenge";

/// The channel `files` of cluster.md: mounts on other hosts. The connection is upgraded from HTTP; the node
/// gives a challenge, the client answers with the message of a handover (mount_handover.h) that signs it, and
/// from then on the connection carries the requests of the client's kernel and the answers, as /dev/fuse
/// does. Nobody needs the cluster's secret. Over http:// what goes over the wire can be read and changed on
/// its way, as with S3. Threads: `take` on any loop.
class FilesDoor final : public ConnectionTaker {
 public:
  /// Mounts as `message` asks, when it signs `challenge`; owns `stream`, a connected socket. Gives the
  /// mount's id. On the caller's loop.
  using Mounter = std::function<Task<Result<std::uint64_t>>(std::string message, std::string challenge,
                                                            std::string peer, int stream)>;
  explicit FilesDoor(Mounter mounter) : mounter_(std::move(mounter)) {}
  /// From now on connections are taken; `loops` are all that connections come on.
  void open(std::vector<async::UvRuntime*> loops);
  void close() { open_.store(false, std::memory_order_release); }

  [[nodiscard]] ConnectionTaker* taker_of(const Request& request) override;
  Task<void> take(async::Connection& connection, std::string authorization) override;

 private:
  Task<Result<std::string>> greet(async::Connection& connection, async::UvRuntime& loop,
                                  std::string challenge);
  [[nodiscard]] async::UvRuntime* loop_here() const;

  Mounter mounter_;
  std::vector<async::UvRuntime*> loops_;
  std::atomic<bool> open_ = false;
};

}  // namespace flashstor::s3d
