#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/async/sync.h"
#include "engine/async/work_pool.h"
#include "engine/storage/fill_pages.h"

namespace flashstor::cluster {

/// The frozen rows that drives here give to drives that are filled. A session that nobody asks for a while is
/// ended. Threads: `home`; what waits for a drive is done on a thread of its own.
class FillSessions {
 public:
  FillSessions(Runtime& home, storage::FileIo& io, storage::OpenRows open_rows, async::MakePool make_pool)
      : home_(home), io_(io), open_rows_(std::move(open_rows)), make_pool_(std::move(make_pool)) {}

  struct Opened {
    Uuid id;
    storage::AppliedState applied;
    std::uint64_t bytes = 0;  ///< That the rows take on their drive.
  };
  /// Freezes `rows`, the index of the drive at `path`. Errors: kBusy with kMaxFillSessions; of the drive.
  Task<Result<Opened>> open(storage::RowStore& rows, std::string path);
  /// Errors: kNotFound; of the copy.
  Task<Result<storage::RowPage>> read(Uuid id, Family family, std::string from);
  Task<void> close(Uuid id);
  /// Ends sessions that were left alone.
  Task<void> sweep();
  /// Ends all; false when one hangs in its drive and was left behind.
  Task<bool> stop();

 private:
  struct Session {
    std::unique_ptr<storage::RowStore> rows;
    std::string scratch;
    MonotonicTime used{};
    std::size_t busy = 0;
  };
  [[nodiscard]] WorkPool& pool();
  Task<void> end(std::unique_ptr<Session> session);

  Runtime& home_;
  storage::FileIo& io_;
  storage::OpenRows open_rows_;
  std::map<Uuid, std::unique_ptr<Session>> sessions_;
  async::MakePool make_pool_;
  std::unique_ptr<WorkPool> thread_;
  std::size_t under_way_ = 0;
};

}  // namespace flashstor::cluster
