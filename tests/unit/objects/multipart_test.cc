#include <algorithm>

#include "engine/base/hex.h"
#include "engine/codec/checksum.h"
#include "engine/objects/upload_rows.h"
#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

std::string md5_of(const std::string& bytes) {
  return base::to_hex(codec::digest_of(codec::ChecksumKind::kMd5, bytes));
}

class MultipartTest : public StoreTest {
 protected:
  explicit MultipartTest(std::uint32_t sets = 1) : StoreTest(sets) { make_bucket("bucket"); }

  std::string begin(ChecksumKind kind = ChecksumKind::kNone, bool composite = true) {
    CreateUploadRequest request{.bucket = "bucket", .key = "key"};
    request.attributes.user_metadata = {{"who", "me"}};
    request.checksum_kind = kind;
    request.checksum_composite = composite;
    auto made = run(store_->create_upload(std::move(request)));
    EXPECT_TRUE(made.has_value());
    return made->upload_id;
  }
  Result<UploadPartResult> part(const std::string& upload, std::uint32_t number, const std::string& bytes) {
    BufferSource body(Buffer::copy_of(bytes), 11);
    UploadPartRequest request{
        .bucket = "bucket", .key = "key", .upload_id = upload, .part_number = number, .body = &body};
    return run(store_->upload_part(std::move(request)));
  }
  Result<PutResult> complete(const std::string& upload, std::vector<CompletedPart> parts,
                             Checksum checksum = {}) {
    CompleteUploadRequest request{
        .bucket = "bucket", .key = "key", .upload_id = upload, .parts = std::move(parts)};
    request.checksum = std::move(checksum);
    return run(store_->complete_upload(std::move(request)));
  }
  // Every stored slice is used or about to be freed.
  void expect_no_leak(std::size_t used) {
    std::size_t due = 0;
    std::size_t stored = 0;
    for (std::uint32_t i = 0; i < cluster_->set_count(); ++i) {
      cluster_->fake(i).confirm();
      due += cluster_->fake(i).rows().rows(Family::kDue).size();
      stored += cluster_->fake(i).data().size();
      EXPECT_EQ(cluster_->fake(i).staged(), 0U);
    }
    EXPECT_EQ(stored, due + used);
  }
};

TEST_F(MultipartTest, JoinsPartsInOrder) {
  const std::string upload = begin();
  const std::string one(100, '1');
  const std::string two(30, '2');
  const std::string three(5, '3');
  const auto b = part(upload, 7, two);
  const auto a = part(upload, 2, one);
  const auto c = part(upload, 10'000, three);
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);
  const auto made = complete(upload, {{2, a->etag}, {7, b->etag}, {10'000, c->etag}});
  ASSERT_TRUE(made.has_value()) << made.error().describe();
  std::string digests;
  for (const auto& bytes : {one, two, three}) digests += codec::digest_of(codec::ChecksumKind::kMd5, bytes);
  EXPECT_EQ(made->etag, md5_of(digests) + "-3");
  EXPECT_EQ(made->size, 135U);
  EXPECT_EQ(*get("bucket", "key"), one + two + three);
  EXPECT_EQ(*get("bucket", "key", {}, ByteRange{.first = 95, .last = 131}),
            std::string(5, '1') + two + std::string(2, '3'));
  GetRequest request{.bucket = "bucket", .key = "key"};
  request.part_number = 7;
  const auto seventh = run(store_->get_object(request));
  EXPECT_EQ(*drain(*seventh->reader), two);
  EXPECT_EQ(seventh->offset, 100U);
  EXPECT_EQ(seventh->info->parts_count, 3U);
  EXPECT_EQ(seventh->info->attributes.user_metadata.front().second, "me");
  request.part_number = 8;
  EXPECT_EQ(code_of(run(store_->get_object(request))), ErrorCode::kInvalidPart);
  expect_no_leak(3);
}

TEST_F(MultipartTest, CompletingTwiceGivesTheSameAnswer) {
  const std::string upload = begin();
  const auto a = part(upload, 1, "first");
  const auto made = complete(upload, {{1, a->etag}});
  ASSERT_TRUE(made.has_value());
  const auto again = complete(upload, {{1, a->etag}});
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->etag, made->etag);
  EXPECT_EQ(again->size, made->size);
  EXPECT_EQ(code_of(part(upload, 2, "late")), ErrorCode::kNoSuchUpload);
  EXPECT_EQ(code_of(run(store_->abort_upload({"bucket", "key", upload}))), ErrorCode::kNoSuchUpload);
  EXPECT_EQ(*get("bucket", "key"), "first");
  expect_no_leak(1);
}

TEST_F(MultipartTest, RefusesWhatDoesNotFit) {
  const std::string upload = begin();
  const auto a = part(upload, 1, "0123456789");
  const auto b = part(upload, 2, "short");
  const auto c = part(upload, 3, "0123456789");
  EXPECT_EQ(code_of(complete(upload, {})), ErrorCode::kMalformed);
  EXPECT_EQ(code_of(complete(upload, {{1, b->etag}})), ErrorCode::kInvalidPart);
  EXPECT_EQ(code_of(complete(upload, {{1, a->etag}, {4, c->etag}})), ErrorCode::kInvalidPart);
  EXPECT_EQ(code_of(complete(upload, {{3, c->etag}, {1, a->etag}})), ErrorCode::kInvalidPartOrder);
  EXPECT_EQ(code_of(complete(upload, {{1, a->etag}, {1, a->etag}})), ErrorCode::kInvalidPartOrder);
  EXPECT_EQ(code_of(complete(upload, {{1, a->etag}, {2, b->etag}, {3, c->etag}})), ErrorCode::kPartTooSmall);
  EXPECT_EQ(code_of(complete("0123", {{1, a->etag}})), ErrorCode::kNoSuchUpload);
  EXPECT_EQ(code_of(part(upload, 0, "x")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(part(upload, 10'001, "x")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(part(std::string(32, '0'), 1, "x")), ErrorCode::kNoSuchUpload);
  // The short one may be last, and the one left out is freed.
  ASSERT_TRUE(complete(upload, {{1, a->etag}, {2, b->etag}}).has_value());
  EXPECT_EQ(*get("bucket", "key"), "0123456789short");
  expect_no_leak(2);
}

TEST_F(MultipartTest, ConditionsOfComplete) {
  ASSERT_TRUE(put("bucket", "key", "old").has_value());
  const std::string upload = begin();
  const auto a = part(upload, 1, "new");
  CompleteUploadRequest request{
      .bucket = "bucket", .key = "key", .upload_id = upload, .parts = {{1, a->etag}}};
  request.conditions.if_none_match = {"*"};
  EXPECT_EQ(code_of(run(store_->complete_upload(request))), ErrorCode::kPreconditionFailed);
  request.conditions = {.if_match = {md5_of("old")}};
  ASSERT_TRUE(run(store_->complete_upload(request)).has_value());
  EXPECT_EQ(*get("bucket", "key"), "new");
  expect_no_leak(1);
}

TEST_F(MultipartTest, APartPutAgainReplacesTheOld) {
  const std::string upload = begin();
  const auto old = part(upload, 1, "old");
  const auto now = part(upload, 1, "now");
  EXPECT_EQ(code_of(complete(upload, {{1, old->etag}})), ErrorCode::kInvalidPart);
  ASSERT_TRUE(complete(upload, {{1, now->etag}}).has_value());
  EXPECT_EQ(*get("bucket", "key"), "now");
  expect_no_leak(1);
}

TEST_F(MultipartTest, AbortFreesEverything) {
  const std::string upload = begin();
  for (std::uint32_t i = 1; i <= 20; ++i) ASSERT_TRUE(part(upload, i, std::string(i * 10, 'x')).has_value());
  ASSERT_TRUE(run(store_->abort_upload({"bucket", "key", upload})).has_value());
  EXPECT_EQ(code_of(run(store_->abort_upload({"bucket", "key", upload}))), ErrorCode::kNoSuchUpload);
  EXPECT_EQ(code_of(part(upload, 1, "late")), ErrorCode::kNoSuchUpload);
  EXPECT_TRUE(cluster_->fake(0).rows().rows(Family::kUploads).empty());
  expect_no_leak(0);
}

TEST_F(MultipartTest, TenThousandPartsWithALongKey) {
  const std::string key(1024, 'k');
  const auto upload = run(store_->create_upload({.bucket = "bucket", .key = key}));
  CompleteUploadRequest request{.bucket = "bucket", .key = key, .upload_id = upload->upload_id};
  std::string expected;
  for (std::uint32_t i = 1; i <= 10'000; ++i) {
    const std::string bytes = "part " + std::to_string(100'000 + i);
    BufferSource body(Buffer::copy_of(bytes));
    UploadPartRequest one{.bucket = "bucket", .key = key, .upload_id = upload->upload_id, .part_number = i};
    one.body = &body;
    const auto made = run(store_->upload_part(std::move(one)));
    ASSERT_TRUE(made.has_value());
    request.parts.push_back({i, made->etag});
    expected += bytes;
  }
  cluster_->fake(0).reset_largest_entry();
  const auto made = run(store_->complete_upload(std::move(request)));
  ASSERT_TRUE(made.has_value()) << made.error().describe();
  EXPECT_TRUE(made->etag.ends_with("-10000"));
  EXPECT_EQ(*get("bucket", key), expected);
  EXPECT_LE(cluster_->fake(0).largest_entry(), limits::kMaxEntryBytes);
  EXPECT_EQ(cluster_->fake(0).rows().rows(Family::kUploads).size(), 1U);
  AttributesRequest attributes{.bucket = "bucket", .key = key};
  attributes.with_parts = true;
  attributes.part_marker = 9'500;
  const auto parts = run(store_->get_attributes(std::move(attributes)));
  EXPECT_EQ(parts->parts.size(), 500U);
  EXPECT_EQ(parts->info.parts_count, 10'000U);
  ASSERT_TRUE(run(store_->delete_object({.bucket = "bucket", .key = key})).has_value());
  EXPECT_TRUE(cluster_->fake(0).rows().rows(Family::kExtents).empty());
  expect_no_leak(0);
}

TEST_F(MultipartTest, Checksums) {
  const std::string one = "first part";
  const std::string two = "second part";
  for (const auto kind : {ChecksumKind::kCrc32, ChecksumKind::kCrc32c, ChecksumKind::kCrc64Nvme}) {
    const auto codec_kind = kind == ChecksumKind::kCrc32    ? codec::ChecksumKind::kCrc32
                            : kind == ChecksumKind::kCrc32c ? codec::ChecksumKind::kCrc32c
                                                            : codec::ChecksumKind::kCrc64Nvme;
    const std::string upload = begin(kind, false);
    const auto a = part(upload, 1, one);
    const auto b = part(upload, 2, two);
    EXPECT_EQ(a->checksum.value, codec::digest_of(codec_kind, one));
    const Checksum wrong{.kind = kind, .value = std::string(checksum_bytes(kind), 'x')};
    EXPECT_EQ(code_of(complete(upload, {{1, a->etag}, {2, b->etag}}, wrong)), ErrorCode::kBadDigest);
    const Checksum right{.kind = kind, .value = codec::digest_of(codec_kind, one + two)};
    const auto made = complete(upload, {{1, a->etag}, {2, b->etag}}, right);
    ASSERT_TRUE(made.has_value()) << made.error().describe();
    EXPECT_EQ(made->checksum, right);
  }
  const std::string upload = begin(ChecksumKind::kSha256, true);
  const auto a = part(upload, 1, one);
  const auto b = part(upload, 2, two);
  EXPECT_EQ(code_of(complete(upload, {{1, a->etag, "no"}, {2, b->etag}})), ErrorCode::kInvalidPart);
  const auto made = complete(upload, {{1, a->etag, a->checksum.value}, {2, b->etag}});
  EXPECT_TRUE(made->checksum.composite);
  EXPECT_EQ(made->checksum.value,
            codec::digest_of(codec::ChecksumKind::kSha256, a->checksum.value + b->checksum.value));
  CreateUploadRequest bad{.bucket = "bucket", .key = "key"};
  bad.checksum_kind = ChecksumKind::kSha1;
  bad.checksum_composite = false;
  EXPECT_EQ(code_of(run(store_->create_upload(std::move(bad)))), ErrorCode::kInvalidArgument);
}

TEST_F(MultipartTest, ListsPartsByPages) {
  const std::string upload = begin();
  for (std::uint32_t i = 1; i <= 7; ++i) ASSERT_TRUE(part(upload, i * 2, "x").has_value());
  ListPartsRequest request{.bucket = "bucket", .key = "key", .upload_id = upload};
  request.max_parts = 3;
  std::vector<std::uint32_t> numbers;
  for (;;) {
    const auto page = run(store_->list_parts(request));
    ASSERT_TRUE(page.has_value());
    for (const auto& each : page->parts) numbers.push_back(each.number);
    if (!page->is_truncated) break;
    request.part_marker = page->next_part_marker;
  }
  EXPECT_EQ(numbers, (std::vector<std::uint32_t>{2, 4, 6, 8, 10, 12, 14}));
}

TEST_F(MultipartTest, DeletingABucketEndsItsUploads) {
  const std::string upload = begin();
  ASSERT_TRUE(part(upload, 1, "x").has_value());
  const std::string other = begin();
  const auto a = part(other, 1, "y");
  ASSERT_TRUE(complete(other, {{1, a->etag}}).has_value());
  EXPECT_EQ(code_of(run(store_->delete_bucket("bucket"))), ErrorCode::kBucketNotEmpty);
  ASSERT_TRUE(remove("bucket", "key").has_value());
  ASSERT_TRUE(run(store_->delete_bucket("bucket")).has_value());
  EXPECT_TRUE(cluster_->fake(0).rows().rows(Family::kUploads).empty());
  expect_no_leak(0);
}

class UploadsOverSetsTest : public MultipartTest {
 protected:
  UploadsOverSetsTest() : MultipartTest(3) {}
};

TEST_F(UploadsOverSetsTest, ListsUploadsByPages) {
  std::vector<std::pair<std::string, std::string>> expected;
  for (const char* key : {"a", "a", "b/1", "b/2", "c", "d"}) {
    const auto made = run(store_->create_upload({.bucket = "bucket", .key = key}));
    ASSERT_TRUE(made.has_value());
    expected.emplace_back(key, made->upload_id);
  }
  for (std::uint32_t page_size = 1; page_size < 8; ++page_size) {
    ListUploadsRequest request{.bucket = "bucket"};
    request.max_uploads = page_size;
    std::vector<std::pair<std::string, std::string>> listed;
    for (;;) {
      const auto page = run(store_->list_uploads(request));
      ASSERT_TRUE(page.has_value());
      for (const auto& each : page->uploads) listed.emplace_back(each.key, each.upload_id);
      if (!page->is_truncated) break;
      request.key_marker = page->next_key_marker;
      request.upload_id_marker = page->next_upload_id_marker;
    }
    EXPECT_EQ(listed, expected) << page_size;
  }
  const auto page = run(store_->list_uploads({.bucket = "bucket", .prefix = {}, .delimiter = "/"}));
  EXPECT_EQ(page->common_prefixes, std::vector<std::string>{"b/"});
  EXPECT_EQ(page->uploads.size(), 4U);
}

}  // namespace
}  // namespace flashstor::objects
