#include "cli/alias_import.h"

#include <map>

#include "cli/text.h"
#include "engine/base/json.h"

namespace flashstor::cli {

std::vector<Alias> aliases_of_environment(char** environment) {
  std::vector<Alias> found;
  for (const std::string_view prefix : {"FLASHSTORE_HOST_", "MC_HOST_"}) {
    for (char** entry = environment; entry && *entry; ++entry) {
      const std::string_view text(*entry);
      const auto equals = text.find('=');
      if (!text.starts_with(prefix) || equals == std::string_view::npos) continue;
      auto url = Url::parse(text.substr(equals + 1));
      const std::string name(text.substr(prefix.size(), equals - prefix.size()));
      if (!url || !check_alias_name(name)) continue;
      Alias alias{name, *url, {url->user, url->password, {}}, "us-east-1", "environment"};
      if (const auto colon = url->password.find(':'); colon != std::string::npos) {
        alias.credentials.secret_key = url->password.substr(0, colon);
        alias.credentials.session_token = url->password.substr(colon + 1);
      }
      alias.url.user.clear();
      alias.url.password.clear();
      found.push_back(std::move(alias));
    }
  }
  return found;
}

std::vector<Alias> aliases_of_mc(std::string_view text) {
  std::vector<Alias> found;
  const auto root = base::Json::parse(text);
  if (!root) return found;
  const Json& table = root->has("aliases") ? root->get("aliases") : root->get("hosts");
  for (const JsonMember& member : table.members()) {
    auto url = Url::parse(member.value.string_or("url"));
    const std::string key = member.value.string_or("accessKey");
    if (!url || key.empty() || !check_alias_name(member.name)) continue;
    found.push_back({member.name,
                     std::move(*url),
                     {key, member.value.string_or("secretKey"), member.value.string_or("sessionToken")},
                     "us-east-1",
                     "mc"});
  }
  return found;
}

std::vector<Alias> aliases_of_aws(std::string_view text) {
  std::map<std::string, std::map<std::string, std::string>> profiles;
  std::string profile;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      profile = trim(line.substr(1, line.size() - 2));
    } else if (const auto equals = line.find('='); equals != std::string_view::npos) {
      profiles[profile][lower(trim(line.substr(0, equals)))] = trim(line.substr(equals + 1));
    }
  }
  std::vector<Alias> found;
  for (auto& [name, values] : profiles) {
    const std::string region = values["region"].empty() ? "us-east-1" : values["region"];
    const std::string endpoint =
        values["endpoint_url"].empty() ? "https://s3." + region + ".amazonaws.com" : values["endpoint_url"];
    auto url = Url::parse(endpoint);
    const std::string alias_name = name == "default" ? "aws" : "aws-" + name;
    if (!url || values["aws_access_key_id"].empty() || !check_alias_name(alias_name)) continue;
    found.push_back(
        {alias_name,
         std::move(*url),
         {values["aws_access_key_id"], values["aws_secret_access_key"], values["aws_session_token"]},
         region,
         "aws"});
  }
  return found;
}

}  // namespace flashstor::cli
