#include <immintrin.h>
#include <isa-l/crc.h>

#include <array>
#include <cstring>

#include "engine/codec/checksum.h"

// CRCs and their arithmetic. A reflected CRC of w bits holds the coefficient of x^(w-1) in bit 0.
namespace flashstor::codec {
namespace {

constexpr std::uint64_t kNvmePolynomial = 0x9a6c9329ac4bc9b5;  // 0xad93d23594c93659 reflected
constexpr std::uint32_t kCrc32Polynomial = 0xedb88320;
constexpr std::uint32_t kCrc32cPolynomial = 0x82f63b78;

// a times b modulo the polynomial, all reflected.
template <class T>
constexpr T multiply(T a, T b, T polynomial) {
  constexpr T kTop = T{1} << (sizeof(T) * 8 - 1);
  T product = 0;
  for (T bit = kTop; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ polynomial : b >> 1;
  }
  return product;
}

// x^n modulo the polynomial.
template <class T>
constexpr T power_of_x(std::uint64_t n, T polynomial) {
  constexpr T kOne = T{1} << (sizeof(T) * 8 - 1);
  T result = kOne;
  T square = kOne >> 1;  // x
  for (; n != 0; n >>= 1) {
    if ((n & 1) != 0) result = multiply(result, square, polynomial);
    square = multiply(square, square, polynomial);
  }
  return result;
}

template <class T>
T combine(T first, T second, std::uint64_t second_bytes, T polynomial) {
  // x^(8 n) as (x^8)^n, so that the exponent cannot overflow.
  constexpr T kOne = T{1} << (sizeof(T) * 8 - 1);
  T shift = kOne;
  T square = kOne >> 8;
  for (std::uint64_t n = second_bytes; n != 0; n >>= 1) {
    if ((n & 1) != 0) shift = multiply(shift, square, polynomial);
    square = multiply(square, square, polynomial);
  }
  return multiply(shift, first, polynomial) ^ second;
}

using Table64 = std::array<std::array<std::uint64_t, 256>, 8>;
constexpr Table64 make_table() {
  Table64 table{};
  for (std::uint64_t byte = 0; byte < 256; ++byte) {
    std::uint64_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? (value >> 1) ^ kNvmePolynomial : value >> 1;
    table[0][byte] = value;
  }
  for (std::size_t level = 1; level < 8; ++level)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint64_t before = table[level - 1][byte];
      table[level][byte] = (before >> 8) ^ table[0][before & 0xff];
    }
  return table;
}
constexpr Table64 kTable = make_table();

std::uint64_t by_table(std::uint64_t state, const std::byte* data, std::size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data, 8);
    word ^= state;
    state = 0;
    for (std::size_t i = 0; i < 8; ++i) state ^= kTable[7 - i][word >> (8 * i) & 0xff];
  }
  for (; size > 0; ++data, --size)
    state = (state >> 8) ^ kTable[0][(state ^ static_cast<std::uint64_t>(*data)) & 0xff];
  return state;
}

// A carry-less product of two reflected values is one x short, hence the - 1.
constexpr std::uint64_t fold_constant(std::uint64_t bits) {
  return power_of_x<std::uint64_t>(bits - 1, kNvmePolynomial);
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i fold(__m128i block, __m128i constants, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(block, constants, 0x00);
  const __m128i high = _mm_clmulepi64_si128(block, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// Four 128-bit lanes folded over 512 bits at a time, then into one; the last 16 bytes go through the table.
// Source: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009.
__attribute__((target("pclmul,sse4.1"))) std::uint64_t by_clmul(std::uint64_t state, const std::byte*& data,
                                                                std::size_t& size) {
  const auto load = [](const std::byte* at) __attribute__((target("pclmul,sse4.1"))) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  };
  constexpr std::uint64_t kFar[2] = {fold_constant(512 + 64), fold_constant(512)};
  constexpr std::uint64_t kNear[2] = {fold_constant(128 + 64), fold_constant(128)};
  const __m128i far = _mm_set_epi64x(static_cast<long long>(kFar[1]), static_cast<long long>(kFar[0]));
  const __m128i near = _mm_set_epi64x(static_cast<long long>(kNear[1]), static_cast<long long>(kNear[0]));
  __m128i a = _mm_xor_si128(load(data), _mm_set_epi64x(0, static_cast<long long>(state)));
  __m128i b = load(data + 16);
  __m128i c = load(data + 32);
  __m128i d = load(data + 48);
  for (data += 64, size -= 64; size >= 64; data += 64, size -= 64) {
    a = fold(a, far, load(data));
    b = fold(b, far, load(data + 16));
    c = fold(c, far, load(data + 32));
    d = fold(d, far, load(data + 48));
  }
  a = fold(fold(fold(a, near, b), near, c), near, d);
  alignas(16) std::byte rest[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(rest), a);
  return by_table(0, rest, sizeof(rest));
}

}  // namespace

std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes) {
  return crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes) {
  // ISA-L counts in int and takes a pointer to non-const that it does not write to.
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  std::uint32_t state = ~crc;
  while (!bytes.empty()) {
    const auto piece = bytes.first(bytes.size() < kPiece ? bytes.size() : kPiece);
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(piece.data()));
    state = crc32_iscsi(data, static_cast<int>(piece.size()), state);
    bytes = bytes.subspan(piece.size());
  }
  return ~state;
}

std::uint64_t crc64nvme(std::uint64_t crc, std::span<const std::byte> bytes) {
  static const bool has_clmul = __builtin_cpu_supports("pclmul") != 0;
  std::uint64_t state = ~crc;
  const std::byte* data = bytes.data();
  std::size_t size = bytes.size();
  if (has_clmul && size >= 128) state = by_clmul(state, data, size);
  return ~by_table(state, data, size);
}

std::uint32_t combine_crc32(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  return combine(first, second, second_bytes, kCrc32Polynomial);
}
std::uint32_t combine_crc32c(std::uint32_t first, std::uint32_t second, std::uint64_t second_bytes) {
  return combine(first, second, second_bytes, kCrc32cPolynomial);
}
std::uint64_t combine_crc64nvme(std::uint64_t first, std::uint64_t second, std::uint64_t second_bytes) {
  return combine(first, second, second_bytes, kNvmePolynomial);
}

}  // namespace flashstor::codec
