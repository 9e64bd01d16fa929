#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "engine/base/random.h"

namespace flashstor::sim {

/// Decides the fate of messages between up to 32 places: lost, late, doubled, cut off one way. It holds no
/// message.
class Bus {
 public:
  static constexpr std::size_t kPlaces = 32;
  struct Weather {
    std::uint32_t loss_per_mille = 0;
    std::uint32_t double_per_mille = 0;
    std::uint32_t late_per_mille = 0;  ///< Takes up to late_ns instead of usual_ns.
    std::int64_t usual_ns = 1'000'000;
    std::int64_t late_ns = 100'000'000;
  };
  struct Fate {
    std::array<std::int64_t, 2> delay_ns{};
    int copies = 0;
  };

  explicit Bus(Random& random) : random_(random) {}
  Weather weather;

  Fate decide(std::uint32_t from, std::uint32_t to) {
    Fate fate;
    if (cut_[from] >> to & 1U || chance(weather.loss_per_mille)) return fate;
    fate.copies = chance(weather.double_per_mille) ? 2 : 1;
    for (int i = 0; i < fate.copies; ++i) {
      const std::int64_t most = chance(weather.late_per_mille) ? weather.late_ns : weather.usual_ns;
      fate.delay_ns[static_cast<std::size_t>(i)] =
          1 + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most)));
    }
    return fate;
  }
  /// One way.
  void cut(std::uint32_t from, std::uint32_t to) { cut_[from] |= 1U << to; }
  void isolate(std::uint32_t place) {
    cut_[place] = ~0U;
    for (auto& row : cut_) row |= 1U << place;
  }
  void heal() { cut_.fill(0); }

 private:
  bool chance(std::uint32_t per_mille) { return per_mille != 0 && random_.below(1000) < per_mille; }
  Random& random_;
  std::array<std::uint32_t, kPlaces> cut_{};
};

}  // namespace flashstor::sim
