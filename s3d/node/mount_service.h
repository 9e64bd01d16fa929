#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/async/sync.h"
#include "engine/files/volume.h"
#include "fusefs/session.h"
#include "s3d/node/files_door.h"
#include "s3d/node/mount_access.h"
#include "s3d/node/mount_socket.h"
#include "s3d/node/service.h"

namespace flashstor::s3d {

/// The buckets that this node serves as file systems: those of --mount, those that clients hand over through
/// the mount socket, and those of other hosts, on the channel of files. All mounts of a bucket share one
/// Volume on one loop; buckets are spread over the loops. Order:   when it has stopped, everything written
/// through the mounts is durable and nothing is mounted. Threads: loop 0, but `socket_path`.
class MountService final : public NodeService {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& name)>;
  /// `environment` tells XDG_RUNTIME_DIR.
  explicit MountService(Environment environment);
  ~MountService() override;
  [[nodiscard]] std::string_view name() const override { return "mounts"; }
  /// Errors: of the mounts asked for. A socket that cannot be made is only a warning, unless it was asked
  /// for by name.
  Task<Result<void>> start(NodeContext& context) override;
  Task<void> stop() override;
  [[nodiscard]] ConnectionTaker* upgrades() override { return &files_; }
  /// Where clients hand mounts over; empty when they cannot. From any thread once the node serves.
  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }

 private:
  struct Served;
  struct Mounted;
  using MountedRef = std::shared_ptr<Mounted>;

  Task<Result<void>> mount_configured();
  Task<Result<void>> make_bucket(std::string bucket);
  Result<void> open_socket();
  [[nodiscard]] std::vector<std::string> socket_places() const;
  Task<std::string> answer(std::string message, int device);
  Task<Result<std::uint64_t>> take_over(std::string message, int device);
  Task<Result<std::uint64_t>> join(std::string message, std::string challenge, std::string peer, int stream);
  Task<Result<std::uint64_t>> take_stream(std::string message, std::string challenge, std::string peer,
                                          int stream);
  /// Owns options.device and options.stream. Gives the mount's id.
  Task<Result<std::uint64_t>> mount(std::string bucket, std::string access_key,
                                    fusefs::SessionOptions options);
  Task<Result<std::uint64_t>> mount_in_turn(std::string bucket, std::string access_key,
                                            fusefs::SessionOptions options);
  Task<void> watch(MountedRef mounted);
  /// One mount less on `served`; the last one closes the volume.
  Task<void> leave(Served& served);
  Served& served_for(const std::string& bucket);

  Environment environment_;
  FilesDoor files_;
  NodeContext* context_ = nullptr;
  std::string socket_path_;
  std::unique_ptr<MountSocket> socket_;
  async::Semaphore changes_{1};  ///< One mount begins or ends at a time.
  std::map<std::string, std::unique_ptr<Served>> served_;
  std::map<std::uint64_t, MountedRef> mounted_;
  std::uint64_t next_id_ = 1;
  async::Gate gate_;
};

}  // namespace flashstor::s3d
