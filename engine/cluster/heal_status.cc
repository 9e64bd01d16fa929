#include "engine/cluster/heal_status.h"

#include "engine/base/codec.h"

namespace flashstor::cluster {

std::string encode_heal_status(const HealStatus& status) {
  base::ByteWriter out;
  out.u64(status.queued)

      .u64(status.healed)
      .u64(status.failed)
      .u64(status.bytes)
      .boolean(status.running);
  out.u64(status.bytes_per_second).u64(status.left_s).u64(status.scanned).u64(status.scan_found);
  out.u64(status.scans).u64(status.deep_scans).boolean(status.scanning).boolean(status.deep);
  return out.take();
}

Result<HealStatus> decode_heal_status(std::string_view bytes) {
  base::ByteReader in(bytes);
  HealStatus status;
  status.queued = in.u64();
  status.healed = in.u64();
  status.failed = in.u64();
  status.bytes = in.u64();
  status.running = in.boolean();
  status.bytes_per_second = in.u64();
  status.left_s = in.u64();
  status.scanned = in.u64();
  status.scan_found = in.u64();
  status.scans = in.u64();
  status.deep_scans = in.u64();
  status.scanning = in.boolean();
  status.deep = in.boolean();
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::kMalformed, "figures of healing do not parse");
  return status;
}

}  // namespace flashstor::cluster
