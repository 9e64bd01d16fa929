#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/admin_client.h"
#include "cli/command_set.h"
#include "cli/local_file.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

struct UserOptions {
  std::string alias;
  std::string key;
  std::string secret;
};

std::string user_path(const std::string& key) { return "users/" + percent_encode(key); }

/// The canonical id is what an ACL names a user by.
void print_user(Session& session, const Json& user, bool with_id) {
  std::vector<std::string> policies;
  for (const Json& policy : user.get("policies").items())
    if (const std::string* name = policy.as_string()) policies.push_back(*name);
  std::string line = fmt::format("{:10} {:24} {}", user.string_or("status"), user.string_or("access_key"),
                                 fmt::join(policies, ", "));
  const std::string canonical_id = user.string_or("canonical_id");
  if (with_id) line += "\n           canonical id " + canonical_id;
  session.output.result(line, Json::object({{"access_key", user.string_or("access_key")},
                                            {"canonical_id", canonical_id},
                                            {"user_status", user.string_or("status")},
                                            {"policies", user.get("policies")}}));
}

Exit add_user(Session& session, S3Client& client, const UserOptions& options) {
  std::string secret = options.secret;
  if (secret.empty()) {  // Not on the command line, where others could see it.
    char line[1024];
    if (Output::stdin_is_terminal()) session.output.note("Secret key:");
    const auto got = read_stdin(line);
    if (!got) return session.fail(got.error());
    secret = trim(std::string_view(line, *got));
  }
  if (secret.empty()) return session.usage("a secret key is wanted");
  const auto done = admin_call(client, "PUT", user_path(options.key),
                               Json::object({{"secret_key", secret}, {"status", "enabled"}}));
  if (!done) return session.fail(done.error(), options.key);
  session.output.result(fmt::format("User `{}` is added.", options.key),
                        Json::object({{"access_key", options.key}}));
  return Exit::kOk;
}

Exit remove_user(Session& session, S3Client& client, const UserOptions& options) {
  const auto done = admin_call(client, "DELETE", user_path(options.key));
  if (!done) return session.fail(done.error(), options.key);
  session.output.result(fmt::format("User `{}` is gone.", options.key),
                        Json::object({{"access_key", options.key}}));
  return Exit::kOk;
}

Exit list_users(Session& session, S3Client& client, const UserOptions& options) {
  const auto users = admin_call(client, "GET", "users");
  if (!users) return session.fail(users.error(), options.alias);
  for (const Json& user : users->items()) print_user(session, user, false);
  return Exit::kOk;
}

Exit user_info(Session& session, S3Client& client, const UserOptions& options) {
  const auto user = admin_call(client, "GET", user_path(options.key));
  if (!user) return session.fail(user.error(), options.key);
  print_user(session, *user, true);
  return Exit::kOk;
}

Exit set_status(Session& session, S3Client& client, const UserOptions& options, const char* status) {
  const auto done =
      admin_call(client, "POST", user_path(options.key) + "/status", Json::object({{"status", status}}));
  if (!done) return session.fail(done.error(), options.key);
  session.output.result(fmt::format("User `{}` is {}.", options.key, status),
                        Json::object({{"access_key", options.key}, {"user_status", status}}));
  return Exit::kOk;
}

}  // namespace

void add_user_commands(CommandSet& commands, CLI::App* admin) {
  CLI::App* group = commands.add_group(admin, "user", "Users, each with an access key");
  const auto options = std::make_shared<UserOptions>();
  using Function = std::function<Exit(Session&, S3Client&, const UserOptions&)>;
  const auto add = [&](const char* name, const char* description, const std::string& example,
                       const Function& run, bool with_key) {
    CLI::App* command = commands.add(group, name, description, example, [options, run](Session& session) {
      const auto client = session.client(options->alias);
      if (!client) return session.fail(client.error());
      return run(session, **client, *options);
    });
    command->add_option("ALIAS", options->alias, "Which deployment")->required();
    if (with_key) command->add_option("KEY", options->key, "The user's access key")->required();
    return command;
  };
  add("add", "Add a user, or change a user's secret",
      "  flashctl admin user add local alice correct-horse-battery\n"
      "  flashctl admin user add local alice < secret.txt",
      add_user, true)
      ->add_option("SECRET", options->secret, "Secret key; from standard input when it is not given");
  add("remove", "Remove a user", "  flashctl admin user remove local alice", remove_user, true)->alias("rm");
  add("list", "Show the users", "  flashctl admin user list local", list_users, false)->alias("ls");
  add("info", "Show one user", "  flashctl admin user info local alice", user_info, true);
  const auto status = [](const char* value) {
    return [value](Session& session, S3Client& client, const UserOptions& given) {
      return set_status(session, client, given, value);
    };
  };
  add("enable", "Let a user in again", "  flashctl admin user enable local alice", status("enabled"), true);
  add("disable", "Keep a user out", "  flashctl admin user disable local alice", status("disabled"), true);
}

}  // namespace flashstor::cli
