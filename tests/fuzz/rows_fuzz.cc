// Rows of versions, slices, segments, uploads and buckets, and their keys, as a broken drive could give them.
// First byte: which of them. What decodes must encode to something that decodes to the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/objects/bucket_record.h"
#include "engine/objects/extent_map.h"
#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "engine/objects/row_codec.h"
#include "engine/objects/upload_rows.h"
#include "engine/objects/version_row.h"

namespace {

using namespace flashstor;
using namespace flashstor::objects;

// A checksum that matches, so that the parser behind it is reached too.
std::string sealed(std::string_view body) { return seal(ByteWriter(std::string(body))); }

template <class Decode, class Encode>
void round_trip(std::string_view bytes, Decode decode, Encode encode) {
  const auto first = decode(bytes);
  if (!first) return;
  const std::string again = encode(*first);
  const auto second = decode(again);
  FLASHSTOR_CHECK(second.has_value());
  FLASHSTOR_CHECK(encode(*second) == again);
}

void flatten(std::string_view bytes) {
  const auto slices = decode_segment(bytes);
  if (!slices) return;
  std::uint64_t at = 0;
  for (const Extent& extent : flatten_segment(*slices, 0, limits::kSegmentBytes, UINT64_MAX)) {
    FLASHSTOR_CHECK(extent.offset == at && extent.length > 0);
    if (!extent.is_hole()) FLASHSTOR_CHECK(extent.data_offset + extent.length <= extent.data.length);
    at += extent.length;
  }
  FLASHSTOR_CHECK(at == limits::kSegmentBytes);
}

void keys(std::string_view bytes) {
  if (const auto parsed = parse_version_key(bytes)) {
    const std::string back = parsed->is_mapping ? mapping_key(parsed->bucket, parsed->key, parsed->mapped_id)
                                                : version_key(parsed->bucket, parsed->key, parsed->id);
    FLASHSTOR_CHECK(back == bytes);
  }
  if (const auto parsed = parse_upload_key(bytes)) {
    const std::string back = parsed->part
                                 ? part_key(parsed->bucket, parsed->key, parsed->upload, *parsed->part)
                                 : upload_key(parsed->bucket, parsed->key, parsed->upload);
    FLASHSTOR_CHECK(back == bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      round_trip(rest, decode_version, encode_version);
      (void)decode_version_header(rest);
      break;
    case 1:
      round_trip(sealed(rest), decode_version, encode_version);
      break;
    case 2:
      round_trip(sealed(rest), decode_slices, encode_slices);
      break;
    case 3:
      round_trip(sealed(rest), decode_segment, encode_segment);
      flatten(sealed(rest));
      break;
    case 4:
      round_trip(sealed(rest), decode_upload, encode_upload);
      round_trip(sealed(rest), decode_part, encode_part);
      break;
    case 5:
      round_trip(rest, decode_bucket, encode_bucket);
      break;
    case 6:
      keys(rest);
      break;
    default:
      (void)decode<PutVersionPayload>(rest);
      (void)decode<CompleteUploadPayload>(rest);
      (void)decode<ReferencesPayload>(rest);
      (void)decode_outcome(rest);
      break;
  }
  return 0;
}
