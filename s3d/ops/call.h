#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/objects/object_types.h"
#include "s3d/auth/payload.h"
#include "s3d/http/request.h"
#include "s3d/http/response.h"
#include "s3d/ops/dispatch.h"
#include "s3d/ops/services.h"

namespace flashstor::s3d {

/// One request on its way through: what it names, who sent it, and how to answer. Handlers get it with the
/// caller authenticated and authorised for the row's action, and the bucket loaded (but for CreateBucket).
/// Lives as long as the request.
class Call {
 public:
  Call(Services& services, Request& request, ResponseWriter& response, const Target& target)
      : services_(services), request_(request), response_(response), target_(target) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  [[nodiscard]] Services& services() { return services_; }
  [[nodiscard]] objects::ObjectStore& store() { return services_.store; }
  [[nodiscard]] Request& request() { return request_; }
  [[nodiscard]] ResponseWriter& response() { return response_; }
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] std::string bucket_name() const { return std::string(target_.bucket); }
  [[nodiscard]] std::string key() const { return std::string(target_.key); }
  [[nodiscard]] const NodeFacts& facts() const { return services_.facts; }
  [[nodiscard]] WallTime now() const { return services_.runtime.wall_now(); }
  [[nodiscard]] bool is_anonymous() const { return who->kind == iam::Principal::Kind::kAnonymous; }

  /// A header; for a presigned request also one that the signer moved into the query.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  /// A query parameter's value, or empty.
  [[nodiscard]] std::string_view query(std::string_view name) const;
  [[nodiscard]] bool has_query(std::string_view name) const { return request_.find_query(name) != nullptr; }
  /// A whole number from the query, `otherwise` without the parameter. Errors: InvalidArgument.
  Result<std::uint32_t> query_number(std::string_view name, std::uint32_t otherwise);

  /// `return call.refuse(S3Code::kInvalidTag, "…")`: ends the handler with S3's own code.
  [[nodiscard]] std::unexpected<Error> refuse(S3Code code, std::string message = {},
                                              std::vector<std::pair<std::string, std::string>> fields = {});
  [[nodiscard]] const std::optional<S3Error>& refusal() const { return refusal_; }
  /// The refusal, or what `error` means to S3.
  [[nodiscard]] S3Error s3_error(const Error& error) const;

  /// The payload with its framing removed and its signature checked on the way. Errors: of Payload::open.
  Result<Payload*> payload();
  [[nodiscard]] const Payload* opened_payload() const { return payload_.get(); }
  /// The whole payload, in memory until the request ends. Errors: kEntityTooLarge above `max_bytes`; SlowDown
  /// when all requests of the loop hold as much as they may.
  Task<Result<Buffer>> whole_body(std::size_t max_bytes);
  /// `whole_body`, checked against Content-MD5 and x-amz-checksum-*. Errors: kEntityTooLarge becomes
  /// `too_large`; kBadDigest, kInvalidDigest.
  Task<Result<Buffer>> small_body(std::size_t max_bytes, S3Code too_large = S3Code::kMalformedXML);

  /// May the caller do `action` on `key` of the loaded bucket (or on the bucket, without a key)?
  /// Asks the object's own ACL and tags where they matter. Errors: kAccessDenied.
  Task<Result<void>> authorise(std::string_view action, std::string_view key, std::string_view version_id);
  /// The same for another bucket (the source of a copy). Errors: kNoSuchBucket too.
  Task<Result<void>> authorise_in(objects::BucketRef other, std::string_view action, std::string_view key,
                                  std::string_view version_id);

  /// Answers with an XML document.
  Task<Result<void>> send_xml(class XmlWriter& xml, int status = 200);
  /// Answers without a body.
  Task<Result<void>> send_status(int status);

  // Set on the way, in this order.
  std::string_view trace_id;  ///< In the request's arena.
  const Operation* operation = nullptr;
  Identity signature;    ///< How it was signed.
  iam::IdentityRef who;  ///< Who signed it.
  objects::BucketRef bucket;
  iam::Reason let_in_by = iam::Reason::kNothingAllows;  ///< Why the row's own action was allowed.
  /// Condition keys that only the body tells ("s3:locationconstraint", "s3:requestobjecttag/Team"), set by
  /// handlers before they authorise.
  std::vector<std::pair<std::string, std::string>> body_conditions;

 private:
  Services& services_;
  Request& request_;
  ResponseWriter& response_;
  Target target_;
  std::optional<S3Error> refusal_;
  std::unique_ptr<Payload> payload_;
  std::size_t body_bytes_ = 0;  // of the loop's BodyBudget
};

}  // namespace flashstor::s3d
