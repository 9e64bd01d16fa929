#include "s3d/ops/call.h"

#include <algorithm>
#include <charconv>
#include <memory_resource>
#include <string>

#include "engine/codec/checksum.h"
#include "s3d/ops/acl_grants.h"
#include "s3d/ops/bucket_policies.h"
#include "s3d/ops/checksum_headers.h"
#include "s3d/ops/conditions.h"
#include "s3d/ops/limits.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {

std::optional<std::string_view> Call::header(std::string_view name) const {
  if (auto value = request_.header(name)) return value;
  if (signature.presigned && name.starts_with("x-amz-"))
    for (const QueryParam& param : request_.query())
      if (equal_ignoring_case(param.name, name)) return param.value;
  return std::nullopt;
}

std::string_view Call::query(std::string_view name) const {
  const QueryParam* param = request_.find_query(name);
  return param == nullptr ? std::string_view() : param->value;
}

Result<std::uint32_t> Call::query_number(std::string_view name, std::uint32_t otherwise) {
  const QueryParam* param = request_.find_query(name);
  if (param == nullptr || param->value.empty()) return otherwise;
  std::uint32_t value = 0;
  const char* end = param->value.data() + param->value.size();
  const auto [at, problem] = std::from_chars(param->value.data(), end, value);
  if (problem != std::errc() || at != end || value > INT32_MAX)
    return refuse(S3Code::kInvalidArgument,
                  "Provided " + std::string(name) + " not an integer or within integer range",
                  {{"ArgumentName", std::string(name)}, {"ArgumentValue", std::string(param->value)}});
  return value;
}

std::unexpected<Error> Call::refuse(S3Code code, std::string message,
                                    std::vector<std::pair<std::string, std::string>> fields) {
  refusal_ = S3Error{code, std::move(message), std::move(fields)};
  return fail(ErrorCode::kInvalidArgument);
}

S3Error Call::s3_error(const Error& error) const {
  if (refusal_) return *refusal_;
  if (payload_ != nullptr && payload_->failure() == AuthFailure::kPayloadHashMismatch)
    return {.code = S3Code::kXAmzContentSHA256Mismatch};
  if (payload_ != nullptr && payload_->is_chunked() && error.code() == ErrorCode::kMalformed)
    return {.code = payload_->in_trailer() ? S3Code::kMalformedTrailerError : S3Code::kIncompleteBody,
            .message = payload_->in_trailer() ? std::string() : "The request body terminated unexpectedly"};
  // Without a version id the newest version is meant, and a marker means that there is none.
  if (error.code() == ErrorCode::kIsDeleteMarker && query("versionId").empty())
    return {.code = S3Code::kNoSuchKey};
  return to_s3_error(error);
}

Result<Payload*> Call::payload() {
  if (payload_ == nullptr) {
    const bool framed =
        signature.payload != PayloadKind::kUnsigned && signature.payload != PayloadKind::kHash;
    if (framed && !request_.header("x-amz-decoded-content-length"))
      return refuse(S3Code::kMissingContentLength);
    auto opened = Payload::open(request_, signature);
    if (!opened) return std::unexpected(opened.error());
    payload_ = std::move(*opened);
  }
  return payload_.get();
}

Call::~Call() {
  if (body_bytes_ > 0) services_.bodies->give(body_bytes_);
}

Task<Result<Buffer>> Call::whole_body(std::size_t max_bytes) {
  Payload* source = co_await or_return(payload());
  const std::uint64_t announced = source->length().value_or(max_bytes);
  if (announced > max_bytes) co_return fail(ErrorCode::kEntityTooLarge);
  BufferChain chain;
  // What was announced is not believed before it came: the blocks grow with what did.
  // One byte more than announced, so that the end is met in the same block.
  for (std::size_t next = std::min<std::size_t>(announced + 1, ops_limits::kFirstBodyBytes);;
       next = std::min(next * 2, limits::kMiB)) {
    if (services_.bodies != nullptr) {
      if (!services_.bodies->take(next)) co_return refuse(S3Code::kSlowDown);
      body_bytes_ += next;
    }
    Buffer block = co_await or_return(read_block(*source, next));
    const bool at_end = block.size() < next;
    chain.append(std::move(block));
    if (chain.size() > max_bytes) co_return fail(ErrorCode::kEntityTooLarge);
    if (at_end) co_return chain.flatten();
  }
}

Task<Result<Buffer>> Call::small_body(std::size_t max_bytes, S3Code too_large) {
  BodyChecks checks = co_await or_return(body_checks(*this));
  auto body = co_await whole_body(max_bytes);
  if (!body) {
    if (body.error().code() == ErrorCode::kEntityTooLarge) co_return refuse(too_large);
    co_return std::unexpected(body.error());
  }
  co_await or_return(verify_small(*this, checks, body->view()));
  co_return std::move(*body);
}

Task<Result<void>> Call::authorise(std::string_view action, std::string_view key,
                                   std::string_view version_id) {
  co_return co_await authorise_in(bucket, action, key, version_id);
}

Task<Result<void>> Call::authorise_in(objects::BucketRef other, std::string_view action, std::string_view key,
                                      std::string_view version_id) {
  const BucketPolicies::Access known =
      other == nullptr ? BucketPolicies::Access{} : services_.policies.access(other);
  if (who->kind == iam::Principal::Kind::kRoot && known.access.policy == nullptr) co_return Result<void>();
  iam::Authorizer& authorizer = services_.authorizer;
  std::optional<Result<objects::GetResult>> found;
  const auto load = [&]() -> Task<void> {
    if (!found)
      found = co_await store().head_object({.bucket = other->name, .key = key, .version_id = version_id});
  };
  const bool of_object = !key.empty() && other != nullptr;
  if (of_object && authorizer.needs_object_tags(who, known.access)) co_await load();
  const bool with_tags = found && found->has_value();
  const RequestConditions conditions(*this, request_, other.get(),
                                     with_tags ? &(*found)->info->attributes.tags : nullptr);
  std::pmr::string resource(iam::kS3ArnPrefix, &request_.arena());
  resource.append(other == nullptr ? target_.bucket : std::string_view(other->name));
  if (!key.empty()) resource.append("/").append(key);
  iam::Decision decision = authorizer.decide(who, known.access,
                                             {.action = action,
                                              .resource = resource,
                                              .now = services_.runtime.wall_now(),
                                              .conditions = &conditions});
  if (!known.valid && decision.reason != iam::Reason::kRoot) decision = {};
  if (known.block.restrict_public_buckets && is_anonymous() &&
      decision.reason == iam::Reason::kBucketPolicy && known.access.policy->is_public())
    decision = {};
  if (!decision.allowed && decision.object_acl_may_allow && of_object && known.valid) {
    co_await load();
    if (found->has_value()) {
      const objects::ObjectAttributes& attributes = (*found)->info->attributes;
      const iam::Acl acl = stored_acl(attributes.acl, attributes.grants);
      if (!known.ignores(acl)) decision = iam::with_object_acl(decision, acl, action, who->principal());
    } else if ((co_await authorise_in(other, "s3:ListBucket", {}, {})).has_value()) {
      // Who may list may know that nothing is there. Answered here: an object that comes in the next moment
      // is not his to read.
      co_return std::unexpected(found->error());
    }
  }
  if (decision.allowed) {
    if (let_in_by == iam::Reason::kNothingAllows) let_in_by = decision.reason;
    co_return Result<void>();
  }
  services_.stats.count_denied(is_anonymous());
  co_return fail(ErrorCode::kAccessDenied);
}

Task<Result<void>> Call::send_xml(XmlWriter& xml, int status) {
  response_.set_status(status);
  response_.add_header("Content-Type", "application/xml");
  const BufferChain document = xml.take();
  co_return co_await response_.send(document);
}

Task<Result<void>> Call::send_status(int status) {
  response_.set_status(status);
  co_return co_await response_.send(std::string_view());
}

}  // namespace flashstor::s3d
