#include "cli/sign.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/clock.h"
#include "cli/digest.h"
#include "cli/text.h"
#include "engine/base/hex.h"

namespace flashstor::cli {
namespace {

using base::to_hex;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// Lower-case names, trimmed values, sorted; `host` among them.
Headers canonical_headers(const SigningInput& input) {
  Headers all = {{"host", input.host}};
  for (const Header& header : input.headers)
    all.push_back({lower(header.name), std::string(trim(header.value))});
  std::ranges::sort(all, {}, &Header::name);
  return all;
}

std::string names_of(const Headers& headers) {
  std::string names;
  for (const Header& header : headers) {
    if (!names.empty()) names.push_back(';');
    names.append(header.name);
  }
  return names;
}

std::string credential_scope(const SigningScope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", iso_basic(scope.time).substr(0, 8), scope.region,
                     scope.service);
}

std::string signature_of(const SigningInput& input, const Headers& signed_headers,
                         const Credentials& credentials, const SigningScope& scope) {
  std::string lines;
  for (const Header& header : signed_headers) lines.append(header.name + ":" + header.value + "\n");
  const std::string request =
      fmt::format("{}\n{}\n{}\n{}\n{}\n{}", input.method, input.path, canonical_query(input.query), lines,
                  names_of(signed_headers), input.payload_hash);
  const std::string date = iso_basic(scope.time);
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, date, credential_scope(scope), to_hex(sha256(request)));
  std::string key = hmac_sha256("AWS4" + credentials.secret_key, date.substr(0, 8));
  key = hmac_sha256(key, scope.region);
  key = hmac_sha256(key, scope.service);
  key = hmac_sha256(key, "aws4_request");
  return to_hex(hmac_sha256(key, to_sign));
}

}  // namespace

std::string canonical_query(const Query& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) encoded.emplace_back(percent_encode(name), percent_encode(value));
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out.push_back('&');
    out.append(name).append("=").append(value);
  }
  return out;
}

Headers sign_headers(const SigningInput& input, const Credentials& credentials, const SigningScope& scope) {
  SigningInput full = input;
  full.headers.push_back({"x-amz-content-sha256", input.payload_hash});
  full.headers.push_back({"x-amz-date", iso_basic(scope.time)});
  if (!credentials.session_token.empty())
    full.headers.push_back({"x-amz-security-token", credentials.session_token});
  const Headers signed_headers = canonical_headers(full);
  Headers out = full.headers;
  out.push_back(
      {"Authorization", fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                                    credentials.access_key, credential_scope(scope), names_of(signed_headers),
                                    signature_of(full, signed_headers, credentials, scope))});
  return out;
}

std::string presign_query(SigningInput input, const Credentials& credentials, const SigningScope& scope,
                          std::chrono::seconds expires) {
  const Headers signed_headers = canonical_headers(input);
  input.query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  input.query.emplace_back("X-Amz-Credential", credentials.access_key + "/" + credential_scope(scope));
  input.query.emplace_back("X-Amz-Date", iso_basic(scope.time));
  input.query.emplace_back("X-Amz-Expires", std::to_string(expires.count()));
  input.query.emplace_back("X-Amz-SignedHeaders", names_of(signed_headers));
  if (!credentials.session_token.empty())
    input.query.emplace_back("X-Amz-Security-Token", credentials.session_token);
  input.payload_hash = kUnsignedPayload;
  return canonical_query(input.query) +
         "&X-Amz-Signature=" + signature_of(input, signed_headers, credentials, scope);
}

}  // namespace flashstor::cli
