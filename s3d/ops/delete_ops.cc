#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/object_lock.h"
#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

void write_deleted(XmlWriter& xml, const objects::DeleteManyResult& item) {
  xml.open("Deleted").element("Key", item.key);
  if (!item.version_id.empty()) xml.element("VersionId", item.version_id);
  if (item.result->is_delete_marker) {
    xml.element("DeleteMarker", true);
    xml.element("DeleteMarkerVersionId", item.result->version_id);
  }
  xml.close("Deleted");
}

void write_failed(XmlWriter& xml, const objects::DeleteManyResult& item) {
  const S3Error error = to_s3_error(item.result.error());
  const S3ErrorShape shape = shape_of(error.code);
  xml.open("Error").element("Key", item.key);
  if (!item.version_id.empty()) xml.element("VersionId", item.version_id);
  xml.element("Code", shape.code);
  xml.element("Message", error.message.empty() ? shape.message : std::string_view(error.message));
  xml.close("Error");
}

struct DeleteOrder {
  std::vector<objects::DeleteManyItem> items;
  bool quiet = false;
};

Result<DeleteOrder> parse_order(Call& call, std::string_view text) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "Delete") return call.refuse(S3Code::kMalformedXML);
  DeleteOrder order;
  for (const XmlElement& element : document->root().children()) {
    if (element.name() == "Quiet") {
      order.quiet = equal_ignoring_case(element.trimmed(), "true");
      continue;
    }
    if (element.name() != "Object" || !element.child("Key").present())
      return call.refuse(S3Code::kMalformedXML);
    objects::DeleteManyItem item{.key = std::string(element.child("Key").text()),
                                 .version_id = std::string(element.child("VersionId").trimmed())};
    if (item.key.empty()) return call.refuse(S3Code::kMalformedXML);
    if (const auto etag = element.child("ETag"); etag.present())
      item.conditions.if_match.push_back(bare_etag(etag.trimmed()));
    if (const auto time = element.child("LastModifiedTime"); time.present()) {
      item.conditions.if_match_modified = parse_http_time(time.trimmed());
      if (!item.conditions.if_match_modified) return call.refuse(S3Code::kMalformedXML);
    }
    if (const auto size = element.child("Size"); size.present()) {
      if (size.trimmed().find_first_not_of("0123456789") != std::string_view::npos ||
          size.trimmed().size() > 18 || size.trimmed().empty())
        return call.refuse(S3Code::kMalformedXML);
      item.conditions.if_match_size = std::stoull(std::string(size.trimmed()));
    }
    order.items.push_back(std::move(item));
    if (order.items.size() > limits::kMaxDeleteObjects) return call.refuse(S3Code::kMalformedXML);
  }
  if (order.items.empty()) return call.refuse(S3Code::kMalformedXML);
  return order;
}

/// The items that the caller may delete; the others get their answer here, in their place.
struct Sorted {
  std::vector<objects::DeleteManyItem> allowed;
  std::vector<bool> is_allowed;
};

Task<Result<Sorted>> sort_by_permission(Call& call, const std::vector<objects::DeleteManyItem>& items) {
  Sorted sorted;
  for (const objects::DeleteManyItem& item : items) {
    const std::string_view action = item.version_id.empty() ? "s3:DeleteObject" : "s3:DeleteObjectVersion";
    const bool allowed = (co_await call.authorise(action, item.key, item.version_id)).has_value();
    sorted.is_allowed.push_back(allowed);
    if (allowed) sorted.allowed.push_back(item);
  }
  co_return sorted;
}

/// Who did not sign has nothing to ask for where neither policy nor ACL of the bucket speaks to everybody:
/// refused before the body is taken.
bool is_hopeless(Call& call) {
  if (!call.is_anonymous()) return false;
  const BucketPolicies::Access known = call.services().policies.access(call.bucket);
  const iam::Acl acl{known.access.acl, known.access.grants == nullptr ? iam::Grants{} : *known.access.grants};
  return known.access.policy == nullptr &&
         !iam::acl_allows(acl, iam::AclTarget::kBucket, "s3:DeleteObject", call.who->principal());
}

/// The bypass for a list of objects: when the caller has it for each of them.
Task<bool> may_bypass_all(Call& call, const std::vector<objects::DeleteManyItem>& items) {
  for (const objects::DeleteManyItem& item : items)
    if (!co_await may_bypass_governance(call, item.key)) co_return false;
  co_return true;
}

}  // namespace

Task<bool> may_bypass_governance(Call& call, std::string_view key) {
  const auto header = call.header("x-amz-bypass-governance-retention");
  if (!header || !equal_ignoring_case(*header, "true")) co_return false;
  co_return (co_await call.authorise("s3:BypassGovernanceRetention", key, {})).has_value();
}

Task<Result<void>> delete_object(Call& call) {
  objects::DeleteRequest request{
      .bucket = call.bucket_name(), .key = call.key(), .version_id = std::string(call.query("versionId"))};
  request.conditions = co_await or_return(write_conditions(call));
  if (const auto size = call.header("x-amz-if-match-size")) {
    if (size->empty() || size->size() > 18 || size->find_first_not_of("0123456789") != std::string_view::npos)
      co_return call.refuse(S3Code::kInvalidArgument, {}, {{"ArgumentName", "x-amz-if-match-size"}});
    request.conditions.if_match_size = std::stoull(std::string(*size));
  }
  if (const auto time = call.header("x-amz-if-match-last-modified-time"))
    request.conditions.if_match_modified = parse_http_time(*time);
  request.bypass_governance = co_await may_bypass_governance(call, call.target().key);
  const auto deleted = co_await or_return(call.store().delete_object(std::move(request)));
  if (deleted.is_delete_marker) call.response().add_header("x-amz-delete-marker", "true");
  add_version_header(call, deleted.version_id);
  co_return co_await call.send_status(204);
}

Task<Result<void>> delete_objects(Call& call) {
  if (is_hopeless(call)) {
    call.services().stats.count_denied(true);
    co_return fail(ErrorCode::kAccessDenied);
  }
  const BodyChecks checks = co_await or_return(body_checks(call));
  if (checks.md5.empty() && checks.checksum.kind == objects::ChecksumKind::kNone)
    co_return call.refuse(S3Code::kInvalidRequest, "Missing required header for this request: Content-MD5");
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  DeleteOrder order = co_await or_return(parse_order(call, body.view()));
  Sorted sorted = co_await or_return(sort_by_permission(call, order.items));
  const bool bypass = co_await may_bypass_all(call, sorted.allowed);
  std::vector<objects::DeleteManyResult> results;
  if (!sorted.allowed.empty())
    results = co_await or_return(
        call.store().delete_objects(call.bucket_name(), std::move(sorted.allowed), bypass));
  XmlWriter xml;
  xml.open_root("DeleteResult");
  std::size_t next = 0;
  for (std::size_t i = 0; i < order.items.size(); ++i) {
    if (!sorted.is_allowed[i]) {
      write_failed(xml, {order.items[i].key, order.items[i].version_id, fail(ErrorCode::kAccessDenied)});
      continue;
    }
    const objects::DeleteManyResult& result = results[next++];
    if (!result.result) {
      write_failed(xml, result);
    } else if (!order.quiet) {
      write_deleted(xml, result);
    }
  }
  xml.close("DeleteResult");
  co_return co_await call.send_xml(xml);
}

}  // namespace flashstor::s3d
