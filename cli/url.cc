#include "cli/url.h"

#include <fmt/format.h>

#include <charconv>

#include "cli/text.h"

namespace flashstor::cli {
namespace {

std::unexpected<Error> wrong(std::string_view text, std::string_view why) {
  // The text may hold a secret: it is not repeated.
  const auto at = text.rfind('@');
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("`{}` is no endpoint: {}", at == std::string_view::npos ? text : text.substr(at + 1), why));
}

Result<void> take_credentials(Url& url, std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return fail(ErrorCode::kInvalidArgument, "KEY:SECRET wanted before @");
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(text.substr(colon + 1));
  if (!user || !password) return fail(ErrorCode::kInvalidArgument, "KEY:SECRET is badly percent-encoded");
  url.user = std::move(*user);
  url.password = std::move(*password);
  return {};
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (lower(rest.substr(0, 8)) == "https://") {
    url.secure = true;
    rest.remove_prefix(8);
  } else if (lower(rest.substr(0, 7)) == "http://") {
    rest.remove_prefix(7);
  } else {
    return wrong(text, "it must begin with http:// or https://");
  }
  // A secret may hold anything but @ unencoded, a slash among it, so the last @ counts.
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    if (auto taken = take_credentials(url, rest.substr(0, at)); !taken)
      return wrong(text, taken.error().message());
    rest.remove_prefix(at + 1);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?# ") != std::string_view::npos)
    return wrong(text, "only scheme, host and port belong there");
  const auto bracket = rest.find(']');
  const auto colon = rest.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = lower(rest.substr(0, colon));
  if (url.host.empty()) return wrong(text, "the host is missing");
  if (colon != std::string_view::npos) {
    const std::string_view digits = rest.substr(colon + 1);
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (status != std::errc() || end != digits.data() + digits.size() || url.port == 0)
      return wrong(text, "the port must be 1 to 65535");
  }
  if (url.port == (url.secure ? 443 : 80)) url.port = 0;
  return url;
}

std::string Url::authority() const { return port == 0 ? host : fmt::format("{}:{}", host, port); }
std::string Url::text() const { return (secure ? "https://" : "http://") + authority(); }

}  // namespace flashstor::cli
