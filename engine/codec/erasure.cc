#include "engine/codec/erasure.h"

#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace flashstor::codec {
namespace {

constexpr std::size_t kTableBytes = 32;     // of ISA-L, for each element of a matrix
constexpr std::size_t kCachedDecodes = 64;  // sets of lost drives change seldom

unsigned char* bytes_of(std::byte* pointer) { return reinterpret_cast<unsigned char*>(pointer); }

// ISA-L takes its inputs through pointers to non-const and does not write to them.
unsigned char* table_of(const std::vector<std::uint8_t>& table) {
  return const_cast<unsigned char*>(table.data());
}

}  // namespace

struct ErasureCoder::Tables {
  PresenceMask sources = 0;
  PresenceMask wanted = 0;
  std::vector<std::uint8_t> tables;
};

ErasureCoder::ErasureCoder(Geometry geometry) : geometry_(geometry) {
  const int k = geometry.data_shards;
  const int n = static_cast<int>(geometry.shards());
  FLASHSTOR_CHECK(k >= 1 && geometry.shards() <= limits::kMaxDrivesPerSet);
  matrix_.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(k));
  gf_gen_cauchy1_matrix(matrix_.data(), n, k);
  const std::size_t m = geometry.parity_shards;
  encode_tables_.resize(kTableBytes * static_cast<std::size_t>(k) * m);
  if (m > 0)
    ec_init_tables(k, static_cast<int>(m), &matrix_[static_cast<std::size_t>(k * k)], encode_tables_.data());
}

ErasureCoder::~ErasureCoder() = default;

void ErasureCoder::encode(std::span<std::byte* const> shards, std::size_t block_bytes) const {
  FLASHSTOR_CHECK(shards.size() == geometry_.shards());
  if (geometry_.parity_shards == 0 || block_bytes == 0) return;
  std::array<unsigned char*, limits::kMaxDrivesPerSet> pointers{};
  for (std::size_t i = 0; i < shards.size(); ++i) pointers[i] = bytes_of(shards[i]);
  ec_encode_data(static_cast<int>(block_bytes), geometry_.data_shards, geometry_.parity_shards,
                 table_of(encode_tables_), pointers.data(), pointers.data() + geometry_.data_shards);
}

// Rows of the decoding matrix: a wanted shard is its row of the encoding matrix times the inverse of the
// sources' rows.
const ErasureCoder::Tables& ErasureCoder::tables_for(PresenceMask sources, PresenceMask wanted) {
  for (const auto& cached : decode_tables_)
    if (cached->sources == sources && cached->wanted == wanted) return *cached;
  const std::size_t k = geometry_.data_shards;
  std::vector<std::uint8_t> chosen;
  for (std::size_t shard = 0; shard < geometry_.shards(); ++shard) {
    if ((sources >> shard & 1) == 0) continue;
    chosen.insert(chosen.end(), &matrix_[shard * k], &matrix_[shard * k] + k);
  }
  std::vector<std::uint8_t> inverse(k * k);
  FLASHSTOR_CHECK(gf_invert_matrix(chosen.data(), inverse.data(), static_cast<int>(k)) == 0);
  std::vector<std::uint8_t> rows;
  for (std::size_t shard = 0; shard < geometry_.shards(); ++shard) {
    if ((wanted >> shard & 1) == 0) continue;
    for (std::size_t column = 0; column < k; ++column) {
      std::uint8_t sum = 0;
      for (std::size_t i = 0; i < k; ++i) sum ^= gf_mul(matrix_[shard * k + i], inverse[i * k + column]);
      rows.push_back(sum);
    }
  }
  auto made = std::make_unique<Tables>();
  made->sources = sources;
  made->wanted = wanted;
  made->tables.resize(kTableBytes * rows.size());
  ec_init_tables(static_cast<int>(k), std::popcount(wanted), rows.data(), made->tables.data());
  if (decode_tables_.size() < kCachedDecodes) {
    decode_tables_.push_back(std::move(made));
    return *decode_tables_.back();
  }
  auto& slot = decode_tables_[next_evicted_++ % kCachedDecodes];
  slot = std::move(made);
  return *slot;
}

Result<void> ErasureCoder::rebuild(std::span<std::byte* const> shards, std::size_t block_bytes,
                                   PresenceMask present, PresenceMask wanted) {
  FLASHSTOR_CHECK(shards.size() == geometry_.shards());
  wanted &= ~present;
  if (wanted == 0 || block_bytes == 0) return {};
  const std::size_t k = geometry_.data_shards;
  std::array<unsigned char*, limits::kMaxDrivesPerSet> sources{};
  std::array<unsigned char*, limits::kMaxDrivesPerSet> targets{};
  std::size_t source_count = 0;
  std::size_t target_count = 0;
  PresenceMask used = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if ((present >> i & 1) != 0 && source_count < k) {
      sources[source_count++] = bytes_of(shards[i]);
      used |= PresenceMask{1} << i;
    }
    if ((wanted >> i & 1) != 0) targets[target_count++] = bytes_of(shards[i]);
  }
  if (source_count < k) return fail(ErrorCode::kReadQuorum, "fewer shards than the code needs");
  const Tables& tables = tables_for(used, wanted);
  ec_encode_data(static_cast<int>(block_bytes), static_cast<int>(k), static_cast<int>(target_count),
                 table_of(tables.tables), sources.data(), targets.data());
  return {};
}

ErasureCoder& erasure_coder(Geometry geometry) {
  constexpr std::size_t kSide = limits::kMaxDrivesPerSet + 1;
  thread_local std::array<std::unique_ptr<ErasureCoder>, kSide * kSide> coders;
  auto& coder = coders[geometry.data_shards * kSide + geometry.parity_shards];
  if (!coder) coder = std::make_unique<ErasureCoder>(geometry);
  return *coder;
}

std::vector<Buffer> encode_stripe(Geometry geometry, const BufferChain& stripe, std::size_t alignment) {
  const std::size_t size = stripe.size();
  FLASHSTOR_CHECK(size > 0 && size <= limits::kStripeBytes);
  const std::size_t k = geometry.data_shards;
  const std::size_t block = shard_block_bytes(geometry, size, alignment);
  const std::size_t padded = k * block;
  Buffer data;
  const auto parts = stripe.slices();
  const bool in_place = parts.size() == 1 && padded == size &&
                        reinterpret_cast<std::uintptr_t>(parts[0].data()) % alignment == 0;
  if (in_place) {
    data = parts[0];
  } else {
    data = Buffer::allocate(padded);
    std::byte* to = data.writable();
    for (const Buffer& part : parts) {
      std::memcpy(to, part.data(), part.size());
      to += part.size();
    }
    std::memset(to, 0, padded - size);
  }
  std::vector<Buffer> shards;
  shards.reserve(geometry.shards());
  std::array<std::byte*, limits::kMaxDrivesPerSet> pointers{};
  for (std::size_t i = 0; i < k; ++i) shards.push_back(data.slice(i * block, block));
  for (std::size_t i = 0; i < geometry.parity_shards; ++i) shards.push_back(Buffer::allocate(block));
  for (std::size_t i = 0; i < shards.size(); ++i) pointers[i] = shards[i].writable();
  erasure_coder(geometry).encode({pointers.data(), shards.size()}, block);
  return shards;
}

}  // namespace flashstor::codec
