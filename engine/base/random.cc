#include "engine/base/random.h"

#include <sys/random.h>

#include <bit>
#include <cstring>

#include "engine/base/check.h"

namespace flashstor::base {

std::string Random::bytes(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t value = next();
    std::memcpy(out.data() + at, &value, size - at < 8 ? size - at : 8);
  }
  return out;
}

SeededRandom::SeededRandom(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

std::uint64_t SeededRandom::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t SystemRandom::next() {
  if (left_ == 0) {
    FLASHSTOR_CHECK(getrandom(buffer_, 256, 0) == 256);  // up to 256 bytes never come short (getrandom(2))
    left_ = 32;
  }
  return buffer_[--left_];
}

}  // namespace flashstor::base
