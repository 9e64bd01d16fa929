#include <fmt/format.h>

#include <memory>

#include "cli/command_set.h"

namespace flashstor::cli {
namespace {

struct SetOptions {
  std::string name, url, key, secret, token, region = "us-east-1";
};

Exit set_alias(Session& session, const SetOptions& options) {
  auto url = Url::parse(options.url);
  if (!url) return session.usage(url.error().message());
  if (auto good = check_alias_name(options.name); !good) return session.usage(good.error().message());
  const auto book = session.aliases();
  if (!book) return session.fail(book.error());
  url->user.clear();
  url->password.clear();
  Alias alias{options.name, *url, {options.key, options.secret, options.token}, options.region, {}};
  if (auto saved = (*book)->set(alias); !saved) return session.fail(saved.error());
  session.output.result(fmt::format("Alias `{}` is {}.", options.name, url->text()),
                        Json::object({{"alias", options.name}, {"url", url->text()}}));
  return Exit::kOk;
}

Exit list_aliases(Session& session, const std::string& name) {
  const auto book = session.aliases();
  if (!book) return session.fail(book.error());
  bool found = false;
  for (const Alias& alias : (*book)->all()) {
    if (!name.empty() && alias.name != name) continue;
    found = true;
    session.output.result(fmt::format("{:16}  {:40}  {:20}  {}", alias.name, alias.url.text(),
                                      alias.credentials.access_key, alias.source),
                          Json::object({{"alias", alias.name},
                                        {"url", alias.url.text()},
                                        {"access_key", alias.credentials.access_key},
                                        {"region", alias.region},
                                        {"source", alias.source}}));
  }
  if (!name.empty() && !found) return session.fail({ErrorCode::kNotFound, "there is no such alias"}, name);
  return Exit::kOk;
}

Exit remove_alias(Session& session, const std::string& name) {
  const auto book = session.aliases();
  if (!book) return session.fail(book.error());
  if (auto removed = (*book)->remove(name); !removed) return session.fail(removed.error());
  session.output.result(fmt::format("Alias `{}` is gone.", name), Json::object({{"alias", name}}));
  return Exit::kOk;
}

}  // namespace

void add_alias_commands(CommandSet& commands) {
  CLI::App* group = commands.add_group(nullptr, "alias", "Names for endpoints and their credentials");
  const auto options = std::make_shared<SetOptions>();
  CLI::App* set = commands.add(
      group, "set", "Add or change an alias",
      "  flashctl alias set local http://127.0.0.1:9000 KEY SECRET\n"
      "  flashctl alias set aws https://s3.eu-west-1.amazonaws.com KEY SECRET --region eu-west-1",
      [options](Session& session) { return set_alias(session, *options); });
  set->add_option("NAME", options->name, "What to call it")->required();
  set->add_option("URL", options->url, "http[s]://HOST[:PORT]")->required();
  set->add_option("KEY", options->key, "Access key (empty: anonymous)")->required();
  set->add_option("SECRET", options->secret, "Secret key")->required();
  set->add_option("--token", options->token, "Session token");
  set->add_option("--region", options->region, "Region to sign for")->capture_default_str();

  const auto name = std::make_shared<std::string>();
  commands
      .add(group, "list", "Show the aliases, without their secrets", "  flashctl alias list",
           [name](Session& session) { return list_aliases(session, *name); })
      ->add_option("NAME", *name, "Only this one");
  commands
      .add(group, "remove", "Forget an alias", "  flashctl alias remove local",
           [name](Session& session) { return remove_alias(session, *name); })
      ->add_option("NAME", *name, "Which")
      ->required();
}

}  // namespace flashstor::cli
