#include "engine/objects/keys.h"

#include "engine/base/codec.h"

namespace flashstor::objects {
namespace {

constexpr char kEscape = '\x00';
constexpr char kNul = '\xff';      ///< Behind kEscape: a NUL of the key.
constexpr char kVersion = '\x01';  ///< Behind kEscape: the key ends, a version follows.
constexpr char kMapping = '\x02';  ///< Behind kEscape: the key ends, an id mapping follows.

// Takes an escaped key and what ends it off the front of `in`; the byte behind the end goes to `end`.
std::optional<std::string> take_escaped(std::string_view& in, char& end) {
  std::string key;
  for (;;) {
    const std::size_t at = in.find(kEscape);
    if (at == std::string_view::npos || at + 1 >= in.size()) return std::nullopt;
    key.append(in.substr(0, at));
    end = in[at + 1];
    in.remove_prefix(at + 2);
    if (end != kNul) return key;
    key.push_back('\0');
  }
}

std::string ended_key(const Uuid& bucket, std::string_view key, char end) {
  std::string out = key_prefix(bucket, key);
  out.push_back(end);
  return out;
}

}  // namespace

void append_escaped(std::string& out, std::string_view key) {
  for (;;) {
    const std::size_t at = key.find('\0');
    if (at == std::string_view::npos) break;
    out.append(key.substr(0, at + 1)).push_back(kNul);
    key.remove_prefix(at + 1);
  }
  out.append(key);
}

std::string bucket_prefix(const Uuid& bucket) { return bucket.to_bytes(); }

std::string key_prefix(const Uuid& bucket, std::string_view key) {
  std::string out = listing_start(bucket, key);
  out.push_back(kEscape);
  return out;
}

std::string versions_prefix(const Uuid& bucket, std::string_view key) {
  return ended_key(bucket, key, kVersion);
}

void append_versions_prefix(std::string& out, const Uuid& bucket, std::string_view key) {
  base::append_big_endian(out, bucket.high);
  base::append_big_endian(out, bucket.low);
  append_escaped(out, key);
  out.push_back(kEscape);
  out.push_back(kVersion);
}

std::string version_key(const Uuid& bucket, std::string_view key, const VersionId& id) {
  return versions_prefix(bucket, key).append(version_suffix(id));
}

std::string mapping_key(const Uuid& bucket, std::string_view key, std::string_view shown_id) {
  return ended_key(bucket, key, kMapping).append(shown_id);
}

std::string listing_start(const Uuid& bucket, std::string_view prefix) {
  std::string out;
  out.reserve(16 + prefix.size() + 32);
  base::append_big_endian(out, bucket.high);
  base::append_big_endian(out, bucket.low);
  append_escaped(out, prefix);
  return out;
}

std::string after_key(const Uuid& bucket, std::string_view key) { return ended_key(bucket, key, '\x03'); }

std::string after_prefix(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && out.back() == '\xff') out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

std::string version_suffix(const VersionId& id) {
  std::string out;
  base::append_big_endian(out, ~static_cast<std::uint64_t>(id.time_ns));
  base::append_big_endian(out, id.random);
  return out;
}

std::optional<VersionId> parse_version_suffix(std::string_view bytes) {
  if (bytes.size() != 16) return std::nullopt;
  return VersionId{static_cast<std::int64_t>(~base::read_big_endian(bytes)),
                   base::read_big_endian(bytes.substr(8))};
}

Result<ParsedVersionKey> parse_version_key(std::string_view row_key) {
  if (row_key.size() < 18) return fail(ErrorCode::kMalformed, "version key too short");
  ParsedVersionKey out;
  out.bucket = Uuid::from_bytes(row_key.substr(0, 16));
  row_key.remove_prefix(16);
  char end = 0;
  auto key = take_escaped(row_key, end);
  if (!key) return fail(ErrorCode::kMalformed, "version key without an end");
  out.key = std::move(*key);
  if (end == kMapping) {
    out.is_mapping = true;
    out.mapped_id = row_key;
    return out;
  }
  const auto id = parse_version_suffix(row_key);
  if (end != kVersion || !id) return fail(ErrorCode::kMalformed, "version key with a foreign end");
  out.id = *id;
  return out;
}

std::string upload_key(const Uuid& bucket, std::string_view key, const Uuid& upload) {
  return versions_prefix(bucket, key).append(upload.to_bytes());
}

std::string part_key(const Uuid& bucket, std::string_view key, const Uuid& upload, std::uint32_t part) {
  std::string out = upload_key(bucket, key, upload);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(part >> shift));
  return out;
}

Result<ParsedUploadKey> parse_upload_key(std::string_view row_key) {
  if (row_key.size() < 34) return fail(ErrorCode::kMalformed, "upload key too short");
  ParsedUploadKey out;
  out.bucket = Uuid::from_bytes(row_key.substr(0, 16));
  row_key.remove_prefix(16);
  char end = 0;
  auto key = take_escaped(row_key, end);
  if (!key || end != kVersion) return fail(ErrorCode::kMalformed, "upload key without an end");
  out.key = std::move(*key);
  if (row_key.size() != 16 && row_key.size() != 20) return fail(ErrorCode::kMalformed, "upload key's end");
  out.upload = Uuid::from_bytes(row_key.substr(0, 16));
  if (row_key.size() == 20) {
    std::uint32_t part = 0;
    for (const char c : row_key.substr(16)) part = (part << 8) | static_cast<std::uint8_t>(c);
    out.part = part;
  }
  return out;
}

std::string reference_key(const Uuid& data, const Uuid& referrer) {
  return data.to_bytes().append(referrer.to_bytes());
}

std::string drop_intent_key(std::uint32_t set, const Uuid& data, const Uuid& referrer) {
  std::string out(kDropIntents);
  base::append_big_endian(out, set);
  return out.append(reference_key(data, referrer));
}

Result<DropIntent> parse_drop_intent_key(std::string_view row_key) {
  constexpr std::size_t kIdBytes = 16;
  if (row_key.size() != kDropIntents.size() + 8 + 2 * kIdBytes || !row_key.starts_with(kDropIntents))
    return fail(ErrorCode::kCorrupt, "the key of an intent does not parse");
  row_key.remove_prefix(kDropIntents.size());
  return DropIntent{.set = static_cast<std::uint32_t>(base::read_big_endian(row_key)),
                    .data = Uuid::from_bytes(row_key.substr(8, kIdBytes)),
                    .referrer = Uuid::from_bytes(row_key.substr(8 + kIdBytes))};
}

std::string taken_key(const Uuid& referrer, std::uint32_t home, const Uuid& data) {
  std::string out(kTakenReferences);
  out.append(referrer.to_bytes());
  base::append_big_endian(out, home);
  return out.append(data.to_bytes());
}

Result<TakenReference> parse_taken_key(std::string_view row_key) {
  constexpr std::size_t kIdBytes = 16;
  if (row_key.size() != kTakenReferences.size() + 8 + 2 * kIdBytes || !row_key.starts_with(kTakenReferences))
    return fail(ErrorCode::kCorrupt, "the key of a reference that was taken does not parse");
  row_key.remove_prefix(kTakenReferences.size());
  return TakenReference{.referrer = Uuid::from_bytes(row_key.substr(0, kIdBytes)),
                        .home = static_cast<std::uint32_t>(base::read_big_endian(row_key.substr(kIdBytes))),
                        .data = Uuid::from_bytes(row_key.substr(kIdBytes + 8))};
}

std::string referrer_key(const Uuid& referrer) { return std::string(kReferrers) + referrer.to_bytes(); }

Result<Uuid> parse_referrer_key(std::string_view row_key) {
  if (row_key.size() != kReferrers.size() + 16 || !row_key.starts_with(kReferrers))
    return fail(ErrorCode::kCorrupt, "the key of a referrer does not parse");
  return Uuid::from_bytes(row_key.substr(kReferrers.size()));
}

std::string gate_key(const Uuid& bucket) { return "B" + bucket.to_bytes(); }

std::string revised_key(const Uuid& bucket, std::string_view key, const VersionId& id) {
  return "V" + version_key(bucket, key, id);
}

std::string slices_key(const Uuid& extent_root) {
  std::string out = extent_root.to_bytes();
  base::append_big_endian(out, ~std::uint64_t{0});
  return out;
}

std::string segment_key(const Uuid& extent_root, std::uint64_t segment) {
  std::string out = extent_root.to_bytes();
  base::append_big_endian(out, segment);
  return out;
}

}  // namespace flashstor::objects
