#include "tests/sim/named_slices.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "engine/objects/keys.h"
#include "engine/objects/upload_rows.h"

namespace flashstor::sim {

using storage::Family;

void NamedSlices::add(const std::vector<objects::Slice>& slices) {
  for (const objects::Slice& slice : slices) {
    if (slice.data.place == storage::DataPlace::kNone) continue;
    data.emplace(slice.data.id, slice.data);
    uses.emplace(slice.data.id, slice.referrer);
  }
}

bool named_by(const storage::RowStoreMemory& rows, NamedSlices& out) {
  for (const auto& [key, value] : rows.snapshot(Family::kVersions)) {
    const auto parsed = objects::parse_version_key(key);
    if (!parsed) return false;
    if (parsed->is_mapping) continue;
    const auto row = objects::decode_version(value);
    if (!row) return false;
    out.add(row->slices);
  }
  for (const auto& [key, value] : rows.snapshot(Family::kExtents)) {
    const auto row = objects::decode_slices(value);
    if (!row) return false;
    out.add(row->slices);
  }
  std::vector<std::uint32_t> completed;  // parts of the upload at hand; its own row comes first
  for (const auto& [key, value] : rows.snapshot(Family::kUploads)) {
    const auto parsed = objects::parse_upload_key(key);
    if (!parsed) return false;
    if (!parsed->part) {
      const auto upload = objects::decode_upload(value);
      if (!upload) return false;
      completed = upload->used;
      continue;
    }
    // The object has it now; a crash left the part's row for whoever sweeps the upload.
    if (std::ranges::find(completed, *parsed->part) != completed.end()) continue;
    const auto row = objects::decode_part(value);
    if (!row) return false;
    out.add(row->slices);
  }
  return true;
}

std::string lacking(const std::vector<std::vector<std::unique_ptr<DriveMedium>>>& disks,
                    const std::vector<std::uint32_t>& leaders) {
  NamedSlices named;
  for (std::size_t set = 0; set < disks.size(); ++set)
    if (!named_by(disks[set][leaders[set]]->rows(), named)) return "a row does not parse";
  for (std::size_t set = 0; set < disks.size(); ++set) {
    for (std::size_t slot = 0; slot < disks[set].size(); ++slot) {
      const std::set<DataId> placed = disks[set][slot]->placed();
      for (const auto& [id, data] : named.data)
        if (data.set == set && !placed.contains(id))
          return fmt::format("drive {} of set {} lacks {} (place {})", slot, set, id.to_text(),
                             static_cast<int>(data.place));
    }
  }
  return {};
}

}  // namespace flashstor::sim
