#include <algorithm>

#include "engine/async/gather.h"
#include "engine/async/work_pool.h"
#include "engine/base/hex.h"
#include "engine/codec/checksum.h"
#include "engine/objects/digest_pool.h"
#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

std::string text_of(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<char>('a' + i * 7 % 26));
  return out;
}

TEST_F(StoreTest, GivesBackWhatWasPutWhateverItsSize) {
  make_bucket("bucket");
  for (const std::size_t size : {0, 1, 63, 64, 65, 99, 100, 101, 1000, 5000}) {
    const std::string bytes = text_of(size);
    const auto result = put("bucket", "key", bytes);
    ASSERT_TRUE(result.has_value()) << result.error().describe();
    EXPECT_EQ(result->etag, base::to_hex(codec::digest_of(codec::ChecksumKind::kMd5, bytes)));
    EXPECT_EQ(result->size, size);
    EXPECT_TRUE(result->version_id.empty());
    EXPECT_EQ(*get("bucket", "key"), bytes) << size;
  }
  EXPECT_EQ(cluster_->fake(0).staged(), 0U);
}

// Pieces of many bodies at once, on the pool: none gets the bytes or the digest of another.
TEST_F(StoreTest, LargeBodiesSideBySideKeepTheirOwnDigests) {
  async::ThreadPool threads(3, "digests");
  DigestPool digests(threads);
  run(store_->close());
  store_ = std::make_unique<ObjectStore>(*cluster_, epoch_, random_, StoreOptions{.digests = &digests});
  make_bucket("bucket");
  constexpr std::size_t kBodies = 12;
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < kBodies; ++i) bodies.push_back(text_of(i + 1) + text_of(300'000 + 70'001 * i));
  std::vector<Task<Result<PutResult>>> puts;
  const auto put_one = [this](std::size_t number, const std::string& bytes) -> Task<Result<PutResult>> {
    BufferSource body(Buffer::copy_of(bytes), 140'000);
    PutRequest request;
    request.bucket = "bucket";
    request.key = std::to_string(number);
    request.checksum.kind = ChecksumKind::kSha256;
    request.body = &body;
    co_return co_await store_->put_object(std::move(request));
  };
  for (std::size_t i = 0; i < kBodies; ++i) puts.push_back(put_one(i, bodies[i]));
  const auto results = run(async::gather(std::move(puts)));
  for (std::size_t i = 0; i < kBodies; ++i) {
    ASSERT_TRUE(results[i].has_value()) << results[i].error().describe();
    EXPECT_EQ(results[i]->etag, base::to_hex(codec::digest_of(codec::ChecksumKind::kMd5, bodies[i])));
    EXPECT_EQ(results[i]->checksum.value, codec::digest_of(codec::ChecksumKind::kSha256, bodies[i]));
    EXPECT_EQ(*get("bucket", std::to_string(i)), bodies[i]);
  }
  run(store_->close());
  reopen();  // the pool goes before the fixture does
}

TEST_F(StoreTest, WorksAsWellWhenTheLeaderIsElsewhere) {
  make_bucket("bucket");
  cluster_->set_remote(true);
  ASSERT_TRUE(put("bucket", "a/b", text_of(300)).has_value());
  EXPECT_EQ(*get("bucket", "a/b"), text_of(300));
  const auto list = run(store_->list_objects({.bucket = "bucket", .prefix = {}, .delimiter = "/"}));
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->common_prefixes, std::vector<std::string>{"a/"});
}

TEST_F(StoreTest, GivesBackAllAttributes) {
  make_bucket("bucket");
  ObjectAttributes attributes;
  attributes.headers = {"text/plain", "gzip", "inline", "de", "no-cache", "never"};
  attributes.user_metadata = {{"one", "1"}, {"two", ""}};
  attributes.tags = {{"t", "v"}};
  attributes.storage_class = StorageClass::kReducedRedundancy;
  attributes.owner = "alice";
  attributes.acl = 2;
  attributes.posix = PosixAttributes{.inode = {1, 2}, .mode = 0600, .xattrs = {{"user.x", "y"}}};
  PutRequest request;
  request.bucket = "bucket";
  request.key = "key";
  request.attributes = attributes;
  ASSERT_TRUE(run(store_->put_object(std::move(request))).has_value());
  const auto head = run(store_->head_object({.bucket = "bucket", .key = "key", .version_id = {}}));
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->info->attributes, attributes);
  EXPECT_EQ(head->info->size, 0U);
  EXPECT_EQ(head->reader, nullptr);
}

TEST_F(StoreTest, KeepsEveryKeyAsItIs) {
  make_bucket("bucket");
  const std::vector<std::string> keys{"a",
                                      "a//b",
                                      "a/",
                                      "/",
                                      "..",
                                      std::string("nul\0in it", 9),
                                      std::string("nul\0", 4),
                                      std::string("nul"),
                                      "\x01",
                                      "gr\xc3\xbc\xc3\x9f",
                                      "\xf0\x9f\x90\x8e",
                                      std::string(1024, 'k')};
  for (const auto& key : keys) {
    const auto result = put("bucket", key, "bytes of " + key);
    ASSERT_TRUE(result.has_value()) << key << result.error().describe();
  }
  for (const auto& key : keys) EXPECT_EQ(*get("bucket", key), "bytes of " + key);
  auto sorted = keys;
  std::ranges::sort(sorted);
  const auto list = run(store_->list_objects({.bucket = "bucket", .prefix = {}}));
  ASSERT_TRUE(list.has_value());
  std::vector<std::string> listed;
  for (const auto& object : list->objects) listed.push_back(object.key);
  EXPECT_EQ(listed, sorted);
  EXPECT_EQ(code_of(put("bucket", std::string(1025, 'k'), "x")), ErrorCode::kKeyTooLong);
  EXPECT_EQ(code_of(put("bucket", "", "x")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(put("bucket", "bad\xff utf8", "x")), ErrorCode::kMalformed);
}

TEST_F(StoreTest, RefusesABodyThatIsNotWhatWasSaid) {
  make_bucket("bucket");
  for (const std::size_t size : {10, 500}) {
    const std::string bytes = text_of(size);
    for (int wrong = 0; wrong < 3; ++wrong) {
      BufferSource body(Buffer::copy_of(bytes), 9);
      PutRequest request;
      request.bucket = "bucket";
      request.key = "key";
      request.body = &body;
      request.expected_md5 = codec::digest_of(codec::ChecksumKind::kMd5, bytes);
      request.expected_sha256 = codec::digest_of(codec::ChecksumKind::kSha256, bytes);
      request.checksum = {.kind = ChecksumKind::kCrc32c,
                          .composite = false,
                          .value = codec::digest_of(codec::ChecksumKind::kCrc32c, bytes)};
      std::string& victim = wrong == 0   ? request.expected_md5
                            : wrong == 1 ? request.expected_sha256
                                         : request.checksum.value;
      victim[0] = static_cast<char>(victim[0] ^ 1);
      EXPECT_EQ(code_of(run(store_->put_object(std::move(request)))), ErrorCode::kBadDigest);
    }
  }
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(cluster_->fake(0).staged(), 0U);
  EXPECT_TRUE(cluster_->fake(0).data().empty());
}

TEST_F(StoreTest, ATrailingChecksumIsVerifiedAndKept) {
  make_bucket("bucket");
  const std::string good = codec::digest_of(codec::ChecksumKind::kCrc64Nvme, "hello");
  for (const bool right : {false, true}) {
    BufferSource body(Buffer::copy_of("hello"));
    PutRequest request;
    request.bucket = "bucket";
    request.key = "key";
    request.body = &body;
    request.checksum.kind = ChecksumKind::kCrc64Nvme;
    request.trailing_checksum = [&] {
      return Checksum{.kind = ChecksumKind::kCrc64Nvme, .value = right ? good : std::string(8, 'x')};
    };
    const auto result = run(store_->put_object(std::move(request)));
    EXPECT_EQ(result.has_value(), right);
  }
  const auto head = run(store_->head_object({.bucket = "bucket", .key = "key", .version_id = {}}));
  EXPECT_EQ(head->info->checksum.value, good);
}

class LyingBody final : public BodySource {
 public:
  Task<Result<std::optional<Buffer>>> next() override {
    if (std::exchange(done_, true)) co_return std::optional<Buffer>();
    co_return std::optional<Buffer>(Buffer::copy_of("short"));
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return 6; }

 private:
  bool done_ = false;
};

TEST_F(StoreTest, ABodyThatEndsEarlyIsNotStored) {
  make_bucket("bucket");
  LyingBody body;
  PutRequest request;
  request.bucket = "bucket";
  request.key = "key";
  request.body = &body;
  EXPECT_EQ(code_of(run(store_->put_object(std::move(request)))), ErrorCode::kIncompleteBody);
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);
}

TEST_F(StoreTest, Ranges) {
  make_bucket("bucket");
  const std::string bytes = text_of(1000);
  ASSERT_TRUE(put("bucket", "key", bytes).has_value());
  ASSERT_TRUE(put("bucket", "empty", "").has_value());
  using R = ByteRange;
  EXPECT_EQ(*get("bucket", "key", {}, R{.first = 0, .last = 0}), bytes.substr(0, 1));
  EXPECT_EQ(*get("bucket", "key", {}, R{.first = 95, .last = 205}), bytes.substr(95, 111));
  EXPECT_EQ(*get("bucket", "key", {}, R{.first = 990, .last = 5000}), bytes.substr(990));
  EXPECT_EQ(*get("bucket", "key", {}, R{.first = 7, .last = {}}), bytes.substr(7));
  EXPECT_EQ(*get("bucket", "key", {}, R{.first = {}, .last = 3}), bytes.substr(997));
  EXPECT_EQ(*get("bucket", "key", {}, R{.first = {}, .last = 3000}), bytes);
  EXPECT_EQ(code_of(get("bucket", "key", {}, R{.first = 1000, .last = 1001})), ErrorCode::kInvalidRange);
  EXPECT_EQ(code_of(get("bucket", "key", {}, R{.first = {}, .last = 0})), ErrorCode::kInvalidRange);
  EXPECT_EQ(code_of(get("bucket", "empty", {}, R{.first = 0, .last = 0})), ErrorCode::kInvalidRange);
}

TEST_F(StoreTest, AReadThatFailsSaysSoAndGivesNothingMore) {
  make_bucket("bucket");
  ASSERT_TRUE(put("bucket", "key", text_of(1000)).has_value());
  auto result = run(store_->get_object({.bucket = "bucket", .key = "key", .version_id = {}}));
  ASSERT_TRUE(run(result->reader->next()).has_value());
  cluster_->fake(0).fail_reads(ErrorCode::kReadQuorum);
  ASSERT_TRUE(run(result->reader->next()).has_value());  // was read ahead
  EXPECT_EQ(code_of(run(result->reader->next())), ErrorCode::kReadQuorum);
  cluster_->fake(0).fail_reads(std::nullopt);
  EXPECT_FALSE(run(result->reader->next()).has_value());
}

TEST_F(StoreTest, AnOverwriteAndADeleteFreeWhatWasThere) {
  make_bucket("bucket");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(put("bucket", "key", text_of(30 + 30U * i)).has_value());
  EXPECT_EQ(cluster_->fake(0).data().size(), 5U);
  EXPECT_EQ(cluster_->fake(0).rows().rows(Family::kDue).size(), 4U);
  ASSERT_TRUE(remove("bucket", "key").has_value());
  EXPECT_EQ(cluster_->fake(0).rows().rows(Family::kDue).size(), 5U);
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);
  EXPECT_TRUE(remove("bucket", "key").has_value());
  EXPECT_EQ(cluster_->fake(0).rows().rows(Family::kDue).size(), 5U);
}

TEST_F(StoreTest, WhatAnOverwriteHidesStaysHiddenUntilItIsRemoved) {
  cluster_->set_lazy_confirm(true);
  make_bucket("bucket");
  ASSERT_TRUE(put("bucket", "key", "one").has_value());
  ASSERT_TRUE(put("bucket", "key", "two").has_value());
  EXPECT_EQ(*get("bucket", "key"), "two");
  const auto versions = run(store_->list_versions({.bucket = "bucket", .prefix = {}}));
  ASSERT_TRUE(versions.has_value());
  EXPECT_EQ(versions->versions.size(), 1U);
  // The removal of "one" still waits for its record: the deletion must take it along.
  ASSERT_TRUE(remove("bucket", "key").has_value());
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);
  EXPECT_TRUE(run(store_->delete_bucket("bucket")).has_value());
}

TEST_F(StoreTest, ConditionalWrites) {
  make_bucket("bucket");
  const Conditions absent{.if_match = {}, .if_none_match = {"*"}};
  EXPECT_EQ(code_of(put("bucket", "key", "x", {.if_match = {"*"}})), ErrorCode::kNoSuchKey);
  const auto first = put("bucket", "key", "one", absent);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(code_of(put("bucket", "key", "two", absent)), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(code_of(put("bucket", "key", "two", {.if_match = {"0123"}})), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(code_of(put("bucket", "key", "two", {.if_match = {}, .if_none_match = {first->etag}})),
            ErrorCode::kPreconditionFailed);
  EXPECT_EQ(*get("bucket", "key"), "one");
  ASSERT_TRUE(put("bucket", "key", "two", {.if_match = {"0123", first->etag}}).has_value());
  EXPECT_EQ(*get("bucket", "key"), "two");
  ASSERT_TRUE(remove("bucket", "key").has_value());
  EXPECT_TRUE(put("bucket", "key", "three", absent).has_value());
}

TEST_F(StoreTest, ConditionalReads) {
  make_bucket("bucket");
  const auto made = put("bucket", "key", "bytes");
  const auto ask = [&](Conditions conditions) {
    GetRequest request{.bucket = "bucket", .key = "key", .version_id = {}};
    request.conditions = std::move(conditions);
    const auto result = run(store_->get_object(std::move(request)));
    return result ? ErrorCode::kInternal : result.error().code();
  };
  constexpr auto kFine = ErrorCode::kInternal;
  const auto head = run(store_->head_object({.bucket = "bucket", .key = "key", .version_id = {}}));
  const WallTime then = head->info->last_modified;
  const auto second = std::chrono::seconds(1);
  EXPECT_EQ(ask({.if_match = {made->etag}}), kFine);
  EXPECT_EQ(ask({.if_match = {"*"}}), kFine);
  EXPECT_EQ(ask({.if_match = {"no"}}), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(ask({.if_none_match = {made->etag}}), ErrorCode::kNotModified);
  EXPECT_EQ(ask({.if_none_match = {"no"}}), kFine);
  EXPECT_EQ(ask({.if_modified_since = then}), ErrorCode::kNotModified);
  EXPECT_EQ(ask({.if_modified_since = then - second}), kFine);
  EXPECT_EQ(ask({.if_unmodified_since = then}), kFine);
  EXPECT_EQ(ask({.if_unmodified_since = then - second}), ErrorCode::kPreconditionFailed);
  // The entity tag goes before the time.
  EXPECT_EQ(ask({.if_match = {made->etag}, .if_unmodified_since = then - second}), kFine);
  EXPECT_EQ(ask({.if_none_match = {"no"}, .if_modified_since = then}), kFine);
}

}  // namespace
// The newest version is kept decoded: never longer than it is the newest.
TEST_F(StoreTest, AVersionOutOfMemoryIsTheOneThatAReadWouldGive) {
  make_bucket("bucket");
  ASSERT_TRUE(put("bucket", "key", "one").has_value());
  EXPECT_EQ(*get("bucket", "key"), "one");
  const std::size_t reads = cluster_->fake(0).rows().visited();
  EXPECT_EQ(*get("bucket", "key"), "one");
  EXPECT_EQ(*get("bucket", "key", {}, ByteRange{.first = 1, .last = 1}), "n");
  EXPECT_EQ(cluster_->fake(0).rows().visited(), reads) << "it was read again";

  ASSERT_TRUE(put("bucket", "key", "two").has_value());
  EXPECT_EQ(*get("bucket", "key"), "two");
  // Through another loop's store.
  ObjectStore other(*cluster_, epoch_, random_, {});
  ASSERT_TRUE(run(other.set_tags("bucket", "key", {}, {{"a", "b"}})).has_value());
  EXPECT_EQ((*run(store_->head_object({.bucket = "bucket", .key = "key"}))->info).attributes.tags.size(), 1U);
  ASSERT_TRUE(run(other.delete_object({.bucket = "bucket", .key = "key"})).has_value());
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);
  EXPECT_EQ(code_of(get("bucket", "key")), ErrorCode::kNoSuchKey);

  // What the bucket is shows too.
  ASSERT_TRUE(put("bucket", "key", "three").has_value());
  EXPECT_EQ(*get("bucket", "key"), "three");
  ASSERT_TRUE(run(store_->set_versioning("bucket", Versioning::kEnabled)).has_value());
  EXPECT_EQ(run(store_->head_object({.bucket = "bucket", .key = "key"}))->info->bucket_versioning,
            Versioning::kEnabled);
  run(other.close());
}

}  // namespace flashstor::objects
