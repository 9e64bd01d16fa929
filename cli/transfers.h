#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/progress.h"
#include "cli/s3_client.h"
#include "cli/session.h"
#include "cli/transfer_pool.h"

namespace flashstor::cli {

/// One end of a transfer inside an S3.
struct RemoteObject {
  S3Client* client = nullptr;
  std::string bucket;
  std::string key;
  std::string version_id;  ///< Of a source.
  ObjectInfo info;         ///< Of a source: size, ETag and time.
  [[nodiscard]] std::string text() const { return client->alias().name + "/" + bucket + "/" + key; }
};

struct TransferOptions {
  PutOptions put;
  bool replace_metadata = false;  ///< Of copies: `put` instead of the source's.
  bool preserve = false;          ///< Downloads get the object's time.
};

/// Moves objects between files and S3, several at once, large ones in parts. `done` of each comes from a pool
/// thread (or, for what fails at once, from the caller's), once. What was interrupted continues where it was
/// when it is asked for again. Threads: starting from one; objects given must live until their `done`.
class Transfers {
 public:
  using Done = std::function<void(Result<void>)>;
  explicit Transfers(Session& session);

  /// The file's content as it is when it is read; kIncompleteBody when it shrinks meanwhile.
  void upload(const std::string& path, std::uint64_t bytes, WallTime modified, const RemoteObject& to,
              const TransferOptions& options, Done done);
  /// Appears under its name whole or not at all; `NAME.part` beside it holds what has come so far.
  void download(const RemoteObject& from, const std::string& path, const TransferOptions& options, Done done);
  /// Inside the server when both sides are of one alias, otherwise through this machine's memory.
  void copy(const RemoteObject& from, const RemoteObject& to, const TransferOptions& options, Done done);
  /// Waits for all of them.
  void finish() { pool_.drain(); }
  [[nodiscard]] Progress& progress() { return progress_; }

 private:
  void upload_parts(const std::string& path, std::uint64_t bytes, WallTime modified, const RemoteObject& to,
                    const TransferOptions& options, Done done);
  void download_parts(const RemoteObject& from, const std::string& path, const TransferOptions& options,
                      Done done);
  void copy_inside(const RemoteObject& from, const RemoteObject& to, const TransferOptions& options,
                   Done done);
  void relay(const RemoteObject& from, const RemoteObject& to, const TransferOptions& options, Done done);

  Session& session_;
  Progress progress_;
  TransferPool pool_;
};

/// Counts progress of one body up to the farthest byte sent, so that repeats count once.
[[nodiscard]] std::function<void(std::uint64_t)> progress_counter(Progress& progress);
/// What a server is told of a file by its name's ending; application/octet-stream otherwise.
[[nodiscard]] std::string content_type_of(std::string_view name);
/// Sends back the source's own metadata.
[[nodiscard]] PutOptions put_options_of(const ObjectInfo& info);

}  // namespace flashstor::cli
