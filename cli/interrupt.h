#pragma once

namespace flashstor::cli {

/// From now on Ctrl-C and SIGTERM ask running transfers to stop at a place from which they can be resumed; a
/// second one kills. Call once, before any thread is started.
void catch_interrupts();
/// Whether somebody asked to stop. Safe on every thread.
[[nodiscard]] bool interrupted();

}  // namespace flashstor::cli
