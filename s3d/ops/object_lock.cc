#include "s3d/ops/object_lock.h"

#include <charconv>

#include "engine/iam/condition_value.h"
#include "engine/objects/bucket_types.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/object_headers.h"
#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

using objects::RetentionMode;

constexpr std::int64_t kNanosecondsInMillisecond = 1'000'000;
constexpr std::int64_t kSameMomentNs = 10'000 * kNanosecondsInMillisecond;
constexpr std::uint32_t kMaxYears = 100;

std::optional<RetentionMode> parse_mode(std::string_view text) {
  if (text == "GOVERNANCE") return RetentionMode::kGovernance;
  if (text == "COMPLIANCE") return RetentionMode::kCompliance;
  return std::nullopt;
}

std::optional<std::int64_t> parse_until(std::string_view text) {
  const auto milliseconds = iam::parse_date_ms(text);
  if (!milliseconds || !text.contains('T') || *milliseconds > INT64_MAX / kNanosecondsInMillisecond)
    return std::nullopt;
  return *milliseconds * kNanosecondsInMillisecond;
}

/// A positive whole number; nullopt for anything else, so that the caller tells zero from nonsense.
std::optional<std::int64_t> parse_period(std::string_view text) {
  std::int64_t value = 0;
  const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || at != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<DefaultRetention> parse_default(Call& call, const XmlElement& root) {
  DefaultRetention out;
  if (!root.child("Rule").present()) return out;
  const XmlElement rule = root.child("Rule").child("DefaultRetention");
  const auto mode = parse_mode(rule.child("Mode").trimmed());
  const bool has_days = rule.child("Days").present(), has_years = rule.child("Years").present();
  if (!mode || has_days == has_years) return call.refuse(S3Code::kMalformedXML);
  const auto period = parse_period(rule.child(has_days ? "Days" : "Years").trimmed());
  if (!period) return call.refuse(S3Code::kMalformedXML);
  if (*period <= 0)
    return call.refuse(S3Code::kInvalidRetentionPeriod,
                       "Default retention period must be a positive integer value.");
  if (*period > (has_days ? kMaxYears * 365 : kMaxYears))
    return call.refuse(S3Code::kInvalidRetentionPeriod, "Default retention period too large.");
  out.mode = *mode;
  (has_days ? out.days : out.years) = static_cast<std::uint32_t>(*period);
  return out;
}

Buffer lock_document(const DefaultRetention& retention) {
  XmlWriter xml;
  xml.open_root("ObjectLockConfiguration").element("ObjectLockEnabled", "Enabled");
  if (retention.mode != RetentionMode::kNone) {
    xml.open("Rule").open("DefaultRetention").element("Mode", mode_name(retention.mode));
    if (retention.days > 0) xml.element("Days", std::uint64_t{retention.days});
    if (retention.years > 0) xml.element("Years", std::uint64_t{retention.years});
    xml.close("DefaultRetention").close("Rule");
  }
  xml.close("ObjectLockConfiguration");
  return xml.take().flatten();
}

Result<void> need_object_lock(Call& call) {
  if (call.bucket->object_lock) return {};
  return call.refuse(S3Code::kInvalidRequest, "Bucket is missing Object Lock Configuration");
}

Result<objects::Retention> retention_from_headers(Call& call, std::string_view mode_text,
                                                  std::string_view until_text) {
  const auto invalid = [&](std::string_view name, std::string_view value, std::string words) {
    return call.refuse(S3Code::kInvalidArgument, std::move(words),
                       {{"ArgumentName", std::string(name)}, {"ArgumentValue", std::string(value)}});
  };
  const auto mode = parse_mode(mode_text);
  if (!mode) return invalid("x-amz-object-lock-mode", mode_text, "Unknown wormMode directive.");
  const auto until = parse_until(until_text);
  if (!until)
    return invalid("x-amz-object-lock-retain-until-date", until_text,
                   "The retain until date must be provided in ISO 8601 format");
  if (*until <= base::to_nanoseconds(call.now()))
    return invalid("x-amz-object-lock-retain-until-date", until_text,
                   "The retain until date must be in the future!");
  return objects::Retention{*mode, *until};
}

/// The version that a request about retention or legal hold names.
Task<Result<objects::ObjectInfo>> locked_object(Call& call) {
  co_await or_return(need_object_lock(call));
  auto found = co_await or_return(call.store().head_object(
      {.bucket = call.bucket_name(), .key = call.key(), .version_id = std::string(call.query("versionId"))}));
  co_return *found.info;
}

std::string until_text(std::int64_t until_ns) { return iso_time(base::from_nanoseconds(until_ns)); }

}  // namespace

std::string_view mode_name(RetentionMode mode) {
  switch (mode) {
    case RetentionMode::kNone:
      return "";
    case RetentionMode::kGovernance:
      return "GOVERNANCE";
    case RetentionMode::kCompliance:
      return "COMPLIANCE";
  }
  return "";
}

objects::Retention default_retention(Call& call, WallTime made) {
  if (!call.bucket->object_lock) return {};
  const auto found = call.bucket->configs.find(kObjectLock);
  if (found == call.bucket->configs.end()) return {};
  const auto document = XmlDocument::parse(found->second);
  if (!document) return {};
  const auto period = parse_default(call, document->root());
  if (!period || period->mode == RetentionMode::kNone) return {};
  const auto until = made + std::chrono::days(period->days + 365 * period->years);
  return {period->mode, base::to_nanoseconds(until)};
}

Task<Result<void>> apply_object_lock(Call& call, objects::ObjectAttributes& attributes) {
  const auto mode = call.header("x-amz-object-lock-mode");
  const auto until = call.header("x-amz-object-lock-retain-until-date");
  const auto hold = call.header("x-amz-object-lock-legal-hold");
  if (mode || until || hold) co_await or_return(need_object_lock(call));
  if (mode.has_value() != until.has_value())
    co_return call.refuse(
        S3Code::kInvalidArgument,
        "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied");
  if (mode) {
    attributes.retention = co_await or_return(retention_from_headers(call, *mode, *until));
    co_await or_return(call.authorise("s3:PutObjectRetention", call.target().key, {}));
  } else {
    attributes.retention = default_retention(call, call.now());
  }
  if (hold) {
    if (*hold != "ON" && *hold != "OFF")
      co_return call.refuse(S3Code::kInvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'");
    attributes.legal_hold = *hold == "ON";
    co_await or_return(call.authorise("s3:PutObjectLegalHold", call.target().key, {}));
  }
  co_return Result<void>();
}

Task<bool> has_default_retention(Call& call) {
  if (default_retention(call, call.now()).mode == RetentionMode::kNone) co_return false;
  const auto page = co_await call.store().list_parts({.bucket = call.bucket_name(),
                                                      .key = call.key(),
                                                      .upload_id = std::string(call.query("uploadId")),
                                                      .part_marker = 0,
                                                      .max_parts = 1});
  if (!page) co_return false;
  const objects::Retention from_start = default_retention(call, page->upload.initiated);
  const objects::Retention& has = page->upload.attributes.retention;
  // The default was taken a moment before the upload was written down.
  const std::int64_t apart = from_start.until_ns - has.until_ns;
  co_return has.mode == from_start.mode&& apart >= -kSameMomentNs&& apart <= kSameMomentNs;
}

Task<void> extend_default_retention(Call& call, std::string version_id) {
  const objects::Retention wanted = default_retention(call, call.now());
  if (wanted.mode == RetentionMode::kNone) co_return;
  (void)co_await call.store().set_retention(call.bucket_name(), call.key(), std::move(version_id), wanted,
                                            false);
}

Task<void> add_object_lock_headers(Call& call, const objects::ObjectInfo& info) {
  const objects::ObjectAttributes& attributes = info.attributes;
  const std::string_view key = call.target().key, version_id = call.query("versionId");
  if (attributes.retention.mode != RetentionMode::kNone &&
      (co_await call.authorise("s3:GetObjectRetention", key, version_id)).has_value()) {
    call.response().add_header("x-amz-object-lock-mode", mode_name(attributes.retention.mode));
    call.response().add_header("x-amz-object-lock-retain-until-date",
                               until_text(attributes.retention.until_ns));
  }
  if (attributes.legal_hold &&
      (co_await call.authorise("s3:GetObjectLegalHold", key, version_id)).has_value())
    call.response().add_header("x-amz-object-lock-legal-hold", "ON");
}

Task<Result<void>> get_object_lock_configuration(Call& call) {
  if (!call.bucket->object_lock) co_return call.refuse(S3Code::kObjectLockConfigurationNotFoundError);
  const auto found = call.bucket->configs.find(kObjectLock);
  const Buffer plain = lock_document({});
  call.response().add_header("Content-Type", "application/xml");
  co_return co_await call.response().send(
      found == call.bucket->configs.end() ? plain.view() : std::string_view(found->second));
}

Task<Result<void>> put_object_lock_configuration(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto document = XmlDocument::parse(body.view());
  if (!document || document->root().name() != "ObjectLockConfiguration" ||
      document->root().child("ObjectLockEnabled").trimmed() != "Enabled")
    co_return call.refuse(S3Code::kMalformedXML);
  const DefaultRetention retention = co_await or_return(parse_default(call, document->root()));
  const Buffer stored = lock_document(retention);
  co_await or_return(
      call.store().set_object_lock(call.bucket_name(), std::string(kObjectLock), std::string(stored.view())));
  co_return co_await call.send_status(200);
}

Task<Result<void>> get_object_retention(Call& call) {
  const objects::ObjectInfo info = co_await or_return(locked_object(call));
  if (info.attributes.retention.mode == RetentionMode::kNone)
    co_return call.refuse(S3Code::kNoSuchObjectLockConfiguration);
  XmlWriter xml;
  xml.open_root("Retention").element("Mode", mode_name(info.attributes.retention.mode));
  xml.element("RetainUntilDate", until_text(info.attributes.retention.until_ns)).close("Retention");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_object_retention(Call& call) {
  co_await or_return(need_object_lock(call));
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto document = XmlDocument::parse(body.view());
  if (!document || document->root().name() != "Retention") co_return call.refuse(S3Code::kMalformedXML);
  const XmlElement root = document->root();
  objects::Retention retention;
  if (!root.children().empty()) {  // an empty one takes the retention away
    const auto mode = parse_mode(root.child("Mode").trimmed());
    const auto until = parse_until(root.child("RetainUntilDate").trimmed());
    if (!mode || !until) co_return call.refuse(S3Code::kMalformedXML);
    if (*until <= base::to_nanoseconds(call.now()))
      co_return call.refuse(S3Code::kInvalidArgument, "The retain until date must be in the future!");
    retention = {*mode, *until};
  }
  const bool bypass = co_await may_bypass_governance(call, call.target().key);
  const std::string version_id = co_await or_return(call.store().set_retention(
      call.bucket_name(), call.key(), std::string(call.query("versionId")), retention, bypass));
  add_version_header(call, version_id);
  co_return co_await call.send_status(200);
}

Task<Result<void>> get_object_legal_hold(Call& call) {
  const objects::ObjectInfo info = co_await or_return(locked_object(call));
  XmlWriter xml;
  xml.open_root("LegalHold").element("Status", info.attributes.legal_hold ? "ON" : "OFF").close("LegalHold");
  co_return co_await call.send_xml(xml);
}

Task<Result<void>> put_object_legal_hold(Call& call) {
  co_await or_return(need_object_lock(call));
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto document = XmlDocument::parse(body.view());
  const std::string_view status = document ? document->root().child("Status").trimmed() : std::string_view();
  if (!document || document->root().name() != "LegalHold" || (status != "ON" && status != "OFF"))
    co_return call.refuse(S3Code::kMalformedXML);
  const std::string version_id = co_await or_return(call.store().set_legal_hold(
      call.bucket_name(), call.key(), std::string(call.query("versionId")), status == "ON"));
  add_version_header(call, version_id);
  co_return co_await call.send_status(200);
}

}  // namespace flashstor::s3d
