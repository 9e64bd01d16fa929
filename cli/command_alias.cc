#include <fmt/format.h>

#include <memory>

#include "cli/command_set.h"

namespace flashstor::cli {
namespace {

struct SetOptions {
  std::string name, url, key, secret, token, region = "us-east-1";
  bool unchecked = false;
};

/// Whether the endpoint knows the key and takes its signature. What the key may do is no matter here; an
/// endpoint that does not answer is told, and the alias is kept for when it does.
Result<void> check_credentials(Session& session, const Alias& alias) {
  if (alias.credentials.access_key.empty()) return {};
  S3Client client(alias, session.http());
  const auto listed = client.list_buckets();
  if (listed) return {};
  switch (listed.error().code()) {
    case ErrorCode::kInvalidAccessKey:
    case ErrorCode::kSignatureMismatch:
    case ErrorCode::kInvalidToken:
    case ErrorCode::kExpiredToken:
      return std::unexpected(listed.error());
    case ErrorCode::kAccessDenied:
      return {};
    default:
      session.output.note(fmt::format("`{}` was not checked: {}", alias.name, listed.error().message()));
      return {};
  }
}

Exit set_alias(Session& session, const SetOptions& options) {
  auto url = Url::parse(options.url);
  if (!url) return session.usage(url.error().message());
  if (auto good = check_alias_name(options.name); !good) return session.usage(good.error().message());
  const auto book = session.aliases();
  if (!book) return session.fail(book.error());
  url->user.clear();
  url->password.clear();
  Alias alias{options.name, *url, {options.key, options.secret, options.token}, options.region, {}};
  if (!options.unchecked)
    if (auto good = check_credentials(session, alias); !good)
      return session.fail(good.error(), "not saved (--unchecked saves it all the same)");
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
  set->add_flag("--unchecked", options->unchecked,
                "Do not ask the endpoint whether key and secret are right");

  const auto name = std::make_shared<std::string>();
  commands
      .add(group, "list", "Show the aliases, without their secrets", "  flashctl alias list",
           [name](Session& session) { return list_aliases(session, *name); })
      ->alias("ls")
      ->add_option("NAME", *name, "Only this one");
  commands
      .add(group, "remove", "Forget an alias", "  flashctl alias remove local",
           [name](Session& session) { return remove_alias(session, *name); })
      ->alias("rm")
      ->add_option("NAME", *name, "Which")
      ->required();
}

}  // namespace flashstor::cli
