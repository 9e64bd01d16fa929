#pragma once

namespace flashstor::cli {

/// From now on Ctrl-C and SIGTERM ask running transfers to stop at a place from which they can be resumed; a
/// second one kills. Call once, before any thread is started.
void catch_interrupts();
/// Whether somebody asked to stop. Safe on every thread.
[[nodiscard]] bool interrupted();
/// Blocks Ctrl-C and SIGTERM and gives a descriptor from which they are read instead: for a program that
/// waits for nothing else with them. -1 when there is none.
[[nodiscard]] int ending_signals();

}  // namespace flashstor::cli
