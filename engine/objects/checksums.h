#pragma once

#include "engine/codec/checksum.h"
#include "engine/objects/types.h"

namespace flashstor::objects {

/// `kind` as the codec names it; not for kNone.
[[nodiscard]] constexpr codec::ChecksumKind codec_kind(ChecksumKind kind) {
  switch (kind) {
    case ChecksumKind::kCrc32:
      return codec::ChecksumKind::kCrc32;
    case ChecksumKind::kCrc32c:
      return codec::ChecksumKind::kCrc32c;
    case ChecksumKind::kSha1:
      return codec::ChecksumKind::kSha1;
    case ChecksumKind::kSha256:
      return codec::ChecksumKind::kSha256;
    case ChecksumKind::kNone:
    case ChecksumKind::kCrc64Nvme:
      break;
  }
  return codec::ChecksumKind::kCrc64Nvme;
}

}  // namespace flashstor::objects
