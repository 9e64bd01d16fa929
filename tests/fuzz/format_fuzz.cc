#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/storage/drive_format.h"

// A format.json that is accepted is written back to one that says the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flashstor::storage;  // NOLINT(google-build-using-namespace)
  const auto format = decode_format({reinterpret_cast<const char*>(data), size});
  if (!format) return 0;
  const auto again = decode_format(encode_format(*format));
  FLASHSTOR_CHECK(again.has_value() && *again == *format);
  return 0;
}
