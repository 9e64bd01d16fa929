#include "engine/storage/boot.h"

#include <fstream>

namespace flashstor::storage {
namespace {

constexpr std::size_t kMostBytes = 256;
/// In place of a boot's name: in doubt since a boot before.
constexpr const char* kDoubt = "doubt";

std::string file_of(const std::string& path) { return path + "/.flashstor/boot"; }

}  // namespace

std::string current_boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  return boot;
}

Result<bool> enter_boot(FileIo& io, const std::string& path, const std::string& boot, bool clean) {
  if (boot.empty()) return false;
  const auto known = read_file(io, file_of(path), kMostBytes);
  if (!known && known.error().code() != ErrorCode::kNotFound && known.error().code() != ErrorCode::kCorrupt)
    return std::unexpected(known.error());
  if (known && *known == boot) return false;
  if (known && *known == kDoubt) return true;
  if (clean) {
    if (auto written = trust_boot(io, path, boot); !written) return std::unexpected(written.error());
    return false;
  }
  if (auto written = replace_file(io, file_of(path), kDoubt); !written)
    return std::unexpected(written.error());
  return true;
}

Result<void> trust_boot(FileIo& io, const std::string& path, const std::string& boot) {
  if (boot.empty()) return {};
  return replace_file(io, file_of(path), boot);
}

}  // namespace flashstor::storage
