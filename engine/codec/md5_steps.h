#pragma once

#include <array>
#include <cstdint>

/// The 64 steps of MD5 for the lanes of a vector: `T` is a vector of std::uint32_t.
/// them. Source: RFC 1321, 3.4.
namespace flashstor::codec::md5_steps {

inline constexpr std::array<std::uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
inline constexpr std::array<std::array<int, 4>, 4> kShifts = {
    {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

template <int kStep, class T>
[[gnu::always_inline]] inline void step(T& a, const T& b, const T& c, const T& d, const T* words) {
  constexpr int kRound = kStep / 16;
  constexpr int kWord = kRound == 0   ? kStep
                        : kRound == 1 ? (5 * kStep + 1) % 16
                        : kRound == 2 ? (3 * kStep + 5) % 16
                                      : 7 * kStep % 16;
  constexpr int kShift = kShifts[kRound][kStep % 4];
  T mixed = a + words[kWord] + kSines[kStep];
  if constexpr (kRound == 0) {
    mixed += d ^ (b & (c ^ d));
  } else if constexpr (kRound == 1) {
    mixed += c ^ (d & (b ^ c));
  } else if constexpr (kRound == 2) {
    mixed += (c ^ d) ^ b;
  } else {
    mixed += c ^ (b | ~d);
  }
  a = b + ((mixed << kShift) | (mixed >> (32 - kShift)));
}

template <int kStep, class T>
[[gnu::always_inline]] inline void steps_from(T& a, T& b, T& c, T& d, const T* words) {
  if constexpr (kStep < 64) {
    step<kStep>(a, b, c, d, words);
    step<kStep + 1>(d, a, b, c, words);
    step<kStep + 2>(c, d, a, b, words);
    step<kStep + 3>(b, c, d, a, words);
    steps_from<kStep + 4>(a, b, c, d, words);
  }
}

/// One block: `state` of four, `words` of sixteen.
template <class T>
[[gnu::always_inline]] inline void block(T* state, const T* words) {
  T a = state[0], b = state[1], c = state[2], d = state[3];
  steps_from<0>(a, b, c, d, words);
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

}  // namespace flashstor::codec::md5_steps
