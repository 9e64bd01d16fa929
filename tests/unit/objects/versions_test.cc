#include <algorithm>
#include <map>

#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

// S3's versioning as its documents tell it: a list of versions, newest first.
struct Model {
  struct Version {
    std::string id;
    bool is_marker = false;
    std::string bytes;
    bool operator==(const Version&) const = default;
  };
  Versioning state = Versioning::kUnversioned;
  std::map<std::string, std::vector<Version>> keys;

  void drop(const std::string& key, const std::string& id) {
    std::erase_if(keys[key], [&](const Version& version) { return version.id == id; });
    if (keys[key].empty()) keys.erase(key);
  }
  void add(const std::string& key, Version version) {
    if (version.id == "null") drop(key, "null");
    keys[key].insert(keys[key].begin(), std::move(version));
  }
};

class VersionsTest : public StoreTest {
 protected:
  explicit VersionsTest(std::uint32_t sets = 1) : StoreTest(sets) {}

  std::vector<std::pair<std::string, Model::Version>> list_all(std::uint32_t page_keys) {
    std::vector<std::pair<std::string, Model::Version>> out;
    ListVersionsRequest request{.bucket = "bucket", .prefix = {}};
    request.max_keys = page_keys;
    std::string before;
    for (int pages = 0; pages < 1000; ++pages) {
      auto page = run(store_->list_versions(request));
      EXPECT_TRUE(page.has_value()) << (page ? "" : page.error().describe());
      if (!page) return out;
      for (const auto& each : page->versions) {
        EXPECT_EQ(each.is_latest, each.key != before) << each.key << " " << each.version_id;
        before = each.key;
        out.push_back({each.key, {each.version_id, each.is_delete_marker, {}}});
      }
      if (!page->is_truncated) return out;
      request.key_marker = page->next_key_marker;
      request.version_id_marker = page->next_version_id_marker;
    }
    ADD_FAILURE() << "the listing does not end";
    return out;
  }

  void compare(const Model& model, std::uint32_t page_keys) {
    std::vector<std::pair<std::string, Model::Version>> expected;
    for (const auto& [key, versions] : model.keys) {
      for (const auto& version : versions) {
        expected.push_back({key, {version.id, version.is_marker, {}}});
        const auto read = get("bucket", key, version.id);
        if (version.is_marker)
          EXPECT_EQ(code_of(read), ErrorCode::kIsDeleteMarker);
        else
          EXPECT_EQ(read.value_or("?"), version.bytes) << key << " " << version.id;
      }
      const auto newest = get("bucket", key);
      if (versions.front().is_marker)
        EXPECT_EQ(code_of(newest), ErrorCode::kIsDeleteMarker);
      else
        EXPECT_EQ(newest.value_or("?"), versions.front().bytes);
    }
    EXPECT_EQ(list_all(page_keys), expected);
  }

  void step(Model& model, base::SeededRandom& random) {
    const std::string key = "key" + std::to_string(random.below(3));
    const bool enabled = model.state == Versioning::kEnabled;
    switch (random.below(10)) {
      case 0: {
        if (random.below(3) != 0) break;
        model.state = model.state == Versioning::kEnabled ? Versioning::kSuspended : Versioning::kEnabled;
        ASSERT_TRUE(run(store_->set_versioning("bucket", model.state)).has_value());
        break;
      }
      case 1:
      case 2: {
        const auto removed = remove("bucket", key);
        ASSERT_TRUE(removed.has_value());
        if (model.state == Versioning::kUnversioned) {
          model.drop(key, "null");
          EXPECT_TRUE(removed->version_id.empty());
        } else {
          EXPECT_TRUE(removed->is_delete_marker);
          EXPECT_EQ(removed->version_id == "null", !enabled);
          model.add(key, {removed->version_id, true, {}});
        }
        break;
      }
      case 3:
      case 4: {
        const auto at = model.keys.find(key);
        if (at == model.keys.end()) break;
        const auto version = at->second[random.below(at->second.size())];
        const auto removed = remove("bucket", key, version.id);
        ASSERT_TRUE(removed.has_value());
        EXPECT_EQ(removed->version_id, version.id);
        EXPECT_EQ(removed->is_delete_marker, version.is_marker);
        model.drop(key, version.id);
        break;
      }
      case 5:
        ASSERT_TRUE(remove("bucket", key, "null").has_value());
        model.drop(key, "null");
        break;
      default: {
        const std::string bytes = "bytes " + std::to_string(random.next());
        const auto made = put("bucket", key, bytes);
        ASSERT_TRUE(made.has_value());
        EXPECT_EQ(made->version_id.empty(), model.state == Versioning::kUnversioned);
        const std::string id = made->version_id.empty() ? "null" : made->version_id;
        EXPECT_EQ(id == "null", !enabled);
        model.add(key, {id, false, bytes});
        break;
      }
    }
  }

  void follow_model(std::uint64_t seed) {
    base::SeededRandom random(seed);
    make_bucket("bucket");
    Model model;
    for (int i = 0; i < 250; ++i) {
      step(model, random);
      if (i % 5 == 0) compare(model, static_cast<std::uint32_t>(1 + random.below(7)));
      if (HasFatalFailure() || HasNonfatalFailure()) {
        ADD_FAILURE() << "seed " << seed << " step " << i;
        return;
      }
    }
    // Nothing is left once every version is gone: neither rows nor data.
    for (const auto& [key, version] : list_all(1000)) {
      ASSERT_TRUE(remove("bucket", key, version.id).has_value());
    }
    ASSERT_TRUE(run(store_->delete_bucket("bucket")).has_value());
    for (std::uint32_t i = 0; i < cluster_->set_count(); ++i) {
      auto& set = cluster_->fake(i);
      set.confirm();
      EXPECT_TRUE(set.rows().rows(Family::kVersions).empty());
      EXPECT_EQ(set.rows().rows(Family::kDue).size(), set.data().size());
    }
  }
};

class VersionsOverSetsTest : public VersionsTest {
 protected:
  VersionsOverSetsTest() : VersionsTest(4) {}
};

// Where a null version may have been behind others, the row that found it there goes with it; a bucket that
// never had versions has no such rows, and a delete there writes nothing about one.
TEST_F(VersionsTest, ADeleteChangesOneVersionRowWhereThereWereNeverVersions) {
  for (const Versioning state : {Versioning::kUnversioned, Versioning::kSuspended}) {
    const std::string bucket = state == Versioning::kSuspended ? "suspended" : "plain";
    make_bucket(bucket, state);
    ASSERT_TRUE(put(bucket, "key", "bytes"));
    testing::FakeSet& set = cluster_->fake(0);
    cluster::Command command;
    set.set_before_execute([&command](const cluster::Command& asked) { command = asked; });
    set.fail_next(static_cast<cluster::CommandKind>(ObjectCommand::kDeleteVersion), ErrorCode::kIo);
    EXPECT_EQ(code_of(remove(bucket, "key", "null")), ErrorCode::kIo);
    set.set_before_execute({});
    const auto plan = run((*registry_.planner(command.kind))(set.rows(), command));
    ASSERT_TRUE(plan) << plan.error().describe();
    EXPECT_EQ(std::ranges::count(plan->changes, Family::kVersions, &RowChange::family),
              state == Versioning::kSuspended ? 2 : 1);
  }
}

TEST_F(VersionsTest, FollowsTheModel1) { follow_model(1); }
TEST_F(VersionsTest, FollowsTheModel2) { follow_model(2); }
TEST_F(VersionsTest, FollowsTheModelWithLazyConfirms3) {
  cluster_->set_lazy_confirm(true);
  follow_model(3);
}
TEST_F(VersionsTest, FollowsTheModelWithLazyConfirms4) {
  cluster_->set_lazy_confirm(true);
  follow_model(4);
}
TEST_F(VersionsOverSetsTest, FollowsTheModel5) { follow_model(5); }
TEST_F(VersionsOverSetsTest, FollowsTheModelElsewhere6) {
  cluster_->set_remote(true);
  cluster_->set_lazy_confirm(true);
  follow_model(6);
}

TEST_F(VersionsTest, WhatIsNotThere) {
  make_bucket("bucket", Versioning::kEnabled);
  const auto made = put("bucket", "key", "one");
  EXPECT_EQ(code_of(get("bucket", "key", "null")), ErrorCode::kNoSuchVersion);
  EXPECT_EQ(code_of(get("bucket", "key", "0123")), ErrorCode::kNoSuchVersion);
  EXPECT_EQ(code_of(get("bucket", "other", made->version_id)), ErrorCode::kNoSuchVersion);
  const auto marker = remove("bucket", "key");
  ASSERT_TRUE(marker->is_delete_marker);
  const auto read = get("bucket", "key");
  ASSERT_EQ(code_of(read), ErrorCode::kIsDeleteMarker);
  EXPECT_EQ(read.error().message(), marker->version_id);
  EXPECT_EQ(code_of(put("bucket", "key", "x", {.if_match = {"*"}})), ErrorCode::kNoSuchKey);
  ASSERT_TRUE(remove("bucket", "key", marker->version_id).has_value());
  EXPECT_EQ(*get("bucket", "key"), "one");
}

TEST_F(VersionsTest, ObjectLockForbidsWhatItShould) {
  ASSERT_TRUE(run(store_->create_bucket(
                      {.name = "locked", .owner = "a", .region = {}, .acl = 0, .object_lock = true}))
                  .has_value());
  EXPECT_EQ(code_of(run(store_->set_versioning("locked", Versioning::kSuspended))),
            ErrorCode::kInvalidBucketState);
  const auto made = put("locked", "key", "bytes");
  const std::string id = made->version_id;
  const std::int64_t later = 1'800'000'000'000'000'000;
  const auto retain = [&](RetentionMode mode, std::int64_t until, bool bypass) {
    return run(store_->set_retention("locked", "key", id, {.mode = mode, .until_ns = until}, bypass));
  };
  const auto try_remove = [&](bool bypass) {
    return run(store_->delete_object(
        {.bucket = "locked", .key = "key", .version_id = id, .conditions = {}, .bypass_governance = bypass}));
  };
  ASSERT_TRUE(run(store_->set_legal_hold("locked", "key", id, true)).has_value());
  EXPECT_EQ(code_of(try_remove(true)), ErrorCode::kObjectLocked);
  ASSERT_TRUE(run(store_->set_legal_hold("locked", "key", id, false)).has_value());
  ASSERT_TRUE(retain(RetentionMode::kGovernance, later, false).has_value());
  EXPECT_EQ(code_of(try_remove(false)), ErrorCode::kObjectLocked);
  EXPECT_EQ(code_of(retain(RetentionMode::kGovernance, later - 1, false)), ErrorCode::kObjectLocked);
  ASSERT_TRUE(retain(RetentionMode::kGovernance, later - 1, true).has_value());
  EXPECT_EQ(code_of(retain(RetentionMode::kCompliance, later, false)), ErrorCode::kObjectLocked);
  ASSERT_TRUE(retain(RetentionMode::kCompliance, later, true).has_value());
  EXPECT_EQ(code_of(retain(RetentionMode::kNone, 0, true)), ErrorCode::kObjectLocked);
  EXPECT_EQ(code_of(retain(RetentionMode::kCompliance, later - 1, true)), ErrorCode::kObjectLocked);
  EXPECT_EQ(code_of(try_remove(true)), ErrorCode::kObjectLocked);
  EXPECT_TRUE(remove("locked", "key").has_value());  // a marker hides it and removes nothing
  EXPECT_EQ(*get("locked", "key", id), "bytes");
}

TEST_F(VersionsTest, TagsAclAndPosixChangeInPlace) {
  make_bucket("bucket", Versioning::kEnabled);
  const auto one = put("bucket", "key", "one");
  const auto two = put("bucket", "key", "two");
  EXPECT_EQ(*run(store_->set_tags("bucket", "key", one->version_id, {{"k", "v"}})), one->version_id);
  EXPECT_EQ(*run(store_->set_object_acl("bucket", "key", {}, 4, "+ READ\n")), two->version_id);
  ASSERT_TRUE(run(store_->set_posix("bucket", "key", {}, {.mode = 0400})).has_value());
  const auto head = [&](const std::string& id) {
    return *run(store_->head_object({.bucket = "bucket", .key = "key", .version_id = id}))->info;
  };
  EXPECT_EQ(head(one->version_id).attributes.tags, (Tags{{"k", "v"}}));
  EXPECT_TRUE(head({}).attributes.tags.empty());
  EXPECT_EQ(head({}).attributes.acl, 4);
  EXPECT_EQ(head({}).attributes.grants, "+ READ\n");
  EXPECT_TRUE(head(one->version_id).attributes.grants.empty());
  EXPECT_EQ(head({}).attributes.posix->mode, 0400U);
  EXPECT_EQ(*get("bucket", "key"), "two");
  EXPECT_EQ(code_of(run(store_->set_tags("bucket", "key", {}, Tags(11, {"a", "b"})))),
            ErrorCode::kInvalidTag);
  EXPECT_EQ(code_of(run(store_->set_tags("bucket", "nothing", {}, {}))), ErrorCode::kNoSuchKey);
}

TEST_F(VersionsTest, ConditionalDeletes) {
  make_bucket("bucket", Versioning::kEnabled);
  const auto made = put("bucket", "key", "one");
  const auto try_remove = [&](Conditions conditions) {
    DeleteRequest request{.bucket = "bucket", .key = "key"};
    request.conditions = std::move(conditions);
    return run(store_->delete_object(std::move(request)));
  };
  EXPECT_EQ(code_of(try_remove({.if_match = {"no"}})), ErrorCode::kPreconditionFailed);
  EXPECT_EQ(code_of(try_remove({.if_match_size = 4})), ErrorCode::kPreconditionFailed);
  EXPECT_TRUE(try_remove({.if_match = {made->etag}, .if_match_size = 3}).has_value());
  EXPECT_EQ(code_of(try_remove({.if_match = {"*"}})), ErrorCode::kNoSuchKey);
}

TEST_F(VersionsTest, DeletingManyAnswersForEach) {
  make_bucket("bucket");
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(put("bucket", "k" + std::to_string(i), "x").has_value());
  std::vector<DeleteManyItem> items;
  for (int i = 0; i < 200; ++i) items.push_back({.key = "k" + std::to_string(i)});
  items.push_back({.key = ""});
  const auto results = run(store_->delete_objects("bucket", std::move(items), false));
  ASSERT_TRUE(results.has_value());
  ASSERT_EQ(results->size(), 201U);
  for (int i = 0; i < 200; ++i) EXPECT_TRUE((*results)[static_cast<std::size_t>(i)].result.has_value());
  EXPECT_FALSE(results->back().result.has_value());
  EXPECT_TRUE(run(store_->list_objects({.bucket = "bucket", .prefix = {}}))->objects.empty());
}

}  // namespace
}  // namespace flashstor::objects
