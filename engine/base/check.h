#pragma once

namespace flashstor::base {
/// Prints the failed condition with its place and aborts. A programmer's error stops the process, in release
/// too.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace flashstor::base

/// Asserts what must hold if the program is right; never for input from outside (that is a Result).
#define FLASHSTOR_CHECK(condition)                                     \
  do {                                                                 \
    if (!(condition)) [[unlikely]]                                     \
      ::flashstor::base::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
