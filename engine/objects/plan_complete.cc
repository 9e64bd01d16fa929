#include <fmt/format.h>

#include <algorithm>

#include "engine/base/hex.h"
#include "engine/codec/checksum.h"
#include "engine/objects/checksums.h"
#include "engine/objects/keys.h"
#include "engine/objects/limits.h"
#include "engine/objects/payloads.h"
#include "engine/objects/planners.h"
#include "engine/objects/rows.h"
#include "engine/objects/store_parts.h"
#include "engine/objects/upload_rows.h"

namespace flashstor::objects {
namespace {

// Those of `stored` that the caller names, in order.
Result<std::vector<PartRow>> choose_parts(const CompleteUploadPayload& in, std::vector<PartRow> stored) {
  std::vector<PartRow> chosen;
  chosen.reserve(in.parts.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < in.parts.size(); ++i) {
    const CompletedPart& wanted = in.parts[i];
    if (i > 0 && wanted.number <= in.parts[i - 1].number)
      return fail(ErrorCode::kInvalidPartOrder,
                  "The list of parts was not in ascending order. Parts must be ordered by part number.");
    while (at < stored.size() && stored[at].part.number < wanted.number) ++at;
    const bool there = at < stored.size() && stored[at].part.number == wanted.number;
    if (!there || stored[at].part.etag != wanted.etag ||
        (!wanted.checksum.empty() && wanted.checksum != stored[at].part.checksum))
      return fail(ErrorCode::kInvalidPart,
                  "One or more of the specified parts could not be found. The part may not have been "
                  "uploaded, or the specified entity tag may not match the part's entity tag.");
    chosen.push_back(std::move(stored[at++]));
  }
  for (std::size_t i = 0; i + 1 < chosen.size(); ++i)
    if (chosen[i].part.size < in.min_part_bytes)
      return fail(ErrorCode::kPartTooSmall,
                  "Your proposed upload is smaller than the minimum allowed object size.");
  return chosen;
}

std::string etag_of(const std::vector<PartRow>& parts) {
  std::string all;
  for (const PartRow& row : parts) all += base::from_hex(row.part.etag).value_or(row.part.etag);
  return fmt::format("{}-{}", base::to_hex(codec::digest_of(codec::ChecksumKind::kMd5, all)), parts.size());
}

std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = (value << 8) | static_cast<std::uint8_t>(c);
  return value;
}

std::string bytes_of(std::uint64_t value, std::size_t size) {
  std::string out;
  for (std::size_t i = size; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::uint64_t combine(ChecksumKind kind, std::uint64_t first, std::uint64_t second, std::uint64_t size) {
  if (kind == ChecksumKind::kCrc64Nvme) return codec::combine_crc64nvme(first, second, size);
  const auto a = static_cast<std::uint32_t>(first);
  const auto b = static_cast<std::uint32_t>(second);
  return kind == ChecksumKind::kCrc32 ? codec::combine_crc32(a, b, size) : codec::combine_crc32c(a, b, size);
}

// The object's checksum from those of its parts: over them (composite), or as of all bytes (CRCs).
Checksum checksum_of(const VersionRow& object, const std::vector<PartRow>& parts) {
  Checksum out{.kind = object.checksum.kind, .composite = object.checksum.composite, .value = {}};
  if (out.kind == ChecksumKind::kNone) return out;
  if (out.composite) {
    std::string all;
    for (const PartRow& row : parts) all += row.part.checksum;
    out.value = codec::digest_of(codec_kind(out.kind), all);
    return out;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::uint64_t next = number_of(parts[i].part.checksum);
    value = i == 0 ? next : combine(out.kind, value, next, parts[i].part.size);
  }
  out.value = bytes_of(value, checksum_bytes(out.kind));
  return out;
}

struct Completed {
  VersionRow row;
  std::string slices_row;
  std::vector<std::uint32_t> used;
};

Result<Completed> assemble(const CompleteUploadPayload& in, const UploadRow& upload,
                           std::vector<PartRow> parts, Random& random) {
  Completed out;
  out.row.attributes = upload.object.attributes;
  out.row.header.etag = etag_of(parts);
  out.row.checksum = checksum_of(upload.object, parts);
  out.row.upload_id = in.upload;
  if (!in.checksum.value.empty() &&
      (in.checksum.kind != out.row.checksum.kind || in.checksum.value != out.row.checksum.value))
    return fail(ErrorCode::kBadDigest, "The checksum you specified did not match the calculated checksum.");
  std::vector<Slice> slices;
  std::vector<PartInfo> infos;
  for (PartRow& part : parts) {
    out.row.header.size += part.part.size;
    out.used.push_back(part.part.number);
    infos.push_back(std::move(part.part));
    std::ranges::copy(part.slices, std::back_inserter(slices));
  }
  if (in.expected_size && *in.expected_size != out.row.header.size)
    return fail(ErrorCode::kInvalidArgument, "The object's size is not the one that was specified.");
  if (out.row.header.size > limits::kMaxObjectBytes)
    return fail(ErrorCode::kEntityTooLarge, "Your proposed upload exceeds the maximum allowed size");
  out.slices_row = place_slices(out.row, std::move(slices), std::move(infos), random);
  return out;
}

}  // namespace

PlanTask plan_complete_upload(cluster::RowView& rows, const cluster::Command& command) {
  const auto in = co_await or_return(decode<CompleteUploadPayload>(command.payload));
  const Target& target = in.target;
  UploadRow upload = co_await or_return(find_upload(rows, target.bucket, target.key, in.upload));
  if (upload.state == UploadState::kCompleted)
    co_return cluster::Plan{.response = upload.outcome, .write = false};
  if (upload.state == UploadState::kAborted)
    co_return fail(ErrorCode::kNoSuchUpload, "The specified multipart upload does not exist.");
  co_await or_return(check_gate(rows, target.bucket, target.epoch));
  const auto newest = co_await or_return(find_newest(rows, target.bucket, target.key));
  std::optional<VersionHeader> header;
  if (newest) header = co_await or_return(decode_version_header(newest->value));
  co_await or_return(check_write_conditions(in.conditions, header));
  auto stored =
      co_await or_return(scan_parts(rows, target.bucket, target.key, in.upload, 0, limits::kMaxParts));
  auto chosen = co_await or_return(choose_parts(in, std::move(stored)));
  Completed done = co_await or_return(assemble(in, upload, std::move(chosen), rows.random()));
  VersionOutcome outcome{.etag = done.row.header.etag, .size = done.row.header.size};
  outcome.checksum = done.row.checksum;
  NewVersion version{.bucket = target.bucket, .key = target.key, .versioning = target.versioning};
  if (done.row.header.layout == Layout::kSlicesRow)
    version.beside.push_back(
        {Family::kExtents, slices_key(done.row.extent_root), std::move(done.slices_row)});
  version.row = std::move(done.row);
  auto plan = co_await or_return(plan_new_version(rows, std::move(version), newest, outcome));
  // The parts' rows go afterwards, in batches (kSweep): with long keys they would not fit in one entry.
  upload.state = UploadState::kCompleted;
  upload.used = std::move(done.used);
  upload.ended_ns = base::to_nanoseconds(rows.now());
  plan.response = encode_outcome(outcome);
  outcome.drops.clear();
  upload.outcome = encode_outcome(outcome);
  plan.changes.push_back(
      {Family::kUploads, upload_key(target.bucket, target.key, in.upload), encode_upload(upload)});
  co_return plan;
}

}  // namespace flashstor::objects
