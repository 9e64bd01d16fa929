#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "tests/sim/client_world.h"
#include "tests/sim/sim_medium.h"
#include "tests/sim/sim_runtime.h"

namespace flashstor::sim {

/// What processes of all kinds have: a loop, threads, drives that are cut off when it is killed, and calls of
/// clients that it waits for before it ends. A killed one runs to its end as a ghost, so that whatever it
/// holds is taken down as the code takes it down when all drives fail, and nothing leaks.
class ProcessNode : public ClientNode {
 public:
  ProcessNode(SimWorld& world, std::uint64_t number, ClockSkew skew = {})
      : ClientNode(number), runtime_(world, skew), pool_(world, Milliseconds(1)) {}

  void spawn(Task<void> task) override {
    ++running_;
    runtime_.enter([this, &task] { async::start_detached(counted(std::move(task))); });
  }
  [[nodiscard]] SimRuntime& runtime() { return runtime_; }

  bool ready = false;
  bool failed = false;
  bool gone = false;
  bool finishing = false;

 protected:
  /// The drive is the process's own from now on.
  std::unique_ptr<storage::StorageApi> adopt(OpenedDrive drive) {
    if (!drive.storage) return nullptr;
    kills_.push_back(std::move(drive.kill));
    idles_.push_back(std::move(drive.idle));
    return std::move(drive.storage);
  }
  void cut_off_drives() {
    for (const auto& kill : kills_) kill();
  }
  /// Something of a drive or of the threads is under way.
  [[nodiscard]] bool drives_busy() const {
    return !pool_.idle() || std::ranges::any_of(idles_, [](const auto& idle) { return !idle(); });
  }
  /// `running_` was raised for it.
  Task<void> counted(Task<void> task) {
    co_await std::move(task);
    --running_;
  }

  SimRuntime runtime_;
  SimWorkPool pool_;
  std::size_t running_ = 0;
  bool opening_ = false;

 private:
  std::vector<std::function<void()>> kills_;
  std::vector<std::function<bool()>> idles_;
};

}  // namespace flashstor::sim
