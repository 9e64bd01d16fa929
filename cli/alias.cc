#include "cli/alias.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "cli/alias_import.h"
#include "cli/limits.h"
#include "cli/local_file.h"
#include "engine/base/json.h"

namespace flashstor::cli {
namespace {

std::string environment_or(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value && *value != '\0' ? std::string(value) : std::move(otherwise);
}

Result<Alias> alias_of_json(const JsonMember& member) {
  auto url = Url::parse(member.value.string_or("url"));
  if (!url) return std::unexpected(url.error());
  if (auto good = check_alias_name(member.name); !good) return std::unexpected(good.error());
  return Alias{member.name,
               std::move(*url),
               {member.value.string_or("access_key"), member.value.string_or("secret_key"),
                member.value.string_or("session_token")},
               member.value.string_or("region", "us-east-1"),
               "config"};
}

Json json_of(const Alias& alias) {
  Json value = Json::object({{"url", alias.url.text()},
                             {"access_key", alias.credentials.access_key},
                             {"secret_key", alias.credentials.secret_key}});
  if (!alias.credentials.session_token.empty()) value.set("session_token", alias.credentials.session_token);
  if (alias.region != "us-east-1") value.set("region", alias.region);
  return value;
}

}  // namespace

Result<void> check_alias_name(std::string_view name) {
  const auto allowed = [](unsigned char byte) { return std::isalnum(byte) || byte == '-' || byte == '_'; };
  if (name.empty() || name.size() > 64 || !std::isalpha(static_cast<unsigned char>(name[0])) ||
      !std::ranges::all_of(name, allowed))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("`{}` is no alias name: a letter, then letters, digits, - and _", name));
  return {};
}

std::string default_config_folder() {
  const std::string home = environment_or("HOME", ".");
  const std::string config = environment_or("XDG_CONFIG_HOME", home + "/.config");
  return environment_or("FLASHSTORE_CONFIG_DIR", config + "/flashstor");
}

Result<AliasBook> AliasBook::load(std::string config_folder) {
  AliasBook book;
  book.folder_ = std::move(config_folder);
  auto text = read_whole(book.file(), limits::kMaxConfigBytes);
  if (!text && text.error().code() != ErrorCode::kNotFound) return std::unexpected(text.error());
  if (text) {
    const auto root = Json::parse(*text);
    if (!root) return std::unexpected(root.error().wrap(ErrorCode::kMalformed, book.file()));
    for (const JsonMember& member : root->get("aliases").members()) {
      auto alias = alias_of_json(member);
      if (!alias) return std::unexpected(alias.error().wrap(ErrorCode::kMalformed, book.file()));
      book.own_.push_back(std::move(*alias));
    }
  }
  const auto add = [&](std::vector<Alias> found) {
    for (Alias& alias : found)
      if (!book.find(alias.name)) book.aliases_.push_back(std::move(alias));
  };
  add(aliases_of_environment(::environ));
  add(book.own_);
  const std::string home = environment_or("HOME", ".");
  if (auto mc = read_whole(home + "/.mc/config.json", limits::kMaxConfigBytes)) add(aliases_of_mc(*mc));
  const std::string aws = environment_or("AWS_SHARED_CREDENTIALS_FILE", home + "/.aws/credentials");
  if (auto profiles = read_whole(aws, limits::kMaxConfigBytes)) add(aliases_of_aws(*profiles));
  return book;
}

const Alias* AliasBook::find(std::string_view name) const {
  const auto found = std::ranges::find(aliases_, name, &Alias::name);
  return found == aliases_.end() ? nullptr : &*found;
}

std::vector<std::string> AliasBook::names() const {
  std::vector<std::string> names;
  for (const Alias& alias : aliases_) names.push_back(alias.name);
  return names;
}

Result<void> AliasBook::set(Alias alias) {
  if (auto good = check_alias_name(alias.name); !good) return good;
  alias.source = "config";
  std::erase_if(own_, [&](const Alias& old) { return old.name == alias.name; });
  std::erase_if(aliases_, [&](const Alias& old) { return old.name == alias.name; });
  own_.push_back(alias);
  aliases_.push_back(std::move(alias));
  return save();
}

Result<void> AliasBook::remove(std::string_view name) {
  if (std::erase_if(own_, [&](const Alias& old) { return old.name == name; }) == 0) {
    const Alias* foreign = find(name);
    return fail(ErrorCode::kNotFound,
                foreign ? fmt::format("alias `{}` comes from {}: remove it there", name, foreign->source)
                        : fmt::format("there is no alias `{}`", name));
  }
  std::erase_if(aliases_, [&](const Alias& old) { return old.name == name; });
  return save();
}

Result<void> AliasBook::save() const {
  Json table = Json::object();
  for (const Alias& alias : own_) table.set(alias.name, json_of(alias));
  return write_private(file(), Json::object({{"version", 1}, {"aliases", table}}).pretty() + "\n");
}

}  // namespace flashstor::cli
