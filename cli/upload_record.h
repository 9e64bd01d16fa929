#pragma once

#include <optional>
#include <string>

#include <memory>

#include "cli/local_file.h"
#include "cli/multipart.h"
#include "cli/transfers.h"
#include "engine/base/error.h"

namespace flashstor::cli {

/// A note on this machine of an unfinished upload, so that the same file to the same key goes on where it
/// stopped. Kept in $XDG_STATE_HOME/flashstor/uploads, locked while in use: two flashctl never share an
/// upload.
class UploadRecord {
 public:
  /// For this file (path, size, time, part size) and target. Without a record there is no resuming: never an
  /// error.
  static UploadRecord open(const std::string& path, const PartPlan& plan, WallTime modified,
                           const RemoteObject& to);
  /// The upload id noted earlier.
  [[nodiscard]] const std::string& upload_id() const { return upload_id_; }
  /// Notes the upload before its first part.
  void remember(const std::string& upload_id);
  /// The upload is complete or gone.
  void forget();

 private:
  std::shared_ptr<LocalFile> file_;
  std::string path_;
  std::string upload_id_;
};

}  // namespace flashstor::cli
