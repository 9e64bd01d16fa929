#include <string>

#include "cli/command_set.h"
#include "cli/completion.h"
#include "cli/local_file.h"

namespace flashstor::cli {

void add_completion_command(CommandSet& commands) {
  CLI::App* group = commands.add_group(nullptr, "completion", "Completion scripts for your shell");
  using Generator = std::string (*)(const CLI::App&);
  const auto add = [&](const char* shell, const char* example, Generator generate) {
    CLI::App* root = &commands.root();
    commands.add(group, shell, std::string("For ") + shell, example, [root, generate](Session& session) {
      const auto written = write_stdout(generate(*root));
      return written ? Exit::kOk : session.fail(written.error());
    });
  };
  add("bash", "  source <(flashctl completion bash)", &bash_completion);
  add("zsh", "  source <(flashctl completion zsh)", &zsh_completion);
  add("fish", "  flashctl completion fish | source", &fish_completion);
}

}  // namespace flashstor::cli
