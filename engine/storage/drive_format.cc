#include "engine/storage/drive_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/base/hex.h"
#include "engine/base/json.h"
#include "engine/codec/checksum.h"

namespace flashstor::storage {
namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::size_t kMaxFormatBytes = 16 * 1024;
constexpr const char* kDirectory = "/.flashstor";

Json body_of(const DriveFormat& format) {
  Json drives = Json::array();
  for (const Uuid& id : format.set_drives) drives.push(id.to_text());
  Json body = Json::object({{"format", "flashstor"},
                            {"version", kFormatVersion},
                            {"deployment", format.deployment_id.to_text()},
                            {"pool", format.pool},
                            {"set", format.set},
                            {"slot", format.slot},
                            {"drive", format.drive_id.to_text()},
                            {"set_drives", std::move(drives)}});
  // Only where they say something, so that older files keep their checksum.
  if (format.revision != 0) body.set("revision", format.revision);
  if (format.member != 0) body.set("member", format.member);
  return body;
}

Result<void> mark(FileIo& io, const std::string& path, const char* name) {
  return replace_file(io, path + kDirectory + name, "\n");
}

std::string checksum_of(const Json& body) {
  return base::to_hex(codec::digest_of(codec::ChecksumKind::kXxh3, body.dump()));
}

Result<Uuid> id_at(const Json& body, std::string_view name) {
  auto text = body.need_string(name);
  if (!text) return std::unexpected(text.error());
  return Uuid::from_text(*text);
}

// What a format that was cut off by a crash may have left, and what a fresh file system brings.
bool ours_half_made(FileIo& io, const std::string& path, const std::string& name) {
  if (name == "lost+found") return true;
  if (name != ".flashstor" && name != "log" && name != "shards" && name != "staging") return false;
  const auto inside = io.list(path + "/" + name);
  const auto ours = [](const std::string& file) {
    return file == "format.json.new" || file == "filling.new" || file == "filling";
  };
  return inside && std::ranges::all_of(*inside, ours);
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::kCorrupt, fmt::format("format.json is damaged: {}", what));
}

}  // namespace

std::string encode_format(const DriveFormat& format) {
  Json body = body_of(format);
  const std::string sum = checksum_of(body);
  body.set("checksum", sum);
  return body.pretty() + "\n";
}

Result<DriveFormat> decode_format(std::string_view text) {
  auto body = Json::parse(text, {.bytes = kMaxFormatBytes, .depth = 4});
  if (!body) return damaged(body.error().message());
  // First, or a flipped bit in a name or number makes a drive of ours another's.
  if (const std::string sum = body->string_or("checksum"); !sum.empty() || body->has("format")) {
    Json rest = *body;
    rest.remove("checksum");
    if (sum != checksum_of(rest)) return damaged("it does not match its checksum");
  }
  if (body->string_or("format") != "flashstor")
    return fail(ErrorCode::kDriveForeign, "format.json is not Flashstor's");
  if (body->uint_or("version") != kFormatVersion)
    return fail(ErrorCode::kDriveForeign,
                fmt::format("format version {} is not known to this version (it knows {})",
                            body->uint_or("version"), kFormatVersion));
  DriveFormat format;
  const auto deployment = id_at(*body, "deployment");
  const auto drive = id_at(*body, "drive");
  if (!deployment || !drive) return damaged("an id does not parse");
  format.deployment_id = *deployment;
  format.drive_id = *drive;
  format.pool = static_cast<std::uint32_t>(body->uint_or("pool"));
  format.set = static_cast<std::uint32_t>(body->uint_or("set"));
  format.slot = static_cast<std::uint32_t>(body->uint_or("slot"));
  format.revision = static_cast<std::uint32_t>(body->uint_or("revision"));
  format.member = static_cast<std::uint32_t>(body->uint_or("member"));
  for (const Json& item : body->get("set_drives").items()) {
    const auto id = item.is_string() ? Uuid::from_text(*item.as_string()) : damaged("set_drives");
    if (!id) return damaged("an id does not parse");
    format.set_drives.push_back(*id);
  }
  if (body->string_or("checksum") != checksum_of(body_of(format)))
    return damaged("it does not match its checksum");
  return format;
}

DriveInspection inspect_drive(FileIo& io, const std::string& path) {
  DriveInspection found;
  const auto give = [&](DriveCondition condition, std::string words) {
    found.condition = condition;
    found.words = std::move(words);
    return found;
  };
  const auto names = io.list(path);
  if (!names && names.error().code() == ErrorCode::kNotFound)
    return give(DriveCondition::kMissing, path + " is not there");
  if (!names) return give(DriveCondition::kUnreadable, std::string(names.error().message()));
  if (auto space = io.space(path)) found.space = *space;
  const std::string file = path + kDirectory + "/format.json";
  const auto there = io.exists(file);
  if (!there) return give(DriveCondition::kUnreadable, std::string(there.error().message()));
  if (!*there) {
    for (const std::string& name : *names)
      if (!ours_half_made(io, path, name))
        return give(DriveCondition::kForeign,
                    fmt::format("{} is not a Flashstor drive and not empty (it holds \"{}\")", path, name));
    if (found.space.read_only) return give(DriveCondition::kReadOnly, path + " is mounted read-only");
    return give(DriveCondition::kEmpty, "");
  }
  const auto text = read_file(io, file, kMaxFormatBytes);
  if (!text) return give(DriveCondition::kUnreadable, std::string(text.error().message()));
  auto format = decode_format(*text);
  if (!format)
    return give(format.error().code() == ErrorCode::kDriveForeign ? DriveCondition::kForeign
                                                                  : DriveCondition::kUnreadable,
                path + ": " + std::string(format.error().message()));
  found.format = std::move(*format);
  if (found.space.read_only) return give(DriveCondition::kReadOnly, path + " is mounted read-only");
  return give(DriveCondition::kFormatted, "");
}

Result<void> format_drive(FileIo& io, const std::string& path, const DriveFormat& format, bool filling) {
  const DriveInspection found = inspect_drive(io, path);
  if (found.condition == DriveCondition::kMissing) return fail(ErrorCode::kNotFound, found.words);
  if (found.condition == DriveCondition::kReadOnly) return fail(ErrorCode::kReadOnly, found.words);
  if (found.condition == DriveCondition::kUnreadable) return fail(ErrorCode::kIo, found.words);
  if (found.condition == DriveCondition::kFormatted)
    return fail(ErrorCode::kDriveForeign, path + " is a Flashstor drive already");
  if (found.condition == DriveCondition::kForeign) return fail(ErrorCode::kDriveForeign, found.words);
  for (const char* directory : {"/.flashstor", "/log", "/shards", "/staging"})
    if (auto made = io.make_directory(path + directory); !made) return made;
  if (auto synced = io.sync_directory(path); !synced) return synced;
  if (filling)
    if (auto marked = mark_filling(io, path); !marked) return marked;
  // Last, whole and at once: until it is there the directory counts as empty but for these names.
  return replace_file(io, path + kDirectory + "/format.json", encode_format(format));
}

Result<void> check_place(const std::string& path, const DriveFormat& found, const DriveFormat& expected) {
  if (found.deployment_id != expected.deployment_id)
    return fail(ErrorCode::kDriveForeign,
                fmt::format("{} belongs to deployment {}, not to {}", path, found.deployment_id.to_text(),
                            expected.deployment_id.to_text()));
  if (found.pool != expected.pool || found.set != expected.set || found.slot != expected.slot)
    return fail(ErrorCode::kDriveForeign,
                fmt::format("{} is in the wrong place: it is drive {} of set {} of pool {}, but is given as "
                            "drive {} of set {} of pool {} (were drives swapped?)",
                            path, found.slot + 1, found.set + 1, found.pool + 1, expected.slot + 1,
                            expected.set + 1, expected.pool + 1));
  return {};
}

Result<void> check_identity(const std::string& path, const DriveFormat& found, const DriveFormat& expected) {
  if (auto placed = check_place(path, found, expected); !placed) return placed;
  if (found.drive_id != expected.drive_id)
    return fail(ErrorCode::kDriveForeign,
                fmt::format("{} is drive {}, which set {} does not know in this place (it expects {})", path,
                            found.drive_id.to_text(), expected.set + 1, expected.drive_id.to_text()));
  return {};
}

Result<void> check_no_duplicates(const std::vector<std::pair<std::string, DriveFormat>>& drives) {
  std::map<Uuid, std::string> seen;
  for (const auto& [path, format] : drives) {
    const auto [at, fresh] = seen.emplace(format.drive_id, path);
    if (!fresh)
      return fail(ErrorCode::kDriveForeign, fmt::format("{} and {} hold the same drive ({}): one is a copy",
                                                        at->second, path, format.drive_id.to_text()));
  }
  return {};
}

Result<void> rewrite_format(FileIo& io, const std::string& path, const DriveFormat& format) {
  return replace_file(io, path + kDirectory + "/format.json", encode_format(format));
}

Result<bool> is_filling(FileIo& io, const std::string& path) {
  return io.exists(path + kDirectory + "/filling");
}
Result<void> mark_filling(FileIo& io, const std::string& path) { return mark(io, path, "/filling"); }
Result<void> unmark_filling(FileIo& io, const std::string& path) {
  const auto removed = io.remove(path + kDirectory + "/filling");
  if (!removed && removed.error().code() != ErrorCode::kNotFound) return removed;
  return io.sync_directory(path + kDirectory);
}
Result<bool> was_opened(FileIo& io, const std::string& path) {
  return io.exists(path + kDirectory + "/opened");
}
Result<void> mark_opened(FileIo& io, const std::string& path) { return mark(io, path, "/opened"); }

Result<std::unique_ptr<File>> lock_drive(FileIo& io, const std::string& path) {
  return io.lock(path + kDirectory + "/lock");
}

}  // namespace flashstor::storage
