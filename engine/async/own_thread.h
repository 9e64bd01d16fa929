#pragma once

#include <functional>

namespace flashstor::async {

/// Runs `body` on a thread of its own, which nobody waits for: for what may hang in a drive for ever. What it
/// touches must live as long as it may run.
void run_on_own_thread(std::function<void()> body);

}  // namespace flashstor::async
