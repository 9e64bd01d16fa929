#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <unordered_map>

#include "cli/fuse_device.h"
#include "cli/raw_connection.h"

namespace flashstor::cli {

/// Carries the requests of this machine's kernel to a node on another host, and the answers back, until the
/// folder is unmounted. When the connection is lost, what was under way is answered with an error (its
/// outcome is not known), and another connection is made, for as long as it takes. Meanwhile files that were
/// open answer ESTALE, and who asks for a name waits, or is killed. Blocks; threads: one.
class KernelRelay {
 public:
  /// Opens the channel of files anew.
  using Connect = std::function<Result<RawConnection>()>;
  /// `stop` becomes readable when the mount is to end (-1: nothing asks for it); then `unmount` is called,
  /// until it has unmounted the folder.
  KernelRelay(Descriptor device, RawConnection connection, Connect connect, int stop,
              std::function<void()> unmount);
  /// Returns once the folder is unmounted. Errors: kIo when /dev/fuse fails.
  [[nodiscard]] Result<void> run();

 private:
  enum class End : std::uint8_t { kUnmounted, kBroken };
  [[nodiscard]] Result<End> relay();
  [[nodiscard]] Result<bool> take_requests(bool connected);
  [[nodiscard]] Result<void> take_alone(std::string_view request);
  [[nodiscard]] bool send_requests();
  [[nodiscard]] Result<bool> take_answers();
  [[nodiscard]] Result<void> give_answer(std::string_view answer);
  [[nodiscard]] Result<void> fail(std::uint64_t unique, int error);
  [[nodiscard]] Result<void> fail_underway();
  [[nodiscard]] Result<bool> reconnect();
  void look_at_stop();

  Descriptor device_;
  RawConnection connection_;
  Connect connect_;
  int stop_;
  std::function<void()> unmount_;
  std::jthread unmounting_;  ///< Beside the relay: it may need answers.
  std::string requests_;     ///< Read of the kernel, not taken by the connection.
  std::string answers_;      ///< What came of the node and is no whole answer yet.
  std::string block_;
  std::string greeting_;              ///< The kernel's first request, which each node session begins with.
  std::uint64_t greeting_again_ = 0;  ///< Its number, while the answer to a repetition is to come.
  std::map<std::uint64_t, std::string> held_;  ///< Requests that wait for a connection, by number.
  std::unordered_map<std::uint64_t, std::uint32_t> underway_;  ///< Number and kind of each request.
};

}  // namespace flashstor::cli
