#include "engine/base/uuid.h"

#include "engine/base/codec.h"
#include "engine/base/hex.h"

namespace flashstor::base {

std::string Uuid::to_bytes() const {
  std::string out;
  out.reserve(16);
  append_big_endian(out, high);
  append_big_endian(out, low);
  return out;
}

Uuid Uuid::from_bytes(std::string_view bytes) {
  if (bytes.size() != 16) return {};
  return {read_big_endian(bytes), read_big_endian(bytes.substr(8))};
}

std::string Uuid::to_text() const { return to_hex(to_bytes()); }

Result<Uuid> Uuid::from_text(std::string_view text) {
  auto bytes = from_hex(text);
  if (!bytes || bytes->size() != 16) return fail(ErrorCode::kMalformed, "not 32 hexadecimal digits");
  return from_bytes(*bytes);
}

}  // namespace flashstor::base
