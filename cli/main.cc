#include "cli/command_set.h"
#include "cli/interrupt.h"

int main(int count, char** arguments) {
  flashstor::cli::catch_interrupts();
  flashstor::cli::Session session;
  flashstor::cli::CommandSet commands(session);
  flashstor::cli::add_all_commands(commands);
  return commands.run(count, arguments);
}
