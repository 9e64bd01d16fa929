#include "cli/target.h"

#include <fmt/format.h>

#include "cli/text.h"

namespace flashstor::cli {

std::string Target::child(std::string_view name) const {
  if (!remote)
    return path.ends_with('/') || path.empty() ? path + std::string(name) : fmt::format("{}/{}", path, name);
  std::string parent = alias;
  if (!bucket.empty()) parent += "/" + bucket;
  if (!key.empty()) parent += "/" + key;
  return parent.ends_with('/') ? parent + std::string(name) : fmt::format("{}/{}", parent, name);
}

Target parse_target(std::string_view text, const AliasBook& book) {
  Target target;
  target.text = text;
  target.path = text;
  if (text.empty() || text.front() == '/' || text.front() == '.' || text.front() == '~') return target;
  const auto slash = text.find('/');
  const std::string_view alias = text.substr(0, slash);
  if (!book.find(alias)) return target;
  target.remote = true;
  target.path.clear();
  target.alias = alias;
  if (slash == std::string_view::npos) return target;
  const std::string_view rest = text.substr(slash + 1);
  const auto second = rest.find('/');
  target.bucket = rest.substr(0, second);
  if (second != std::string_view::npos) target.key = rest.substr(second + 1);
  return target;
}

Result<Target> parse_remote(std::string_view text, const AliasBook& book) {
  Target target = parse_target(text, book);
  if (!target.remote) {
    const std::string_view name = text.substr(0, text.find('/'));
    std::string words = fmt::format("there is no alias `{}`", name);
    if (const auto meant = nearest(name, book.names())) words += fmt::format("; did you mean `{}`?", *meant);
    words += " (`flashctl alias set NAME URL KEY SECRET` makes one)";
    return fail(ErrorCode::kInvalidArgument, words);
  }
  if (target.bucket.empty() && !target.key.empty())
    return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` has no bucket", text));
  return target;
}

Result<Target> parse_bucket(std::string_view text, const AliasBook& book) {
  auto target = parse_remote(text, book);
  if (target && target->bucket.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("`{}` names no bucket: ALIAS/BUCKET is wanted", text));
  return target;
}

Result<Target> parse_object(std::string_view text, const AliasBook& book) {
  auto target = parse_bucket(text, book);
  if (target && target->key.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("`{}` names no object: ALIAS/BUCKET/KEY is wanted", text));
  return target;
}

Result<std::string> path_below(const std::string& folder, std::string_view name) {
  std::string_view rest = name;
  if (rest.ends_with('/')) rest.remove_suffix(1);
  std::string_view left = rest;
  for (;;) {
    const auto slash = left.find('/');
    const std::string_view part = left.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the key `{}` cannot be a local path", printable(name)));
    if (slash == std::string_view::npos) break;
    left.remove_prefix(slash + 1);
  }
  if (folder.empty()) return std::string(rest);
  return folder.ends_with('/') ? folder + std::string(rest) : folder + "/" + std::string(rest);
}

std::string base_name(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  const auto slash = text.rfind('/');
  return std::string(slash == std::string_view::npos ? text : text.substr(slash + 1));
}

}  // namespace flashstor::cli
