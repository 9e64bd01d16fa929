#include "engine/files/open_inode.h"

#include <algorithm>

namespace flashstor::files {

bool OpenInode::grows() const {
  return size > std::min(row.header.size, shrink_to.value_or(row.header.size));
}

void OpenInode::committed(objects::VersionRow now, bool keeps_size) {
  row = std::move(now);
  outdated = false;
  pins.hold(row.slices);
  slices = row.slices;
  std::uint64_t end = row.header.size;
  if (shrink_to) {
    end = std::min(end, *shrink_to);
    resize(slices, std::min(*shrink_to, bytes_of(slices)));
  }
  if (keeps_size) end = std::max(end, size);
  end = std::max({end, dirty.end(), publishing.end()});
  if (streaming) end = std::max(end, streaming->at + streaming->bytes);
  if (parked) end = std::max(end, parked->at + parked->data.length);
  size = end;
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
  out.merged = merged;
  if (orphan) out.links = 0;
  return out;
}

}  // namespace flashstor::files
