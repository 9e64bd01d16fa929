#include "s3d/ops/s3_handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/base/log.h"
#include "engine/objects/version_id.h"
#include "s3d/ops/cors.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

// In the request's arena.
std::string_view make_trace_id(Random& random, Arena& arena) {
  std::array<char, 16> digits;
  fmt::format_to_n(digits.data(), digits.size(), "{:016X}", random.next());
  return arena.copy({digits.data(), digits.size()});
}

/// Loading the bucket is a part of every operation on one, but of those that make it.
bool needs_bucket(const Operation& row) {
  return row.resource != ResourceKind::kService && row.name != "CreateBucket";
}

}  // namespace

Task<void> S3Handler::handle(Request& request, ResponseWriter& response) {
  const WallTime at = services_.runtime.wall_now();
  Call call(services_, request, response, resolve_target(request, services_.facts.domains));
  call.trace_id = make_trace_id(services_.runtime.random(), request.arena());
  response.add_header("x-amz-request-id", call.trace_id);
  response.add_header("x-amz-id-2", services_.facts.host_id);
  Phases phases;
  Result<void> outcome;
  const bool internal =
      pages_ != nullptr && !call.target().virtual_host && request.path().starts_with(kInternalPrefix);
  if (internal) {
    outcome = co_await run_internal(call, phases);
  } else {
    outcome = co_await run(call, phases);
  }
  if (!outcome) {
    if (const Payload* payload = call.opened_payload(); payload != nullptr && payload->failure())
      services_.stats.count_auth_failure(*payload->failure());
    if (response.started()) {
      response.abort();
    } else {
      if (outcome.error().code() == ErrorCode::kIsDeleteMarker) {
        response.add_header("x-amz-delete-marker", "true");
        response.add_header("x-amz-version-id", outcome.error().message());
      }
      co_await send_error(call, call.s3_error(outcome.error()));
    }
  }
  finish(call, phases, at, outcome);
}

void S3Handler::on_refused(Refusal refusal, std::string_view) { services_.stats.count_refusal(refusal); }

Task<Result<void>> S3Handler::run(Call& call, Phases& phases) {
  Route found = route(call.request(), call.target());
  call.operation = found.operation;
  co_await or_return(authenticate(call));
  phases.authenticated = services_.runtime.now();
  if (found.refusal)
    co_return call.refuse(found.refusal->code, std::move(found.refusal->message),
                          std::move(found.refusal->fields));
  co_await or_return(refuse_unsupported_headers(call));
  co_await or_return(authorise(call));
  phases.authorised = services_.runtime.now();
  co_return co_await call.operation->handler(call);
}

Task<Result<void>> S3Handler::run_internal(Call& call, Phases& phases) {
  if (pages_->is_open(call.request())) {
    call.who = services_.authorizer.identities().anonymous();
  } else {
    co_await or_return(authenticate(call, true));
  }
  phases.authenticated = services_.runtime.now();
  phases.authorised = phases.authenticated;
  co_return co_await pages_->handle(call);
}

Task<Result<void>> S3Handler::authenticate(Call& call, bool page) {
  // A preflight is never signed; what a presigned URL in it signs is the request that may follow.
  if (call.request().method() == "OPTIONS") {
    call.who = services_.authorizer.identities().anonymous();
    co_return Result<void>();
  }
  auto verified = co_await services_.verifier.verify(call.request(), services_.runtime.wall_now());
  // Root's own key is in no store that could be unreachable: it administers what cannot be confirmed.
  const bool of_root =
      page && verified && verified->access_key == services_.authorizer.identities().root()->access_key;
  if (FreshnessApi* freshness = services_.freshness;
      freshness != nullptr && !of_root && !freshness->is_fresh(services_.runtime.now())) {
    call.who = services_.authorizer.identities().anonymous();
    // It is the node's trouble, which ChangeWatch tells once, and not a line of the log for each request.
    if (!co_await freshness->confirm())
      co_return call.refuse(S3Code::kServiceUnavailable, "This node cannot confirm who may do what");
    verified = co_await services_.verifier.verify(call.request(), services_.runtime.wall_now());
  }
  if (!verified) {
    services_.stats.count_auth_failure(verified.error().cause);
    S3Error error = auth_s3_error(verified.error(), call.request());
    call.who = services_.authorizer.identities().anonymous();
    co_return call.refuse(error.code, std::move(error.message), std::move(error.fields));
  }
  call.signature = std::move(*verified);
  if (call.signature.anonymous) {
    call.who = services_.authorizer.identities().anonymous();
    co_return Result<void>();
  }
  call.who = co_await or_return(services_.authorizer.identities().find(call.signature.access_key));
  co_return Result<void>();
}

Task<Result<void>> S3Handler::authorise(Call& call) {
  const Operation& row = *call.operation;
  if (row.resource == ResourceKind::kObject)
    if (const auto key = objects::check_object_key(call.target().key); !key)
      co_return call.refuse(key.error().code() == ErrorCode::kKeyTooLong ? S3Code::kKeyTooLongError
                                                                         : S3Code::kInvalidURI);
  if (needs_bucket(row)) {
    call.bucket = services_.store.peek_bucket(call.target().bucket);
    if (call.bucket == nullptr)
      call.bucket = co_await or_return(services_.store.head_bucket(call.bucket_name()));
    add_cors_headers(call);  // also for a refusal: a script may read why
  }
  if (const auto owner = call.header("x-amz-expected-bucket-owner");
      owner && call.bucket != nullptr && *owner != call.bucket->owner)
    co_return fail(ErrorCode::kAccessDenied);
  if (row.action.empty()) co_return Result<void>();
  const std::string_view version_id = call.query("versionId");
  if (row.resource == ResourceKind::kObject && !version_id.empty() && version_id != objects::kNullVersionId &&
      !objects::VersionId::from_text(version_id))
    co_return call.refuse(S3Code::kInvalidArgument, "Invalid version id specified",
                          {{"ArgumentName", "versionId"}, {"ArgumentValue", std::string(version_id)}});
  const bool of_version = !version_id.empty() && !row.version_action.empty();
  co_return co_await call.authorise(of_version ? row.version_action : row.action, call.target().key,
                                    version_id);
}

Task<void> S3Handler::send_error(Call& call, const S3Error& error) {
  ResponseWriter& response = call.response();
  const S3ErrorShape shape = shape_of(error.code);
  services_.stats.count_error(error.code);
  response.set_status(shape.status);
  if (shape.status == 304) {
    (void)co_await response.send(std::string_view());
    co_return;
  }
  response.add_header("Content-Type", "application/xml");
  const BufferChain document = error_document(error, {.resource = call.request().path(),
                                                      .bucket = call.target().bucket,
                                                      .key = call.target().key,
                                                      .request_id = call.trace_id,
                                                      .host_id = services_.facts.host_id});
  (void)co_await response.send(document);
}

void S3Handler::finish(Call& call, const Phases& phases, WallTime at, const Result<void>& outcome) {
  const MonotonicTime end = services_.runtime.now();
  const Request& request = call.request();
  const std::size_t slot =
      call.operation == nullptr ? services_.stats.unknown_slot() : slot_of(*call.operation);
  const std::uint64_t bytes_in = request.content_length().value_or(0);
  const int status = call.response().status();
  services_.stats.count_request(slot, status, end - request.received_at(), bytes_in,
                                call.response().body_bytes_sent());
  const bool server_fault =
      !outcome && status >= 500 && outcome.error().code() != ErrorCode::kNotImplemented && !call.refusal();
  if (server_fault)
    base::log_error("{} {} {}: {}", call.trace_id, request.method(), request.raw_path(),
                    outcome.error().describe());
  if (services_.access_log == nullptr && !services_.trace.listening()) return;

  const MonotonicTime authenticated = std::max(phases.authenticated, request.received_at());
  const MonotonicTime authorised = std::max(phases.authorised, authenticated);
  const RequestRecord record{
      .at = at,
      .trace_id = std::string(call.trace_id),
      .operation = std::string(call.operation ? call.operation->name : "Unknown"),
      .method = std::string(request.method()),
      .path = std::string(request.raw_path()),
      .query = redact_query(request.raw_query()),
      .bucket = call.bucket_name(),
      .key = call.key(),
      .access_key = call.who == nullptr ? std::string() : call.who->access_key,
      .peer = std::string(request.peer()),
      .user_agent = std::string(request.header("user-agent").value_or("")),
      .error = outcome ? std::string() : std::string(shape_of(call.s3_error(outcome.error()).code).code),
      .detail = server_fault ? outcome.error().describe() : std::string(),
      .status = status,
      .bytes_in = bytes_in,
      .bytes_out = call.response().body_bytes_sent(),
      .authenticate = authenticated - request.received_at(),
      .authorise = authorised - authenticated,
      .execute = end - authorised};
  if (services_.access_log != nullptr && !services_.access_log->push(record))
    services_.stats.count_dropped_record();
  if (services_.trace.listening()) services_.trace.publish(record);
}

}  // namespace flashstor::s3d
