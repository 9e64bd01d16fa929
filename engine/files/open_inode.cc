#include "engine/files/open_inode.h"

#include <algorithm>

namespace flashstor::files {

void OpenInode::committed(objects::VersionRow now) {
  row = std::move(now);
  pins.hold(row.slices);
  slices = row.slices;
  if (shrink_to) resize(slices, std::min(*shrink_to, bytes_of(slices)));
}

Error OpenInode::lose(std::uint64_t at, const Error& cause) {
  lost = {lost ? std::min(at, lost->at) : at,
          cause.wrap(cause.code(), "bytes that were written before are lost")};
  return cause;
}

Attributes OpenInode::attributes(const FileDefaults& defaults) const {
  objects::VersionRow seen = row;
  if (!posix.empty()) {
    seen.attributes.posix = posix_of(row, false, defaults);
    apply(posix, *seen.attributes.posix);
  }
  Attributes out = attributes_of(seen, false, defaults);
  if (out.kind == Kind::kFile) {
    out.size = size;
    out.allocated = std::min(size, allocated_bytes(slices) + dirty.bytes() + publishing.bytes() +
                                       (streaming ? streaming->bytes : 0));
  }
  if (orphan) out.links = 0;
  return out;
}

}  // namespace flashstor::files
