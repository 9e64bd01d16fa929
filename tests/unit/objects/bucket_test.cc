#include <algorithm>

#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "engine/objects/system_store.h"
#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

class BucketTest : public StoreTest {
 protected:
  BucketTest() : StoreTest(3) {}
};

TEST(BucketName, RulesOfS3) {
  for (const char* name : {"abc", "a-b", "a.b.c", "123", "0-0", "1.2.3", "xn-a", "a--b"})
    EXPECT_TRUE(check_bucket_name(name).has_value()) << name;
  for (const char* name : {"",          "ab",          "Abc",      "a_b",        "-ab",
                           "ab-",       ".ab",         "ab.",      "a..b",       "foo.-bar",
                           "foo-.bar",  "192.168.5.4", "xn--abc",  "sthree-abc", "amzn-s3-demo-x",
                           "a-s3alias", "a--ol-s3",    "abc.mrap", "a--x-s3",    "a b",
                           "a/b"})
    EXPECT_EQ(code_of(check_bucket_name(name)), ErrorCode::kInvalidBucketName) << name;
  EXPECT_TRUE(check_bucket_name(std::string(63, 'a')).has_value());
  EXPECT_FALSE(check_bucket_name(std::string(64, 'a')).has_value());
}

TEST_F(BucketTest, CreateHeadListDelete) {
  EXPECT_EQ(code_of(run(store_->head_bucket("bucket"))), ErrorCode::kNoSuchBucket);
  make_bucket("bucket");
  EXPECT_EQ(code_of(run(store_->create_bucket({.name = "bucket", .owner = "alice"}))),
            ErrorCode::kBucketOwnedByCaller);
  EXPECT_EQ(code_of(run(store_->create_bucket({.name = "bucket", .owner = "bob"}))),
            ErrorCode::kBucketExists);
  EXPECT_EQ(code_of(run(store_->create_bucket({.name = "No", .owner = "bob"}))),
            ErrorCode::kInvalidBucketName);
  ASSERT_TRUE(put("bucket", "key", "x").has_value());
  EXPECT_EQ(code_of(run(store_->delete_bucket("bucket"))), ErrorCode::kBucketNotEmpty);
  ASSERT_TRUE(put("bucket", "key2", "x").has_value()) << "a refused deletion leaves it open";
  ASSERT_TRUE(remove("bucket", "key").has_value());
  ASSERT_TRUE(remove("bucket", "key2").has_value());
  ASSERT_TRUE(run(store_->delete_bucket("bucket")).has_value());
  EXPECT_EQ(code_of(run(store_->head_bucket("bucket"))), ErrorCode::kNoSuchBucket);
  EXPECT_EQ(code_of(run(store_->delete_bucket("bucket"))), ErrorCode::kNoSuchBucket);
  EXPECT_EQ(code_of(put("bucket", "key", "x")), ErrorCode::kNoSuchBucket);
  make_bucket("bucket");
  EXPECT_TRUE(put("bucket", "key", "x").has_value());
}

TEST_F(BucketTest, ListsByPagesAndPrefix) {
  for (int i = 0; i < 25; ++i) make_bucket((i % 2 == 0 ? "even-" : "odd-") + std::to_string(100 + i));
  ListBucketsRequest request{.prefix = "odd-"};
  request.max_buckets = 5;
  std::vector<std::string> names;
  for (;;) {
    const auto page = run(store_->list_buckets(request));
    ASSERT_TRUE(page.has_value());
    for (const auto& bucket : page->buckets) names.push_back(bucket->name);
    if (!page->is_truncated) break;
    request.continuation_token = page->next_continuation_token;
  }
  EXPECT_EQ(names.size(), 12U);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(run(store_->list_buckets({}))->buckets.size(), 25U);
}

TEST_F(BucketTest, ObjectLockIsTurnedOnWhereVersionsAreKept) {
  make_bucket("bucket");
  EXPECT_EQ(code_of(run(store_->set_object_lock("bucket", "object-lock", "<x/>"))),
            ErrorCode::kInvalidBucketState);
  EXPECT_FALSE(run(store_->head_bucket("bucket"))->get()->object_lock);
  ASSERT_TRUE(run(store_->set_versioning("bucket", Versioning::kEnabled)).has_value());
  ASSERT_TRUE(run(store_->set_object_lock("bucket", "object-lock", "<x/>")).has_value());
  EXPECT_TRUE(run(store_->head_bucket("bucket"))->get()->object_lock);
  EXPECT_EQ(*run(store_->get_bucket_config("bucket", "object-lock")), "<x/>");
  EXPECT_EQ(code_of(run(store_->set_versioning("bucket", Versioning::kSuspended))),
            ErrorCode::kInvalidBucketState);
}

TEST_F(BucketTest, ConfigurationDocuments) {
  make_bucket("bucket");
  EXPECT_EQ(code_of(run(store_->get_bucket_config("bucket", "policy"))), ErrorCode::kNoSuchConfiguration);
  ASSERT_TRUE(run(store_->set_bucket_config("bucket", "policy", "{}")).has_value());
  ASSERT_TRUE(run(store_->set_bucket_config("bucket", "cors", "<x/>")).has_value());
  ASSERT_TRUE(run(store_->set_bucket_acl("bucket", 4, "* READ\n")).has_value());
  EXPECT_EQ(*run(store_->get_bucket_config("bucket", "policy")), "{}");
  ASSERT_TRUE(run(store_->delete_bucket_config("bucket", "policy")).has_value());
  EXPECT_EQ(code_of(run(store_->get_bucket_config("bucket", "policy"))), ErrorCode::kNoSuchConfiguration);
  EXPECT_EQ(*run(store_->get_bucket_config("bucket", "cors")), "<x/>");
  EXPECT_EQ(run(store_->head_bucket("bucket"))->get()->acl, 4);
  EXPECT_EQ(run(store_->head_bucket("bucket"))->get()->grants, "* READ\n");
  EXPECT_EQ(code_of(run(store_->set_bucket_config("bucket", "cors", std::string(1 << 20, 'x')))),
            ErrorCode::kEntityTooLarge);
  EXPECT_EQ(code_of(run(store_->set_bucket_acl("other", 2))), ErrorCode::kNoSuchBucket);
  ASSERT_TRUE(run(store_->set_versioning("bucket", Versioning::kSuspended)).has_value());
  EXPECT_EQ(code_of(run(store_->set_versioning("bucket", Versioning::kUnversioned))),
            ErrorCode::kInvalidBucketState);
}

// Another loop whose cache has not heard of the change: its write must be refused, learn and go on.
TEST_F(BucketTest, AWriterWithAnOldBucketLearnsOfVersioning) {
  make_bucket("bucket");
  BucketEpoch other_epoch;
  ObjectStore other(*cluster_, other_epoch, random_);
  ASSERT_TRUE(run(other.head_bucket("bucket")).has_value());
  ASSERT_TRUE(run(store_->set_versioning("bucket", Versioning::kEnabled)).has_value());
  ASSERT_EQ(run(other.head_bucket("bucket"))->get()->versioning, Versioning::kUnversioned);
  BufferSource body(Buffer::copy_of("x"));
  PutRequest request{.bucket = "bucket", .key = "key"};
  request.body = &body;
  ASSERT_TRUE(run(other.put_object(std::move(request))).has_value());
  const auto head = run(store_->head_object({.bucket = "bucket", .key = "key"}));
  EXPECT_NE(head->info->version_id, "null");
  run(other.close());
}

TEST_F(BucketTest, AWriterWithAnOldBucketDoesNotWriteIntoADeletedOne) {
  make_bucket("bucket");
  BucketEpoch other_epoch;
  ObjectStore other(*cluster_, other_epoch, random_);
  ASSERT_TRUE(run(other.head_bucket("bucket")).has_value());
  ASSERT_TRUE(run(store_->delete_bucket("bucket")).has_value());
  const auto write = [&] {
    BufferSource body(Buffer::copy_of("x"));
    PutRequest request{.bucket = "bucket", .key = "key"};
    request.body = &body;
    return run(other.put_object(std::move(request)));
  };
  EXPECT_EQ(code_of(write()), ErrorCode::kNoSuchBucket);
  run(other.close());
}

TEST_F(BucketTest, ADeletionThatNeverEndedIsUndone) {
  const BucketRef bucket = make_bucket("bucket");
  // A deleter froze every set and died; the record names another token, or none, by now.
  const Uuid token{7, 7};
  for (std::uint32_t i = 0; i < 3; ++i) {
    cluster::Command command;
    command.kind = static_cast<cluster::CommandKind>(ObjectCommand::kSetGate);
    command.payload = encode(GatePayload{
        .bucket = bucket->id, .action = GatePayload::Action::kFreeze, .epoch = 2, .token = token});
    ASSERT_TRUE(run(cluster_->fake(i).execute(std::move(command))).has_value());
  }
  // Its token is not in the bucket's record: it can never end, so the writer thaws.
  EXPECT_TRUE(put("bucket", "key", "x").has_value());
}

TEST_F(BucketTest, DocumentsOfTheSystem) {
  SystemStore documents(*cluster_, random_);
  EXPECT_EQ(*run(documents.load("iam/users/a")), std::nullopt);
  for (const char* name : {"a", "b", "c", "ab"})
    ASSERT_TRUE(run(documents.save(std::string("iam/users/") + name, name)).has_value());
  ASSERT_TRUE(run(documents.save("iam/users/a", "again")).has_value());
  EXPECT_EQ(run(documents.load("iam/users/a"))->value(), "again");
  EXPECT_EQ(*run(documents.list("iam/users/")),
            (std::vector<std::string>{"iam/users/a", "iam/users/ab", "iam/users/b", "iam/users/c"}));
  ASSERT_TRUE(run(documents.remove("iam/users/b")).has_value());
  ASSERT_TRUE(run(documents.remove("iam/users/b")).has_value());
  EXPECT_EQ(run(documents.list("iam/"))->size(), 3U);
  const auto document = run(documents.read("iam/users/c"))->value();
  const auto revision = run(documents.replace(document.path, "new", document.revision));
  ASSERT_TRUE(revision.has_value());
  EXPECT_EQ(code_of(run(documents.replace(document.path, "newer", document.revision))), ErrorCode::kConflict);
  EXPECT_EQ(code_of(run(documents.remove_if(document.path, document.revision))), ErrorCode::kConflict);
  ASSERT_TRUE(run(documents.remove_if(document.path, *revision)).has_value());
  EXPECT_EQ(code_of(run(documents.save("x", std::string(2 << 20, 'x')))), ErrorCode::kEntityTooLarge);
}

}  // namespace
}  // namespace flashstor::objects
