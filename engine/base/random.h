#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace flashstor::base {

/// Where randomness comes from: the system in the product, a seed in the simulator. Not safe on two threads
/// at once.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
  /// Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  /// `size` random bytes.
  std::string bytes(std::size_t size);
};

/// xoshiro256** (Blackman, Vigna 2018): the same numbers for the same seed, everywhere. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  std::uint64_t next() override;

 private:
  std::uint64_t state_[4];
};

/// The kernel's getrandom, buffered. For secrets, identifiers and jitter.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;

 private:
  std::uint64_t buffer_[32];
  std::size_t left_ = 0;
};

}  // namespace flashstor::base

namespace flashstor {
using base::Random;
}
