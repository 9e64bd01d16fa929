#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "engine/storage/entry.h"

// An entry that parses is written back to one that parses to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flashstor::storage;  // NOLINT(google-build-using-namespace)
  const auto entry = decode_entry({reinterpret_cast<const char*>(data), size});
  if (!entry) return 0;
  const std::string bytes = encode_entry(*entry);
  const auto again = decode_entry(bytes);
  FLASHSTOR_CHECK(again.has_value());
  FLASHSTOR_CHECK(encode_entry(*again) == bytes);
  return 0;
}
