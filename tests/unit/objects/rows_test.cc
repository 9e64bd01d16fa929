#include <algorithm>

#include "engine/objects/extent_map.h"
#include "engine/objects/keys.h"
#include "engine/objects/version_row.h"
#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

const std::vector<std::string>& edge_keys() {
  static const std::vector<std::string> keys{"a",
                                             "a/",
                                             "a//b",
                                             "b",
                                             "\x01",
                                             std::string(1, '\0'),
                                             std::string("a\0", 2),
                                             std::string("a\0\0b", 4),
                                             std::string("a\0\xff", 3),
                                             "a\x01",
                                             "a\xff",
                                             "\xc3\xbc",
                                             "\xff\xff",
                                             std::string(1024, 'k')};
  return keys;
}

VersionRow full_row() {
  VersionRow row;
  row.header.layout = Layout::kSlices;
  row.header.size = 12;
  row.header.created_ns = 1234567890123456789;
  row.header.etag = std::string(32, 'e') + "-2";
  row.header.is_null = true;
  row.id = {.time_ns = 77, .random = 88};
  row.attributes.owner = "alice";
  row.attributes.storage_class = StorageClass::kReducedRedundancy;
  row.attributes.tags = {{"k", "v"}};
  row.attributes.retention = {RetentionMode::kCompliance, 99};
  row.attributes.legal_hold = true;
  row.attributes.posix = PosixAttributes{.inode = {3, 4}, .symlink_target = "there"};
  row.checksum = {.kind = ChecksumKind::kCrc32c, .composite = true, .value = "abcd"};
  row.parts = {{.number = 1, .size = 5, .etag = "x", .checksum = "y"}, {.number = 4, .size = 7}};
  const DataRef data{.id = {5, 6}, .set = 3, .geometry = {2, 2}, .place = DataPlace::kFile, .length = 100};
  row.slices = {{.data = data, .offset = 9, .length = 5, .referrer = {1, 1}}, {.length = 7}};
  row.upload_id = {8, 9};
  row.parts_count = 2;
  row.hides = {.time_ns = 55, .random = 1};
  return row;
}

TEST(Keys, SortAsTheirObjectKeysDo) {
  auto keys = edge_keys();
  std::ranges::sort(keys);
  const Uuid bucket{1, 2};
  std::vector<std::string> rows;
  for (const auto& key : keys) {
    rows.push_back(version_key(bucket, key, {.time_ns = 200, .random = 1}));
    rows.push_back(version_key(bucket, key, {.time_ns = 100, .random = 9}));
    rows.push_back(mapping_key(bucket, key, "null"));
    rows.push_back(after_key(bucket, key));
  }
  EXPECT_TRUE(std::ranges::is_sorted(rows));
}

TEST(Keys, ComeBackAsTheyWere) {
  for (const auto& key : edge_keys()) {
    const auto version = parse_version_key(version_key({1, 2}, key, {.time_ns = 7, .random = 8}));
    ASSERT_TRUE(version.has_value());
    EXPECT_EQ(version->key, key);
    EXPECT_EQ(version->id, (VersionId{.time_ns = 7, .random = 8}));
    const auto mapping = parse_version_key(mapping_key({1, 2}, key, "null"));
    ASSERT_TRUE(mapping.has_value());
    EXPECT_TRUE(mapping->is_mapping);
    EXPECT_EQ(mapping->mapped_id, "null");
    const auto part = parse_upload_key(part_key({1, 2}, key, {3, 4}, 5));
    ASSERT_TRUE(part.has_value());
    EXPECT_EQ(part->key, key);
    EXPECT_EQ(part->part, 5U);
  }
  EXPECT_FALSE(parse_version_key("short").has_value());
}

TEST(Keys, AVersionIdIsItsText) {
  const VersionId id{.time_ns = 1'700'000'000'000'000'000, .random = 0xabcdef};
  EXPECT_EQ(VersionId::from_text(id.to_text()), id);
  for (const char* text : {"", "null", "0123", "g0000000000000000000000000000000"})
    EXPECT_EQ(VersionId::from_text(text), std::nullopt);
}

TEST(VersionRow, ComesBackWhole) {
  const VersionRow row = full_row();
  const std::string bytes = encode_version(row);
  const auto back = decode_version(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(encode_version(*back), bytes);
  EXPECT_EQ(back->attributes, row.attributes);
  EXPECT_EQ(back->slices, row.slices);
  EXPECT_EQ(back->parts, row.parts);
  EXPECT_EQ(back->checksum, row.checksum);
  EXPECT_EQ(back->hides, row.hides);
  const auto header = decode_version_header(bytes);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->etag, row.header.etag);
  EXPECT_EQ(header->owner, "alice");
  EXPECT_EQ(header->checksum_kind, ChecksumKind::kCrc32c);
}

TEST(VersionRow, AnyFlippedBitIsSeen) {
  const std::string bytes = encode_version(full_row());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string broken = bytes;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_version(broken).has_value()) << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_version(bytes.substr(0, size)).has_value());
}

TEST(VersionRow, KeepsFieldsOfNewerCode) {
  VersionRow row = full_row();
  row.unknown = {{900, "from tomorrow"}};
  auto back = decode_version(encode_version(row));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->unknown, row.unknown);
  back->attributes.tags = {};
  EXPECT_EQ(decode_version(encode_version(*back))->unknown, row.unknown);
}

// Slices over each other against bytes written one by one.
TEST(Segments, NewestSliceIsSeen) {
  base::SeededRandom random(5);
  for (int round = 0; round < 200; ++round) {
    constexpr std::uint64_t kSize = 60;
    std::vector<std::pair<Uuid, std::uint64_t>> bytes(kSize);  // data id, offset in it
    std::vector<SegmentSlice> slices;
    for (std::uint64_t i = 1; i <= random.below(9); ++i) {
      SegmentSlice each{.revision = i};
      each.at = static_cast<std::uint32_t>(random.below(kSize));
      each.slice.length = 1 + random.below(kSize - each.at);
      each.slice.offset = random.below(10);
      const bool hole = random.below(4) == 0;
      if (!hole)
        each.slice.data = {
            .id = {i, i}, .place = DataPlace::kLog, .length = each.slice.offset + each.slice.length};
      const bool counts = i <= 6;
      for (std::uint64_t j = 0; counts && j < each.slice.length; ++j)
        bytes[each.at + j] =
            hole ? std::pair<Uuid, std::uint64_t>{} : std::pair{each.slice.data.id, each.slice.offset + j};
      slices.push_back(each);
    }
    std::uint64_t at = 0;
    for (const Extent& extent : flatten_segment(slices, 1000, kSize, 6)) {
      ASSERT_EQ(extent.offset, 1000 + at);
      for (std::uint64_t j = 0; j < extent.length; ++j, ++at) {
        EXPECT_EQ(extent.data.id, bytes[at].first);
        if (!extent.is_hole()) EXPECT_EQ(extent.data_offset + j, bytes[at].second);
      }
    }
    EXPECT_EQ(at, kSize);
  }
}

}  // namespace
}  // namespace flashstor::objects
