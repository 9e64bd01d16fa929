#include <fmt/format.h>

#include <memory>

#include "cli/admin_client.h"
#include "cli/command_set.h"
#include "cli/limits.h"
#include "cli/local_file.h"
#include "cli/text.h"

namespace flashstor::cli {
namespace {

struct PolicyOptions {
  std::string alias;
  std::string name;
  std::string file;
  std::string user;
};

std::string policy_path(const std::string& name) { return "policies/" + percent_encode(name); }

Exit create_policy(Session& session, S3Client& client, const PolicyOptions& options) {
  const auto text = read_whole(options.file, limits::kMaxPolicyBytes);
  if (!text) return session.fail(text.error());
  const auto policy = Json::parse(*text);
  if (!policy) return session.fail(policy.error(), options.file);
  const auto done = admin_call(client, "PUT", policy_path(options.name), *policy);
  if (!done) return session.fail(done.error(), options.name);
  session.output.result(fmt::format("Policy `{}` is stored.", options.name),
                        Json::object({{"policy", options.name}}));
  return Exit::kOk;
}

Exit remove_policy(Session& session, S3Client& client, const PolicyOptions& options) {
  const auto done = admin_call(client, "DELETE", policy_path(options.name));
  if (!done) return session.fail(done.error(), options.name);
  session.output.result(fmt::format("Policy `{}` is gone.", options.name),
                        Json::object({{"policy", options.name}}));
  return Exit::kOk;
}

Exit list_policies(Session& session, S3Client& client, const PolicyOptions& options) {
  const auto policies = admin_call(client, "GET", "policies");
  if (!policies) return session.fail(policies.error(), options.alias);
  for (const Json& policy : policies->items())
    if (const std::string* name = policy.as_string())
      session.output.result(*name, Json::object({{"policy", *name}}));
  return Exit::kOk;
}

Exit policy_info(Session& session, S3Client& client, const PolicyOptions& options) {
  const auto policy = admin_call(client, "GET", policy_path(options.name));
  if (!policy) return session.fail(policy.error(), options.name);
  session.output.result(policy->pretty(), Json::object({{"policy", options.name}, {"document", *policy}}));
  return Exit::kOk;
}

Exit bind_policy(Session& session, S3Client& client, const PolicyOptions& options, bool attach) {
  const auto done = admin_call(client, "POST", policy_path(options.name) + (attach ? "/attach" : "/detach"),
                               Json::object({{"user", options.user}}));
  if (!done) return session.fail(done.error(), options.name);
  session.output.result(
      fmt::format("Policy `{}` is {} user `{}`.", options.name, attach ? "attached to" : "detached from",
                  options.user),
      Json::object({{"policy", options.name}, {"user", options.user}, {"attached", attach}}));
  return Exit::kOk;
}

}  // namespace

void add_policy_commands(CommandSet& commands, CLI::App* admin) {
  CLI::App* group = commands.add_group(admin, "policy", "What users may do, as AWS writes it");
  const auto options = std::make_shared<PolicyOptions>();
  using Function = std::function<Exit(Session&, S3Client&, const PolicyOptions&)>;
  const auto add = [&](const char* name, const char* description, const std::string& example,
                       const Function& run, bool with_name) {
    CLI::App* command = commands.add(group, name, description, example, [options, run](Session& session) {
      const auto client = session.client(options->alias);
      if (!client) return session.fail(client.error());
      return run(session, **client, *options);
    });
    command->add_option("ALIAS", options->alias, "Which deployment")->required();
    if (with_name) command->add_option("POLICY", options->name, "Its name")->required();
    return command;
  };
  add("create", "Store a policy", "  flashctl admin policy create local photos-readonly policy.json",
      create_policy, true)
      ->add_option("FILE", options->file, "Policy as JSON")
      ->required();
  add("remove", "Remove a policy", "  flashctl admin policy remove local photos-readonly", remove_policy,
      true)
      ->alias("rm");
  add("list", "Show the policies", "  flashctl admin policy list local", list_policies, false)->alias("ls");
  add("info", "Show one policy", "  flashctl admin policy info local readonly", policy_info, true);
  const auto bind = [](bool attach) {
    return [attach](Session& session, S3Client& client, const PolicyOptions& given) {
      return bind_policy(session, client, given, attach);
    };
  };
  add("attach", "Give a policy to a user", "  flashctl admin policy attach local readwrite --user alice",
      bind(true), true)
      ->add_option("--user", options->user, "Access key of the user")
      ->required();
  add("detach", "Take a policy from a user", "  flashctl admin policy detach local readwrite --user alice",
      bind(false), true)
      ->add_option("--user", options->user, "Access key of the user")
      ->required();
}

}  // namespace flashstor::cli
