#include "s3d/ops/conditions.h"

#include <algorithm>

#include "s3d/ops/bucket_policies.h"

namespace flashstor::s3d {
namespace {

bool add_tag(const objects::Tags& tags, std::string_view name, iam::ConditionValues& values) {
  for (const auto& [tag, value] : tags) {
    if (tag != name) continue;
    values.push_back(value);
    return true;
  }
  return false;
}

int digit_of(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

}  // namespace

bool RequestConditions::find(std::string_view key, iam::ConditionValues& values) const {
  bool from_body = false;
  for (const auto& [name, value] : call_.body_conditions) {
    if (name != key) continue;
    values.push_back(value);
    from_body = true;
  }
  if (from_body) return true;
  if (key.starts_with("s3:")) return find_s3(key.substr(3), values);
  if (key.starts_with("aws:")) return find_aws(key.substr(4), values);
  if (key != kBucketOwnerKey) return false;
  if (bucket_ != nullptr) return add_bucket_owner(call_.services(), *bucket_, values);
  if (call_.is_anonymous()) return false;
  values.push_back(call_.who->access_key);  // whose the bucket will be that is about to be made
  return true;
}

bool RequestConditions::add_header(std::string_view name, iam::ConditionValues& values) const {
  const auto value = call_.header(name);
  if (!value) return false;
  values.emplace_back(*value);
  return true;
}

bool RequestConditions::add_query(std::string_view name, iam::ConditionValues& values) const {
  const QueryParam* param = request_.find_query(name);
  if (param == nullptr) return false;
  values.emplace_back(param->value);
  return true;
}

bool RequestConditions::find_aws(std::string_view key, iam::ConditionValues& values) const {
  if (key == "sourceip") {
    values.emplace_back(request_.peer_address());
    return true;
  }
  if (key == "securetransport") {
    values.emplace_back(request_.tls() ? "true" : "false");
    return true;
  }
  if (key == "requestedregion") {
    values.push_back(call_.facts().region);
    return true;
  }
  if (key == "principalisawsservice" || key == "viaawsservice") {
    values.emplace_back("false");
    return true;
  }
  if (key == "useragent") return add_header("user-agent", values);
  if (key == "referer") return add_header("referer", values);
  return false;
}

bool RequestConditions::find_s3(std::string_view key, iam::ConditionValues& values) const {
  if (key == "x-amz-copy-source") {
    // Without the '/' in front, the escapes and the version: a source has one name here, so that no other
    // way of writing it gets past a statement.
    const auto source = call_.header(key);
    if (!source) return false;
    std::string name = url_decode(source->substr(0, source->find("?versionId=")), false);
    if (name.starts_with('/')) name.erase(0, 1);
    values.push_back(std::move(name));
    return true;
  }
  if (key.starts_with("x-amz-")) return add_header(key, values);
  if (key == "prefix" || key == "delimiter" || key == "max-keys") return add_query(key, values);
  if (key == "versionid") return add_query("versionId", values);
  if (key == "if-match" || key == "if-none-match") return add_header(key, values);
  if (key == "authtype") {
    if (call_.signature.anonymous) return false;
    values.emplace_back(call_.signature.presigned ? "REST-QUERY-STRING" : "REST-HEADER");
    return true;
  }
  if (key == "signatureversion") {
    if (call_.signature.anonymous) return false;
    values.emplace_back("AWS4-HMAC-SHA256");
    return true;
  }
  if (key == "signatureage") {
    if (call_.signature.anonymous) return false;
    const auto age = std::chrono::floor<std::chrono::milliseconds>(call_.now() - call_.signature.signed_at);
    values.push_back(std::to_string(std::max<std::int64_t>(age.count(), 0)));
    return true;
  }
  if (key == "tlsversion") {
    if (!request_.tls()) return false;
    values.emplace_back("1.2");  // The least that is taken; never more than what the connection has.
    return true;
  }
  if (key.starts_with("existingobjecttag/"))
    return object_tags_ != nullptr && add_tag(*object_tags_, key.substr(18), values);
  return key.starts_with("requestobjecttag") && find_request_tag(key, values);
}

bool RequestConditions::find_request_tag(std::string_view key, iam::ConditionValues& values) const {
  const auto header = call_.header("x-amz-tagging");
  if (!header) return false;
  const auto tags = parse_tagging_header(*header);
  if (!tags) return false;
  if (key.starts_with("requestobjecttag/")) return add_tag(*tags, key.substr(17), values);
  if (key != "requestobjecttagkeys") return false;
  for (const auto& [name, value] : *tags) values.push_back(name);
  return true;
}

bool add_bucket_owner(Services& services, const objects::Bucket& bucket, iam::ConditionValues& values) {
  const std::string_view owner = services.owners.display_name(services.authorizer.identities(), bucket.owner);
  if (owner.empty()) return false;
  values.emplace_back(owner);
  return true;
}

Result<objects::Tags> parse_tagging_header(std::string_view text) {
  objects::Tags tags;
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view piece = text.substr(0, end);
    const auto equals = piece.find('=');
    if (!piece.empty()) {
      std::string name = url_decode(piece.substr(0, equals), true);
      if (name.empty())
        return fail(ErrorCode::kInvalidArgument,
                    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                    "parameters without tag name duplicates.");
      tags.emplace_back(std::move(name), equals == std::string_view::npos
                                             ? std::string()
                                             : url_decode(piece.substr(equals + 1), true));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  std::ranges::sort(tags);  // a header has no order, and S3 answers in this one
  return tags;
}

std::string url_decode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit_of(text[i + 1]) >= 0 && digit_of(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(digit_of(text[i + 1]) * 16 + digit_of(text[i + 2])));
      i += 2;
    } else {
      out.push_back(plus && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

}  // namespace flashstor::s3d
