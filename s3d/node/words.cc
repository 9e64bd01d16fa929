#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <utility>

#include "s3d/node/limits.h"
#include "s3d/node/options.h"

namespace flashstor::s3d {
namespace {

/// How many letters must be put in, taken out or changed.  Source: Levenshtein 1966.
std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t changed = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

/// What everybody would try first.
constexpr std::array<std::string_view, 10> kWellKnown = {"minioadmin", "flashadmin", "password", "admin",
                                                         "flashstor",  "flashstore", "secret",   "changeme",
                                                         "12345678",   "root"};
constexpr std::string_view kDefaultRoot = "flashadmin";

/// A well-known word or the user's name, perhaps said twice and with digits or signs behind it, or a few
/// letters again and again.
bool is_weak(std::string_view password, std::string_view user) {
  std::string core;
  for (const char byte : password)
    core.push_back(byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte);
  std::string letters = core;
  std::ranges::sort(letters);
  if (std::ranges::distance(letters.begin(), std::ranges::unique(letters).begin()) < 4) return true;
  const auto known = [&](std::string_view word) {
    return word.empty() || word == user || std::ranges::find(kWellKnown, word) != kWellKnown.end();
  };
  if (known(core)) return true;
  while (!core.empty() && (core.back() < 'a' || core.back() > 'z')) core.pop_back();
  const std::string_view word = core;
  const std::string_view half = word.substr(0, word.size() / 2);
  return known(word) || (word.size() % 2 == 0 && half == word.substr(half.size()) && known(half));
}

}  // namespace

bool HostPort::is_loopback() const {
  return host.starts_with("127.") || host == "::1" || host == "localhost";
}

std::string_view nearest_word(std::string_view word, std::span<const std::string> known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::kInvalidArgument, "address \"" + std::string(text) + "\" is not HOST:PORT");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  HostPort address;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [at, problem] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (problem != std::errc() || at != port.data() + port.size()) return wrong();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return wrong();
  }
  address.host = host.empty() ? "0.0.0.0" : host == "localhost" ? "127.0.0.1" : std::string(host);
  return address;
}

bool has_default_credentials(const NodeOptions& options) {
  return std::ranges::find(kWellKnown, options.root_password) != kWellKnown.end();
}

Result<void> check_root_credentials(NodeOptions& options, const HostPort& address) {
  constexpr std::string_view kHow =
      " (FLASHSTORE_ROOT_USER and FLASHSTORE_ROOT_PASSWORD, or the config file)";
  if (options.root_user.empty() && options.root_password.empty()) {
    if (!address.is_loopback())
      return fail(ErrorCode::kInvalidArgument,
                  "root credentials are needed to serve on " + address.host + std::string(kHow));
    options.root_user = kDefaultRoot;
    options.root_password = kDefaultRoot;
    return {};
  }
  if (options.root_user.size() < node_limits::kMinUserBytes)
    return fail(ErrorCode::kInvalidArgument, "the root user needs at least 3 characters" + std::string(kHow));
  if (options.root_password.size() < node_limits::kMinPasswordBytes)
    return fail(ErrorCode::kInvalidArgument,
                "the root password needs at least 8 characters" + std::string(kHow));
  if (address.is_loopback()) return {};
  if (is_weak(options.root_password, options.root_user))
    return fail(ErrorCode::kInvalidArgument,
                "default or weak root credentials are refused on the public address " + address.host +
                    ": choose a password that is not well known" + std::string(kHow));
  return {};
}

}  // namespace flashstor::s3d
