#include <algorithm>

#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/listing.h"
#include "s3d/ops/object_headers.h"

namespace flashstor::s3d {

Result<Listing> Listing::from(Call& call, std::string_view max_name) {
  Listing listing(call);
  listing.prefix = call.query("prefix");
  listing.delimiter = call.query("delimiter");
  if (const auto encoding = call.query("encoding-type"); !encoding.empty()) {
    if (!equal_ignoring_case(encoding, "url"))
      return call.refuse(S3Code::kInvalidArgument, "Invalid Encoding Method specified in Request",
                         {{"ArgumentName", "encoding-type"}, {"ArgumentValue", std::string(encoding)}});
    listing.encoded = true;
  }
  const auto max = call.query_number(max_name, limits::kMaxListKeys);
  if (!max) return std::unexpected(max.error());
  listing.max = std::min<std::uint32_t>(*max, limits::kMaxListKeys);
  return listing;
}

void Listing::name(XmlWriter& xml, std::string_view element, std::string_view text) const {
  if (encoded) {
    xml.element(element, listing_encode(text));
  } else {
    xml.element(element, text);
  }
}

void Listing::head(XmlWriter& xml, bool is_truncated, bool encode_prefix) const {
  xml.element("Name", call_->target().bucket);
  if (encode_prefix) {
    name(xml, "Prefix", prefix);
  } else {
    xml.element("Prefix", prefix);
  }
  if (!delimiter.empty()) name(xml, "Delimiter", delimiter);
  if (encoded) xml.element("EncodingType", "url");
  xml.element("IsTruncated", is_truncated);
}

void Listing::prefixes(XmlWriter& xml, const std::vector<std::string>& all) const {
  for (const std::string& one : all) {
    xml.open("CommonPrefixes");
    name(xml, "Prefix", one);
    xml.close("CommonPrefixes");
  }
}

void Listing::person(XmlWriter& xml, std::string_view element, std::string_view canonical_id) const {
  auto& identities = call_->services().authorizer.identities();
  if (canonical_id.empty()) canonical_id = call_->bucket->owner;
  if (canonical_id.empty()) canonical_id = identities.root()->canonical_id;
  xml.open(element).element("ID", canonical_id);
  xml.element("DisplayName", call_->services().owners.display_name(identities, canonical_id));
  xml.close(element);
}

void Listing::object(XmlWriter& xml, const objects::ListedObject& item, bool with_owner) const {
  xml.element("LastModified", item.last_modified).element("ETag", quoted_etag(item.etag));
  if (item.checksum_kind != objects::ChecksumKind::kNone) {
    xml.element("ChecksumAlgorithm", checksum_name(item.checksum_kind));
    xml.element("ChecksumType", item.checksum_composite ? "COMPOSITE" : "FULL_OBJECT");
  }
  xml.element("Size", item.size);
  if (with_owner) person(xml, "Owner", item.owner);
  xml.element("StorageClass", storage_class_name(item.storage_class));
}

Task<Result<void>> list_objects(Call& call) {
  const Listing listing = co_await or_return(Listing::from(call, "max-keys"));
  const std::string marker(call.query("marker"));
  const auto page = co_await or_return(call.store().list_objects({.bucket = call.bucket_name(),
                                                                  .prefix = std::string(listing.prefix),
                                                                  .delimiter = std::string(listing.delimiter),
                                                                  .start_after = marker,
                                                                  .max_keys = listing.max}));
  XmlWriter xml;
  xml.open_root("ListBucketResult");
  listing.head(xml, page.is_truncated, false);
  listing.name(xml, "Marker", marker);
  xml.element("MaxKeys", std::uint64_t{listing.max});
  if (page.is_truncated && !listing.delimiter.empty()) listing.name(xml, "NextMarker", page.next_marker);
  for (const objects::ListedObject& item : page.objects) {
    xml.open("Contents");
    listing.name(xml, "Key", item.key);
    listing.object(xml, item, true);
    xml.close("Contents");
  }
  listing.prefixes(xml, page.common_prefixes);
  xml.close("ListBucketResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> list_objects_v2(Call& call) {
  const Listing listing = co_await or_return(Listing::from(call, "max-keys"));
  const std::string token(call.query("continuation-token"));
  const std::string start_after(call.query("start-after"));
  const bool with_owner = equal_ignoring_case(call.query("fetch-owner"), "true");
  const auto page = co_await or_return(call.store().list_objects({.bucket = call.bucket_name(),
                                                                  .prefix = std::string(listing.prefix),
                                                                  .delimiter = std::string(listing.delimiter),
                                                                  .start_after = start_after,
                                                                  .continuation_token = token,
                                                                  .max_keys = listing.max}));
  XmlWriter xml;
  xml.open_root("ListBucketResult");
  listing.head(xml, page.is_truncated);
  xml.element("MaxKeys", std::uint64_t{listing.max});
  xml.element("KeyCount", std::uint64_t{page.objects.size() + page.common_prefixes.size()});
  if (call.has_query("continuation-token")) xml.element("ContinuationToken", token);
  if (call.has_query("start-after")) listing.name(xml, "StartAfter", start_after);
  if (page.is_truncated) xml.element("NextContinuationToken", page.next_continuation_token);
  for (const objects::ListedObject& item : page.objects) {
    xml.open("Contents");
    listing.name(xml, "Key", item.key);
    listing.object(xml, item, with_owner);
    xml.close("Contents");
  }
  listing.prefixes(xml, page.common_prefixes);
  xml.close("ListBucketResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> list_object_versions(Call& call) {
  const Listing listing = co_await or_return(Listing::from(call, "max-keys"));
  const std::string key_marker(call.query("key-marker"));
  const std::string version_marker(call.query("version-id-marker"));
  const auto page =
      co_await or_return(call.store().list_versions({.bucket = call.bucket_name(),
                                                     .prefix = std::string(listing.prefix),
                                                     .delimiter = std::string(listing.delimiter),
                                                     .key_marker = key_marker,
                                                     .version_id_marker = version_marker,
                                                     .max_keys = listing.max}));
  XmlWriter xml;
  xml.open_root("ListVersionsResult");
  listing.head(xml, page.is_truncated);
  listing.name(xml, "KeyMarker", key_marker);
  xml.element("VersionIdMarker", version_marker).element("MaxKeys", std::uint64_t{listing.max});
  if (page.is_truncated) {
    listing.name(xml, "NextKeyMarker", page.next_key_marker);
    xml.element("NextVersionIdMarker", page.next_version_id_marker);
  }
  for (const objects::ListedVersion& item : page.versions) {
    const std::string_view element = item.is_delete_marker ? "DeleteMarker" : "Version";
    xml.open(element);
    listing.name(xml, "Key", item.key);
    xml.element("VersionId", item.version_id).element("IsLatest", item.is_latest);
    if (item.is_delete_marker) {
      xml.element("LastModified", item.last_modified);
      listing.person(xml, "Owner", item.owner);
    } else {
      listing.object(xml, item, true);
    }
    xml.close(element);
  }
  listing.prefixes(xml, page.common_prefixes);
  xml.close("ListVersionsResult");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> list_multipart_uploads(Call& call) {
  const Listing listing = co_await or_return(Listing::from(call, "max-uploads"));
  const std::string key_marker(call.query("key-marker"));
  const std::string upload_marker(call.query("upload-id-marker"));
  const auto page = co_await or_return(call.store().list_uploads({.bucket = call.bucket_name(),
                                                                  .prefix = std::string(listing.prefix),
                                                                  .delimiter = std::string(listing.delimiter),
                                                                  .key_marker = key_marker,
                                                                  .upload_id_marker = upload_marker,
                                                                  .max_uploads = listing.max}));
  XmlWriter xml;
  xml.open_root("ListMultipartUploadsResult").element("Bucket", call.target().bucket);
  listing.name(xml, "KeyMarker", key_marker);
  xml.element("UploadIdMarker", upload_marker);
  if (page.is_truncated) {
    listing.name(xml, "NextKeyMarker", page.next_key_marker);
    xml.element("NextUploadIdMarker", page.next_upload_id_marker);
  }
  listing.name(xml, "Prefix", listing.prefix);
  if (!listing.delimiter.empty()) listing.name(xml, "Delimiter", listing.delimiter);
  if (listing.encoded) xml.element("EncodingType", "url");
  xml.element("MaxUploads", std::uint64_t{listing.max}).element("IsTruncated", page.is_truncated);
  for (const objects::UploadInfo& upload : page.uploads) {
    xml.open("Upload");
    listing.name(xml, "Key", upload.key);
    xml.element("UploadId", upload.upload_id);
    listing.person(xml, "Initiator", upload.attributes.owner);
    listing.person(xml, "Owner", upload.attributes.owner);
    xml.element("StorageClass", storage_class_name(upload.attributes.storage_class));
    xml.element("Initiated", upload.initiated);
    write_upload_checksum(xml, upload);
    xml.close("Upload");
  }
  listing.prefixes(xml, page.common_prefixes);
  xml.close("ListMultipartUploadsResult");
  co_return co_await call.send_xml(xml);
}

}  // namespace flashstor::s3d
