#include "s3d/ops/cors.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/objects/bucket_types.h"
#include "s3d/ops/handlers.h"
#include "s3d/ops/xml_reader.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {
namespace {

constexpr std::array<std::string_view, 5> kMethods = {"GET", "PUT", "POST", "DELETE", "HEAD"};

bool matches(std::string_view pattern, std::string_view text, bool fold) {
  const auto equal = [fold](std::string_view left, std::string_view right) {
    return fold ? equal_ignoring_case(left, right) : left == right;
  };
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return equal(pattern, text);
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return text.size() >= head.size() + tail.size() && equal(head, text.substr(0, head.size())) &&
         equal(tail, text.substr(text.size() - tail.size()));
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ", ").append(word);
  return out;
}

std::vector<std::string_view> split_list(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (!word.empty()) out.push_back(word);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

Result<void> check_rule(const CorsRule& rule) {
  if (rule.origins.empty() || rule.methods.empty()) return fail(ErrorCode::kMalformed);
  for (const std::string& method : rule.methods)
    if (std::ranges::find(kMethods, method) == kMethods.end())
      return fail(
          ErrorCode::kInvalidArgument,
          "Found unsupported HTTP method in CORS config. Unsupported method is " + method.substr(0, 100));
  for (const auto* list : {&rule.origins, &rule.headers})
    for (const std::string& one : *list)
      if (std::ranges::count(one, '*') > 1)
        return fail(ErrorCode::kInvalidArgument,
                    (list == &rule.origins ? "AllowedOrigin \"" : "AllowedHeader \"") + one.substr(0, 100) +
                        "\" can not have more than one wildcard.");
  return {};
}

Result<CorsRule> parse_rule(const XmlElement& element) {
  CorsRule rule;
  for (const XmlElement& child : element.children()) {
    std::string text(child.trimmed());
    if (child.name() == "ID") {
      rule.id = std::move(text);
    } else if (child.name() == "AllowedOrigin") {
      rule.origins.push_back(std::move(text));
    } else if (child.name() == "AllowedMethod") {
      rule.methods.push_back(std::move(text));
    } else if (child.name() == "AllowedHeader") {
      rule.headers.push_back(std::move(text));
    } else if (child.name() == "ExposeHeader") {
      rule.exposed.push_back(std::move(text));
    } else if (child.name() == "MaxAgeSeconds") {
      std::uint32_t seconds = 0;
      const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
      if (problem != std::errc() || at != text.data() + text.size()) return fail(ErrorCode::kMalformed);
      rule.max_age_s = seconds;
    } else {
      return fail(ErrorCode::kMalformed);
    }
  }
  if (const auto good = check_rule(rule); !good) return std::unexpected(good.error());
  return rule;
}

void write_list(XmlWriter& xml, std::string_view name, const std::vector<std::string>& words) {
  for (const std::string& word : words) xml.element(name, word);
}

Buffer cors_document(const std::vector<CorsRule>& rules) {
  XmlWriter xml;
  xml.open_root("CORSConfiguration");
  for (const CorsRule& rule : rules) {
    xml.open("CORSRule");
    if (!rule.id.empty()) xml.element("ID", rule.id);
    write_list(xml, "AllowedHeader", rule.headers);
    write_list(xml, "AllowedMethod", rule.methods);
    write_list(xml, "AllowedOrigin", rule.origins);
    write_list(xml, "ExposeHeader", rule.exposed);
    if (rule.max_age_s) xml.element("MaxAgeSeconds", std::uint64_t{*rule.max_age_s});
    xml.close("CORSRule");
  }
  xml.close("CORSConfiguration");
  return xml.take().flatten();
}

void add_match_headers(ResponseWriter& out, const CorsMatch& match) {
  out.add_header("Access-Control-Allow-Origin", match.allow_origin);
  if (match.allow_origin != "*") out.add_header("Access-Control-Allow-Credentials", "true");
  out.add_header("Access-Control-Allow-Methods", joined(match.rule->methods));
  if (!match.rule->exposed.empty())
    out.add_header("Access-Control-Expose-Headers", joined(match.rule->exposed));
  if (match.rule->max_age_s) out.add_header("Access-Control-Max-Age", std::to_string(*match.rule->max_age_s));
  out.add_header("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
}

/// The rules of the call's bucket; none where it has none.
std::vector<CorsRule> rules_of(Call& call) {
  const auto found = call.bucket->configs.find(kCors);
  if (found == call.bucket->configs.end()) return {};
  return parse_cors(found->second).value_or(std::vector<CorsRule>{});
}

}  // namespace

Result<std::vector<CorsRule>> parse_cors(std::string_view text) {
  const auto document = XmlDocument::parse(text);
  if (!document || document->root().name() != "CORSConfiguration") return fail(ErrorCode::kMalformed);
  std::vector<CorsRule> rules;
  for (const XmlElement& element : document->root().children()) {
    if (element.name() != "CORSRule" || rules.size() == kMaxCorsRules) return fail(ErrorCode::kMalformed);
    auto rule = parse_rule(element);
    if (!rule) return std::unexpected(rule.error());
    rules.push_back(std::move(*rule));
  }
  if (rules.empty()) return fail(ErrorCode::kMalformed);
  return rules;
}

std::optional<CorsMatch> match_cors(std::span<const CorsRule> rules, const CorsRequest& asked) {
  for (const CorsRule& rule : rules) {
    const auto origin = std::ranges::find_if(
        rule.origins, [&](const auto& one) { return matches(one, asked.origin, false); });
    if (origin == rule.origins.end() || std::ranges::find(rule.methods, asked.method) == rule.methods.end())
      continue;
    const auto allowed = [&rule](std::string_view header) {
      return std::ranges::any_of(rule.headers, [&](const auto& one) { return matches(one, header, true); });
    };
    if (!std::ranges::all_of(asked.headers, allowed)) continue;
    return CorsMatch{&rule, *origin == "*" ? "*" : std::string(asked.origin)};
  }
  return std::nullopt;
}

void add_cors_headers(Call& call) {
  const auto origin = call.request().header("origin");
  if (!origin || call.request().method() == "OPTIONS") return;
  const auto named = call.request().header("access-control-request-method");
  const std::vector<CorsRule> rules = rules_of(call);
  const auto match =
      match_cors(rules, {.origin = *origin, .method = named.value_or(call.request().method())});
  if (match) add_match_headers(call.response(), *match);
}

Task<Result<void>> preflight(Call& call) {
  const auto origin = call.request().header("origin");
  const auto method = call.request().header("access-control-request-method");
  if (!origin)
    co_return call.refuse(S3Code::kBadRequest, "Insufficient information. Origin request header needed.");
  if (!method || std::ranges::find(kMethods, *method) == kMethods.end())
    co_return call.refuse(S3Code::kBadRequest,
                          "Invalid Access-Control-Request-Method: " + std::string(method.value_or("null")));
  const std::vector<CorsRule> rules = rules_of(call);
  if (rules.empty())
    co_return call.refuse(S3Code::kAccessForbidden, "CORSResponse: CORS is not enabled for this bucket.");
  const auto headers = call.request().header("access-control-request-headers");
  const auto match =
      match_cors(rules, {.origin = *origin, .method = *method, .headers = split_list(headers.value_or(""))});
  if (!match)
    co_return call.refuse(S3Code::kAccessForbidden, "CORSResponse: This CORS request is not allowed.");
  if (headers) call.response().add_header("Access-Control-Allow-Headers", *headers);
  add_match_headers(call.response(), *match);
  co_return co_await call.send_status(200);
}

Task<Result<void>> get_bucket_cors(Call& call) {
  const auto found = call.bucket->configs.find(kCors);
  if (found == call.bucket->configs.end()) co_return call.refuse(S3Code::kNoSuchCORSConfiguration);
  call.response().add_header("Content-Type", "application/xml");
  co_return co_await call.response().send(std::string_view(found->second));
}

Task<Result<void>> put_bucket_cors(Call& call) {
  const Buffer body = co_await or_return(call.small_body(limits::kMaxXmlBytes));
  const auto rules = parse_cors(body.view());
  if (!rules)
    co_return rules.error().code() == ErrorCode::kMalformed
        ? call.refuse(S3Code::kMalformedXML)
        : call.refuse(S3Code::kInvalidRequest, std::string(rules.error().message()));
  const Buffer document = cors_document(*rules);
  co_await or_return(
      call.store().set_bucket_config(call.bucket_name(), std::string(kCors), std::string(document.view())));
  co_return co_await call.send_status(200);
}

Task<Result<void>> delete_bucket_cors(Call& call) {
  co_await or_return(call.store().delete_bucket_config(call.bucket_name(), std::string(kCors)));
  co_return co_await call.send_status(204);
}

}  // namespace flashstor::s3d
