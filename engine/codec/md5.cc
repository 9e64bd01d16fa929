#include "engine/codec/md5.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/codec/md5_steps.h"

// OpenSSL calls its plain MD5 functions deprecated; EVP's do not show the state that the lanes work on.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace flashstor::codec {

using Lane = std::uint32_t __attribute__((vector_size(32)));  // of eight streams the same word

/// Eight streams, `blocks` blocks each from `data`.
class Md5Lanes {
 public:
  struct Group {
    std::array<Md5*, kMd5Lanes> streams{};
    std::array<const std::byte*, kMd5Lanes> data{};
  };
  using Kernel = void (*)(Group&, std::size_t blocks);

  static Kernel best() {
    static const Kernel kernel = __builtin_cpu_supports("avx512vl") != 0 ? &run_avx512
                                 : __builtin_cpu_supports("avx2") != 0   ? &run_avx2
                                                                         : nullptr;
    return kernel;
  }
  /// What completes a block begun before goes in; gives the rest of `bytes`.
  static std::span<const std::byte> fill(Md5& stream, std::span<const std::byte> bytes);
  static void update(std::span<const Md5Job> jobs);

 private:
  static MD5_LONG* word_of(Group& group, std::size_t lane, int word) {
    MD5_CTX& context = group.streams[lane]->context_;
    return std::array{&context.A, &context.B, &context.C, &context.D}[static_cast<std::size_t>(word)];
  }
  static void count(Md5& stream, std::uint64_t bytes);
  [[gnu::always_inline]] static inline void transpose(Lane* rows);
  [[gnu::always_inline]] static inline void run(Group& group, std::size_t blocks);
  __attribute__((target("avx2"))) static void run_avx2(Group& group, std::size_t blocks);
  __attribute__((target("avx512f,avx512vl"))) static void run_avx512(Group& group, std::size_t blocks);
};

// Rows of streams become columns: rows[i] is then word i of all eight.
inline void Md5Lanes::transpose(Lane* r) {
  Lane a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    a[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int half = 0; half < 8; half += 4)
    for (int i = 0; i < 2; ++i) {
      b[half + 2 * i] = __builtin_shufflevector(a[half + i], a[half + i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      b[half + 2 * i + 1] = __builtin_shufflevector(a[half + i], a[half + i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int i = 0; i < 4; ++i) {
    r[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    r[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

inline void Md5Lanes::run(Group& group, std::size_t blocks) {
  Lane state[4];
  for (int word = 0; word < 4; ++word)
    for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) state[word][lane] = *word_of(group, lane, word);
  for (std::size_t i = 0; i < blocks; ++i) {
    Lane words[16];
    for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) {
      std::memcpy(&words[lane], group.data[lane], 32);
      std::memcpy(&words[8 + lane], group.data[lane] + 32, 32);
      group.data[lane] += Md5::kBlock;
    }
    transpose(words);
    transpose(words + 8);
    md5_steps::block(state, words);
  }
  for (int word = 0; word < 4; ++word)
    for (std::size_t lane = 0; lane < kMd5Lanes; ++lane) *word_of(group, lane, word) = state[word][lane];
}

void Md5Lanes::run_avx2(Group& group, std::size_t blocks) { run(group, blocks); }
void Md5Lanes::run_avx512(Group& group, std::size_t blocks) { run(group, blocks); }

// What MD5_Update would have noted of the stream's length.
void Md5Lanes::count(Md5& stream, std::uint64_t bytes) {
  const std::uint64_t bits = (std::uint64_t{stream.context_.Nh} << 32 | stream.context_.Nl) + 8 * bytes;
  stream.context_.Nl = static_cast<MD5_LONG>(bits);
  stream.context_.Nh = static_cast<MD5_LONG>(bits >> 32);
}

std::span<const std::byte> Md5Lanes::fill(Md5& stream, std::span<const std::byte> bytes) {
  if (stream.context_.num == 0) return bytes;
  const std::size_t take = std::min(bytes.size(), Md5::kBlock - stream.context_.num);
  stream.update(bytes.first(take));
  return bytes.subspan(take);
}

void Md5Lanes::update(std::span<const Md5Job> jobs) {
  const Kernel kernel = best();
  std::array<Md5Job, kMd5Lanes> open{};
  std::size_t count = 0;
  Md5 idle;  // what a lane without a stream hashes
  for (const Md5Job& job : jobs) {
    const auto rest = fill(*job.stream, job.bytes);
    if (rest.size() >= Md5::kBlock) {
      open[count++] = {job.stream, rest};
    } else {
      job.stream->update(rest);
    }
  }
  while (count > 1 && kernel != nullptr) {
    std::size_t blocks = SIZE_MAX;
    for (std::size_t i = 0; i < count; ++i) blocks = std::min(blocks, open[i].bytes.size() / Md5::kBlock);
    Group group;
    for (std::size_t i = 0; i < kMd5Lanes; ++i) {
      group.streams[i] = i < count ? open[i].stream : &idle;
      group.data[i] = open[i < count ? i : 0].bytes.data();
    }
    kernel(group, blocks);
    std::size_t left = 0;
    for (std::size_t i = 0; i < count; ++i) {
      Md5Lanes::count(*open[i].stream, blocks * Md5::kBlock);
      const auto rest = open[i].bytes.subspan(blocks * Md5::kBlock);
      if (rest.size() >= Md5::kBlock) {
        open[left++] = {open[i].stream, rest};
      } else {
        open[i].stream->update(rest);
      }
    }
    count = left;
  }
  for (std::size_t i = 0; i < count; ++i) open[i].stream->update(open[i].bytes);
}

Md5::Md5() { MD5_Init(&context_); }

void Md5::update(std::span<const std::byte> bytes) { MD5_Update(&context_, bytes.data(), bytes.size()); }

std::string Md5::finish() {
  std::string digest(MD5_DIGEST_LENGTH, '\0');
  MD5_Final(reinterpret_cast<unsigned char*>(digest.data()), &context_);
  return digest;
}

void md5_update_side_by_side(std::span<const Md5Job> jobs) {
  while (!jobs.empty()) {
    const std::size_t group = std::min(jobs.size(), kMd5Lanes);
    Md5Lanes::update(jobs.first(group));
    jobs = jobs.subspan(group);
  }
}

}  // namespace flashstor::codec
