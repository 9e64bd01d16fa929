#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/objects/multipart_types.h"
#include "engine/objects/object_types.h"
#include "s3d/ops/call.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {

/// What all listings share: their parameters, and how names are written in their answers. Views are into the
/// request.
struct Listing {
  /// Reads prefix, delimiter, encoding-type and the maximum under `max_name`. Errors (refused on the call):
  /// InvalidArgument.
  static Result<Listing> from(Call& call, std::string_view max_name);

  /// An element with a name of a key or prefix, encoded when asked.
  void name(XmlWriter& xml, std::string_view element, std::string_view text) const;
  /// Name, Prefix, Delimiter, EncodingType, IsTruncated. The Prefix of ListObjects (v1) is never encoded.
  void head(XmlWriter& xml, bool is_truncated, bool encode_prefix = true) const;
  void prefixes(XmlWriter& xml, const std::vector<std::string>& all) const;
  /// An element with ID and DisplayName; the bucket's owner for an empty id.
  void person(XmlWriter& xml, std::string_view element, std::string_view canonical_id) const;
  /// What is inside Contents or Version, but for the key.
  void object(XmlWriter& xml, const objects::ListedObject& item, bool with_owner) const;

  std::string_view prefix;
  std::string_view delimiter;
  bool encoded = false;
  std::uint32_t max = 0;

 private:
  explicit Listing(Call& call) : call_(&call) {}
  Call* call_;
};

/// ChecksumAlgorithm and ChecksumType of an upload, where it has them.
void write_upload_checksum(XmlWriter& xml, const objects::UploadInfo& upload);

}  // namespace flashstor::s3d
