#include "engine/files/slice_pins.h"

#include <algorithm>

namespace flashstor::files {

void SlicePins::hold(const std::vector<Slice>& slices) {
  std::vector<const DataRef*> wanted;
  for (const Slice& slice : slices) {
    if (slice.data.place == DataPlace::kNone) continue;
    if (wanted.empty() || wanted.back()->id != slice.data.id) wanted.push_back(&slice.data);
  }
  const auto id_of = [](const DataRef* data) -> const DataId& { return data->id; };
  std::ranges::sort(wanted, {}, id_of);
  const auto [repeated, end] = std::ranges::unique(wanted, {}, id_of);
  wanted.erase(repeated, end);
  decltype(pins_) pins;
  pins.reserve(wanted.size());
  auto before = pins_.begin();
  for (const DataRef* data : wanted) {
    while (before != pins_.end() && before->first < data->id) ++before;
    const bool held = before != pins_.end() && before->first == data->id;
    pins.emplace_back(data->id, held ? std::move(before->second) : cluster_->set_at(data->set).pin(*data));
  }
  pins_ = std::move(pins);
}

}  // namespace flashstor::files
