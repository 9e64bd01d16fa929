#include "engine/files/names.h"

#include <algorithm>

#include "engine/base/hex.h"
#include "engine/base/limits.h"
#include "engine/base/uuid.h"
#include "engine/codec/checksum.h"

namespace flashstor::files {
namespace {

constexpr std::string_view kLongPrefix = "%long-";
constexpr std::size_t kLongKept = 120;

bool needs_escape(std::string_view component) {
  return component.empty() || component == "." || component == ".." || component.front() == '%' ||
         component.ends_with(kShadowedSuffix) || component.find('\0') != std::string_view::npos;
}

std::string escape(std::string_view component) {
  std::string out = "%";
  for (const char c : component) {
    if (c == '%' || c == '.' || c == '\0')
      out.append("%").append(base::to_hex(std::string_view(&c, 1)));
    else
      out.push_back(c);
  }
  return out;
}

Result<std::string> unescape(std::string_view escaped) {
  std::string out;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '%') {
      out.push_back(escaped[i]);
      continue;
    }
    const auto byte = base::from_hex(escaped.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return fail(ErrorCode::kNotFound);
    out.append(*byte);
    i += 2;
  }
  return out;
}

}  // namespace

std::string name_of_component(std::string_view component, bool shadowed_file) {
  std::string name = needs_escape(component) ? escape(component) : std::string(component);
  if (shadowed_file) name.append(kShadowedSuffix);
  return name;
}

std::string long_name(std::string_view component) {
  const auto hash = codec::xxh3_128(std::as_bytes(std::span(component)));
  std::string name(kLongPrefix);
  name.append(Uuid{hash.high, hash.low}.to_text());
  for (const char c : component.substr(0, kLongKept))
    if (c != '\0') name.push_back(c);
  return name;
}

bool is_long_name(std::string_view name) { return name.starts_with(kLongPrefix); }

bool has_long_name(std::string_view path) {
  for (std::size_t at = path.find(kLongPrefix); at != std::string_view::npos;
       at = path.find(kLongPrefix, at + 1))
    if (at == 0 || path[at - 1] == '/') return true;
  return false;
}

Result<Component> component_of_name(std::string_view name) {
  if (name.size() > kMaxNameBytes) return fail(ErrorCode::kNameTooLong);
  Component out;
  if (name.size() > kShadowedSuffix.size() && name.ends_with(kShadowedSuffix)) {
    out.shadowed_file = true;
    name.remove_suffix(kShadowedSuffix.size());
  }
  if (!name.starts_with('%')) {
    out.bytes = std::string(name);
    return out;
  }
  auto bytes = unescape(name.substr(1));
  // One name a component: `%abc` is not another way to write `abc`.
  if (!bytes || !needs_escape(*bytes) || escape(*bytes) != name)
    return fail(ErrorCode::kNotFound, "no key has this name");
  out.bytes = std::move(*bytes);
  return out;
}

Result<PathKey> key_of_path(std::string_view path) {
  PathKey out;
  bool first = true;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    auto component = component_of_name(name);
    if (!component) return std::unexpected(component.error());
    if (!first) out.key.push_back('/');
    first = false;
    out.key.append(component->bytes);
    out.shadowed_file = component->shadowed_file;
  }
  if (out.key.size() > limits::kMaxKeyBytes)
    return fail(ErrorCode::kNameTooLong, "the key would be over 1,024 bytes");
  return out;
}

std::string directory_prefix(std::string_view key) {
  return key.empty() ? std::string() : std::string(key) + "/";
}

bool meets(const std::vector<std::string>& keys, std::string_view from, std::string_view to) {
  return std::ranges::any_of(keys, [&](const std::string& key) {
    return key.starts_with(from) || from.starts_with(key) || key.starts_with(to) || to.starts_with(key);
  });
}

}  // namespace flashstor::files
