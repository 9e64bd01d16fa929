#include "cli/upload_record.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "cli/digest.h"
#include "cli/local_file.h"
#include "engine/base/hex.h"

namespace flashstor::cli {
namespace {

std::string records_folder() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state && *state != '\0') return std::string(state) + "/flashstor/uploads";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : ".") + "/.local/state/flashstor/uploads";
}

}  // namespace

UploadRecord UploadRecord::open(const std::string& path, const PartPlan& plan, WallTime modified,
                                const RemoteObject& to) {
  UploadRecord record;
  const std::string folder = records_folder();
  if (!make_folders(folder)) return record;
  std::error_code ignored;
  const std::string identity =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", std::filesystem::absolute(path, ignored).native(),
                  plan.bytes, plan.part_bytes, base::to_nanoseconds(modified), to.client->alias().url.text(),
                  to.client->alias().credentials.access_key, to.bucket, to.key);
  record.path_ = folder + "/" + base::to_hex(sha256(identity));
  auto file = LocalFile::open_locked(record.path_, 0600);
  if (!file) return record;
  record.file_ = std::make_shared<LocalFile>(std::move(*file));
  std::string text(4096, '\0');
  const auto got = record.file_->read_at(0, text);
  if (got) record.upload_id_ = text.substr(0, *got);
  return record;
}

void UploadRecord::remember(const std::string& upload_id) {
  upload_id_ = upload_id;
  if (!file_) return;
  if (!file_->truncate(0) || !file_->write_at(0, upload_id)) forget();
}

void UploadRecord::forget() {
  if (!file_) return;
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
  file_.reset();
}

}  // namespace flashstor::cli
