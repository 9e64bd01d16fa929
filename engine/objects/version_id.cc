#include "engine/objects/version_id.h"

#include "engine/base/codec.h"
#include "engine/base/hex.h"

namespace flashstor::objects {

VersionId VersionId::make(WallTime time, Random& random) {
  return {base::to_nanoseconds(time), random.next()};
}

std::string VersionId::to_text() const {
  std::string bytes;
  base::append_big_endian(bytes, static_cast<std::uint64_t>(time_ns));
  base::append_big_endian(bytes, random);
  return base::to_hex(bytes);
}

std::optional<VersionId> VersionId::from_text(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  for (const char c : text)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  const auto bytes = base::from_hex(text);
  if (!bytes) return std::nullopt;
  const std::string_view view = *bytes;
  const VersionId id{static_cast<std::int64_t>(base::read_big_endian(view)),
                     base::read_big_endian(view.substr(8))};
  if (id.time_ns <= 0) return std::nullopt;
  return id;
}

}  // namespace flashstor::objects
