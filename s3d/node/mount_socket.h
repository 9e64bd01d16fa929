#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/uv_poller.h"

namespace flashstor::s3d {

/// The Unix socket over which clients of this machine hand mounted /dev/fuse descriptors to the node. A
/// client sends a 4-byte little-endian length and that many bytes of JSON, the descriptor with them
/// (SCM_RIGHTS), and gets a message of the same form. One exchange a connection. Only root and the node's own
/// user are heard. Threads: its runtime's.
class MountSocket {
 public:
  /// Answers one message; owns `device`. Gives the JSON of the answer.
  using Handler = std::function<Task<std::string>(std::string message, int device)>;

  /// Makes the folder (mode 0700) and the socket (0600); one that nobody serves any more is replaced.
  /// Errors: kBusy when somebody serves it, kNameTooLong, kIo, kNotPermitted.
  static Result<std::unique_ptr<MountSocket>> open(async::UvRuntime& runtime, const std::string& path,
                                                   Handler handler);
  MountSocket(const MountSocket&) = delete;
  MountSocket& operator=(const MountSocket&) = delete;
  ~MountSocket();

  [[nodiscard]] const std::string& path() const { return path_; }
  void start();
  /// Hears nobody any more, and removes the socket. Exchanges under way are broken off unless the handler
  /// has begun.
  Task<void> close();

 private:
  MountSocket(async::UvRuntime& runtime, int listener, std::string path, Handler handler);
  Task<void> accept();
  Task<void> serve(int descriptor);

  async::UvRuntime& runtime_;
  std::string path_;
  Handler handler_;
  async::UvPoller listener_;
  std::vector<async::UvPoller*> open_;
  async::Gate gate_;
};

}  // namespace flashstor::s3d
