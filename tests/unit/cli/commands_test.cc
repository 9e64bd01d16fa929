#include <gtest/gtest.h>

#include "cli/command_set.h"
#include "cli/completion.h"
#include "cli/suggest.h"

namespace flashstor::cli {
namespace {

class Commands : public testing::Test {
 protected:
  Commands() : commands_(session_) { add_all_commands(commands_); }
  std::string unknown(std::vector<std::string> words) {
    return unknown_word(commands_.root(), words).value_or("known");
  }
  Session session_;
  CommandSet commands_;
};

TEST_F(Commands, UnknownWordsNameTheNearest) {
  EXPECT_EQ(unknown({"lss"}), "unknown command `flashctl lss`; did you mean `ls`?");
  EXPECT_EQ(unknown({"admin", "polcy"}), "unknown command `flashctl admin polcy`; did you mean `policy`?");
  EXPECT_EQ(unknown({"ls", "--recursiv"}),
            "unknown option `--recursiv` of `flashctl ls`; did you mean `--recursive`?");
  EXPECT_EQ(unknown({"--jsn", "ls"}), "unknown option `--jsn` of `flashctl`; did you mean `--json`?");
}

TEST_F(Commands, ValuesAndPositionalsAreNoCommands) {
  EXPECT_EQ(unknown({"--config-dir", "lss", "ls", "--json", "anything"}), "known");
  EXPECT_EQ(unknown({"cp", "--content-type", "--odd", "a", "b"}), "known");
  EXPECT_EQ(unknown({"cp", "--", "--odd", "b"}), "known");
  EXPECT_EQ(unknown({"admin", "policy", "attach", "local", "readwrite", "--user", "alice"}), "known");
}

TEST_F(Commands, EveryCommandHasHelpWithAnExample) {
  std::vector<const CLI::App*> left = {&commands_.root()};
  int leaves = 0;
  while (!left.empty()) {
    const CLI::App* app = left.back();
    left.pop_back();
    EXPECT_FALSE(app->get_description().empty()) << app->get_name();
    const auto below = app->get_subcommands([](const CLI::App*) { return true; });
    left.insert(left.end(), below.begin(), below.end());
    if (!below.empty()) continue;
    ++leaves;
    EXPECT_NE(app->get_footer().find("flashctl"), std::string::npos) << app->get_name();
  }
  EXPECT_GT(leaves, 40);
}

TEST_F(Commands, CompletionKnowsTheWholeTree) {
  const std::string bash = bash_completion(commands_.root());
  EXPECT_NE(bash.find("'flashctl admin policy') words='create remove list info attach detach"),
            std::string::npos);
  EXPECT_NE(bash.find("--recursive"), std::string::npos);
  EXPECT_NE(zsh_completion(commands_.root()).find("bashcompinit"), std::string::npos);
  EXPECT_NE(fish_completion(commands_.root()).find("-a mirror -d "), std::string::npos);
}

TEST_F(Commands, UsageErrorsEndWithTwo) {
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "flashctl");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    return commands_.run(static_cast<int>(arguments.size()), arguments.data());
  };
  EXPECT_EQ(run({"mb"}), 2);
  EXPECT_EQ(run({"nothing"}), 2);
  EXPECT_EQ(run({"--parallel", "0", "alias", "list"}), 2);
  EXPECT_EQ(run({"alias", "set", "x", "not-a-url", "k", "s"}), 2);
}

}  // namespace
}  // namespace flashstor::cli
