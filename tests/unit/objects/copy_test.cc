#include <algorithm>

#include "engine/codec/checksum.h"
#include "engine/objects/keys.h"
#include "engine/objects/payloads.h"
#include "engine/objects/version_row.h"
#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

class CopyTest : public StoreTest {
 protected:
  explicit CopyTest(std::uint32_t sets = 1) : StoreTest(sets) {
    make_bucket("from");
    make_bucket("into");
  }
  Result<CopyResult> copy(const std::string& source, const std::string& target) {
    CopyRequest request{.source_bucket = "from", .source_key = source};
    request.bucket = "into";
    request.key = target;
    return run(store_->copy_object(std::move(request)));
  }
  std::size_t count(Family family) {
    std::size_t rows = 0;
    for (std::uint32_t i = 0; i < cluster_->set_count(); ++i)
      rows += cluster_->fake(i).rows().rows(family).size();
    return rows;
  }
  std::size_t stored() {
    std::size_t slices = 0;
    for (std::uint32_t i = 0; i < cluster_->set_count(); ++i) slices += cluster_->fake(i).data().size();
    return slices;
  }
  void sharing_ends_with_the_last_user(int order);
};

class CopyOverSetsTest : public CopyTest {
 protected:
  CopyOverSetsTest() : CopyTest(5) {}
};

// `a` is copied to b and b to c; they go in each order. Data goes exactly once, with the last.
void CopyTest::sharing_ends_with_the_last_user(int order) {
  const std::string bytes(300, 'x');
  ASSERT_TRUE(put("from", "a", bytes).has_value());
  ASSERT_TRUE(copy("a", "b").has_value());
  CopyRequest request{.source_bucket = "into", .source_key = "b"};
  request.bucket = "into";
  request.key = "c";
  ASSERT_TRUE(run(store_->copy_object(request)).has_value());
  EXPECT_EQ(stored(), 1U) << "no bytes move";
  std::vector<std::pair<std::string, std::string>> names{{"from", "a"}, {"into", "b"}, {"into", "c"}};
  for (int i = 0; i < order; ++i) std::next_permutation(names.begin(), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(count(Family::kDue), 0U);
    for (std::size_t j = i; j < names.size(); ++j) {
      EXPECT_EQ(*get(names[j].first, names[j].second), bytes);
    }
    ASSERT_TRUE(remove(names[i].first, names[i].second).has_value());
  }
  EXPECT_EQ(count(Family::kDue), 1U);
  EXPECT_EQ(count(Family::kRefs), 0U);
  // Only the buckets' gates may be among the intents.
  for (std::uint32_t i = 0; i < cluster_->set_count(); ++i)
    for (const auto& [key, value] : cluster_->fake(i).rows().rows(Family::kIntents)) EXPECT_EQ(key[0], 'B');
}

TEST_F(CopyTest, SharingEndsWithTheLastUser) {
  for (int order = 0; order < 6; ++order) {
    cluster_->fake(0).forget_data();
    sharing_ends_with_the_last_user(order);
    if (HasFailure()) FAIL() << "order " << order;
  }
}
TEST_F(CopyOverSetsTest, SharingEndsWithTheLastUser) {
  for (int order = 0; order < 6; ++order) {
    for (std::uint32_t i = 0; i < cluster_->set_count(); ++i) cluster_->fake(i).forget_data();
    sharing_ends_with_the_last_user(order);
    if (HasFailure()) FAIL() << "order " << order;
  }
}
TEST_F(CopyTest, SharingEndsWithTheLastUserWithLazyConfirms) {
  cluster_->set_lazy_confirm(true);
  sharing_ends_with_the_last_user(0);
}

TEST_F(CopyTest, DirectivesChooseWhatIsCopied) {
  PutRequest request;
  request.bucket = "from";
  request.key = "a";
  request.attributes.headers.type = "text/plain";
  request.attributes.user_metadata = {{"k", "old"}};
  request.attributes.tags = {{"t", "old"}};
  request.attributes.owner = "alice";
  ASSERT_TRUE(run(store_->put_object(std::move(request))).has_value());
  CopyRequest copy{.source_bucket = "from", .source_key = "a"};
  copy.bucket = "into";
  copy.key = "b";
  copy.attributes.user_metadata = {{"k", "new"}};
  copy.attributes.tags = {{"t", "new"}};
  copy.attributes.owner = "bob";
  const auto look = [&] {
    EXPECT_TRUE(run(store_->copy_object(copy)).has_value());
    return run(store_->head_object({.bucket = "into", .key = "b"}))->info->attributes;
  };
  auto seen = look();
  EXPECT_EQ(seen.user_metadata.front().second, "old");
  EXPECT_EQ(seen.tags.front().second, "old");
  EXPECT_EQ(seen.headers.type, "text/plain");
  EXPECT_EQ(seen.owner, "bob");
  copy.metadata = Directive::kReplace;
  seen = look();
  EXPECT_EQ(seen.user_metadata.front().second, "new");
  EXPECT_EQ(seen.tags.front().second, "old");
  EXPECT_TRUE(seen.headers.type.empty());
  copy.tagging = Directive::kReplace;
  EXPECT_EQ(look().tags.front().second, "new");
}

TEST_F(CopyTest, OntoItself) {
  ASSERT_TRUE(put("from", "a", std::string(200, 'x')).has_value());
  CopyRequest request{.source_bucket = "from", .source_key = "a"};
  request.bucket = "from";
  request.key = "a";
  EXPECT_EQ(code_of(run(store_->copy_object(request))), ErrorCode::kInvalidArgument);
  request.metadata = Directive::kReplace;
  request.attributes.user_metadata = {{"k", "v"}};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(run(store_->copy_object(request)).has_value());
  EXPECT_EQ(*get("from", "a"), std::string(200, 'x'));
  EXPECT_EQ(count(Family::kDue), 0U);
  ASSERT_TRUE(remove("from", "a").has_value());
  EXPECT_EQ(count(Family::kDue), 1U);
  EXPECT_EQ(count(Family::kRefs), 0U);
}

TEST_F(CopyOverSetsTest, WhatFailsGivesItsReferenceBack) {
  ASSERT_TRUE(put("from", "a", std::string(200, 'x')).has_value());
  for (const char* target : {"b", "c", "d", "e", "f"}) {
    ASSERT_TRUE(put("into", target, "").has_value());
    CopyRequest request{.source_bucket = "from", .source_key = "a"};
    request.bucket = "into";
    request.key = target;
    request.conditions.if_none_match = {"*"};
    EXPECT_EQ(code_of(run(store_->copy_object(request))), ErrorCode::kPreconditionFailed);
  }
  ASSERT_TRUE(remove("from", "a").has_value());
  EXPECT_EQ(count(Family::kRefs), 0U);
  EXPECT_EQ(count(Family::kDue), 1U);
}

TEST_F(CopyTest, ConditionsOnTheSource) {
  const auto made = put("from", "a", "x");
  CopyRequest request{.source_bucket = "from", .source_key = "a"};
  request.bucket = "into";
  request.key = "b";
  request.source_conditions = {.if_none_match = {made->etag}};
  EXPECT_EQ(code_of(run(store_->copy_object(request))), ErrorCode::kPreconditionFailed);
  request.source_conditions = {.if_match = {"no"}};
  EXPECT_EQ(code_of(run(store_->copy_object(request))), ErrorCode::kPreconditionFailed);
  request.source_conditions = {.if_match = {made->etag}};
  EXPECT_TRUE(run(store_->copy_object(request)).has_value());
  request.source_key = "nothing";
  EXPECT_EQ(code_of(run(store_->copy_object(request))), ErrorCode::kNoSuchKey);
}

TEST_F(CopyTest, ANewKindOfChecksumIsComputed) {
  const std::string bytes(500, 'q');
  ASSERT_TRUE(put("from", "a", bytes).has_value());
  CopyRequest request{.source_bucket = "from", .source_key = "a"};
  request.bucket = "into";
  request.key = "b";
  request.checksum_kind = ChecksumKind::kSha1;
  const auto made = run(store_->copy_object(request));
  EXPECT_EQ(made->checksum.value, codec::digest_of(codec::ChecksumKind::kSha1, bytes));
}

TEST_F(CopyOverSetsTest, PartsAreCopiedByReference) {
  std::string bytes;
  for (int i = 0; i < 400; ++i) bytes.push_back(static_cast<char>('a' + i % 26));
  ASSERT_TRUE(put("from", "a", bytes).has_value());
  const auto upload = run(store_->create_upload({.bucket = "into", .key = "joined"}));
  CompleteUploadRequest done{.bucket = "into", .key = "joined", .upload_id = upload->upload_id};
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges{{10, 99}, {200, 399}, {0, 20}};
  std::string expected;
  for (std::uint32_t i = 0; i < ranges.size(); ++i) {
    UploadPartCopyRequest part{.bucket = "into", .key = "joined", .upload_id = upload->upload_id};
    part.part_number = i + 1;
    part.source_bucket = "from";
    part.source_key = "a";
    part.range = ByteRange{.first = ranges[i].first, .last = ranges[i].second};
    const auto made = run(store_->upload_part_copy(part));
    ASSERT_TRUE(made.has_value()) << made.error().describe();
    done.parts.push_back({i + 1, made->etag});
    expected += bytes.substr(ranges[i].first, ranges[i].second - ranges[i].first + 1);
  }
  EXPECT_EQ(stored(), 1U);
  ASSERT_TRUE(run(store_->complete_upload(done)).has_value());
  ASSERT_TRUE(remove("from", "a").has_value());
  EXPECT_EQ(*get("into", "joined"), expected);
  EXPECT_EQ(count(Family::kDue), 0U);
  ASSERT_TRUE(remove("into", "joined").has_value());
  EXPECT_EQ(count(Family::kDue), 1U);
  EXPECT_EQ(count(Family::kRefs), 0U);
  UploadPartCopyRequest bad{.bucket = "into", .key = "joined", .upload_id = upload->upload_id};
  bad.part_number = 1;
  EXPECT_EQ(code_of(run(store_->upload_part_copy(bad))), ErrorCode::kNoSuchUpload);
}

// Its row stays, hidden, until the record that confirms its successor, but its data is due: a copy that
// shared it lost its bytes after the grace.
TEST_F(CopyTest, AReplacedSourceGivesNoReferences) {
  cluster_->set_lazy_confirm(true);
  ASSERT_TRUE(put("from", "a", std::string(300, 'x')).has_value());
  ReferencesPayload payload{.key = "a", .new_referrer = Uuid{INT64_MAX, 1}};
  for (const auto& [key, value] : cluster_->fake(0).rows().rows(Family::kVersions)) {
    if (parse_version_key(key)->key != "a") continue;
    payload.bucket = parse_version_key(key)->bucket;
    payload.version = parse_version_key(key)->id;
    payload.uses = {{decode_version(value)->slices.front().data, {}}};
  }
  cluster::Command command{.kind = static_cast<cluster::CommandKind>(ObjectCommand::kAddReferences)};
  command.payload = encode(payload);
  ASSERT_TRUE(put("from", "a", std::string(300, 'y')).has_value());
  EXPECT_EQ(code_of(run(cluster_->fake(0).execute(command))), ErrorCode::kConflict);
  EXPECT_EQ(count(Family::kRefs), 0U);
}

// Mounts of earlier builds wrote references as an entry has its data: these could not be dropped, nor could
// what the same command was to drop.
TEST_F(CopyTest, AReferenceInTheFormOfEarlierBuildsEndsToo) {
  ASSERT_TRUE(put("from", "a", std::string(300, 'x')).has_value());
  ASSERT_TRUE(copy("a", "b").has_value());
  DataRef data;
  for (const auto& [key, value] : cluster_->fake(0).rows().rows(Family::kVersions))
    if (parse_version_key(key)->key == "b") data = decode_version(value)->slices.front().data;
  base::ByteWriter bare;
  storage::encode_data_ref(bare, data);
  std::vector<RowChange> old;
  for (const auto& [key, value] : cluster_->fake(0).rows().rows(Family::kRefs))
    old.push_back({Family::kRefs, key, std::string(bare.view())});
  ASSERT_EQ(old.size(), 2U);
  cluster_->fake(0).rows().apply(old);
  ASSERT_TRUE(remove("from", "a").has_value());
  EXPECT_EQ(*get("into", "b"), std::string(300, 'x'));
  ASSERT_TRUE(remove("into", "b").has_value());
  EXPECT_EQ(count(Family::kRefs), 0U);
  EXPECT_EQ(count(Family::kDue), 1U);
  EXPECT_EQ(run(store_->sweep_references()).value(), 0U) << "an intent is left";
}

// The node dies after the command that removed the last row and before the references are dropped.
TEST_F(CopyOverSetsTest, WhatACrashLeftBetweenRowAndReferenceIsSwept) {
  const std::string bytes(300, 'x');
  for (int i = 0; i < 6; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_TRUE(put("from", "a" + name, bytes).has_value());
    ASSERT_TRUE(copy("a" + name, "b" + name).has_value());
  }
  ASSERT_GT(count(Family::kRefs), 0U);
  constexpr auto kDrop = static_cast<cluster::CommandKind>(ObjectCommand::kDropReferences);
  for (int i = 0; i < 6; ++i) {
    for (const auto& [bucket, key] : {std::pair("from", "a"), std::pair("into", "b")}) {
      for (std::uint32_t set = 0; set < cluster_->set_count(); ++set)
        cluster_->fake(set).fail_next(kDrop, ErrorCode::kCancelled);
      ASSERT_TRUE(run(store_->delete_object({.bucket = bucket, .key = key + std::to_string(i)})).has_value());
    }
  }
  const std::size_t due = count(Family::kDue);
  ASSERT_GT(count(Family::kRefs), 0U) << "the crash that this test is about did not happen";
  run(store_->close());
  reopen();
  // Failures that no command met are still planned: each pass may meet some.
  for (int pass = 0; pass < 20; ++pass) ASSERT_TRUE(run(store_->sweep_references()).has_value());
  EXPECT_EQ(count(Family::kRefs), 0U);
  EXPECT_EQ(run(store_->sweep_references()).value(), 0U) << "an intent is left";
  EXPECT_EQ(count(Family::kDue), due + 6) << "data goes once, with its last user";
}

/// A command that uses references is held up; a leader whose clock is ahead refuses its referrer meanwhile;
/// then the command comes to one whose clock is right, before its deadline. It was done: its bytes were
/// freed.
class RefusedReferrerTest : public CopyOverSetsTest {
 protected:
  RefusedReferrerTest() { EXPECT_TRUE(put("from", "a", std::string(300, 'x')).has_value()); }
  testing::FakeSet& home(const std::string& key) {
    return static_cast<testing::FakeSet&>(cluster_->set_for((*run(store_->head_bucket("into")))->id, key));
  }
  void hold(ObjectCommand kind, const std::string& key) {
    home(key).set_before_execute([this, kind, key](const cluster::Command& command) {
      if (command.kind != static_cast<cluster::CommandKind>(kind)) return;
      held_ = command;
      home(key).fail_next(command.kind, ErrorCode::kUnknownOutcome);
    });
  }
  /// What the set says to the command after it refused whom it names in its last lock.
  Result<cluster::CommandResult> refused_and_let_go(const std::string& key) {
    home(key).set_before_execute({});
    EXPECT_FALSE(held_.locks.empty());
    const auto referrer = parse_referrer_key(std::string_view(held_.locks.back().name).substr(1));
    EXPECT_TRUE(referrer.has_value() && held_.locks.back().exclusive) << "what becomes of it is not locked";
    if (!referrer) return std::unexpected(referrer.error());
    const WallTime now = base::from_nanoseconds(static_cast<std::int64_t>(referrer->high)) - kKeep;
    cluster::Command refuse{.kind = static_cast<cluster::CommandKind>(ObjectCommand::kRefuseReferrer)};
    refuse.payload = encode(ReferencesPayload{.new_referrer = *referrer, .home = home(key).info().index});
    home(key).rows().set_now(now + kKeep + std::chrono::minutes(2));
    EXPECT_EQ(run(home(key).execute(refuse))->response, kRefused);
    home(key).rows().set_now(now);
    return run(home(key).execute(held_));
  }

  static constexpr auto kKeep = limits::kReferenceKeep;
  cluster::Command held_;
};

TEST_F(RefusedReferrerTest, ACopy) {
  hold(ObjectCommand::kPutVersion, "b");
  EXPECT_EQ(code_of(copy("a", "b")), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(code_of(refused_and_let_go("b")), ErrorCode::kTimeout);
  EXPECT_EQ(code_of(get("into", "b")), ErrorCode::kNoSuchKey);
  EXPECT_TRUE(copy("a", "b").has_value()) << "one that comes later has a referrer of its own";
}

TEST_F(RefusedReferrerTest, ACopyOfManySlices) {
  const auto upload = run(store_->create_upload({.bucket = "from", .key = "joined"}));
  CompleteUploadRequest done{.bucket = "from", .key = "joined", .upload_id = upload->upload_id};
  for (std::uint32_t number = 1; number <= 300; ++number) {
    BufferSource body(Buffer::copy_of(std::string(70, 'p')), 7);
    UploadPartRequest part{.bucket = "from", .key = "joined", .upload_id = upload->upload_id};
    part.part_number = number;
    part.body = &body;
    done.parts.push_back({number, run(store_->upload_part(std::move(part)))->etag});
  }
  ASSERT_TRUE(run(store_->complete_upload(done)).has_value());
  hold(ObjectCommand::kPutVersion, "b");
  EXPECT_EQ(code_of(copy("joined", "b")), ErrorCode::kUnknownOutcome);
  ASSERT_EQ(decode<PutVersionPayload>(held_.payload)->row.header.layout, Layout::kSlicesRow);
  EXPECT_EQ(code_of(refused_and_let_go("b")), ErrorCode::kTimeout);
}

TEST_F(RefusedReferrerTest, APartThatIsCopied) {
  const auto upload = run(store_->create_upload({.bucket = "into", .key = "joined"}));
  UploadPartCopyRequest part{.bucket = "into", .key = "joined", .upload_id = upload->upload_id};
  part.part_number = 1;
  part.source_bucket = "from";
  part.source_key = "a";
  hold(ObjectCommand::kPutPart, "joined");
  EXPECT_EQ(code_of(run(store_->upload_part_copy(part))), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(code_of(refused_and_let_go("joined")), ErrorCode::kTimeout);
  EXPECT_TRUE(run(store_->list_parts({.bucket = "into", .key = "joined", .upload_id = upload->upload_id}))
                  ->parts.empty());
}

}  // namespace
}  // namespace flashstor::objects
