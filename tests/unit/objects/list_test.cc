#include <algorithm>
#include <map>
#include <set>

#include "tests/unit/objects/store_fixture.h"

namespace flashstor::objects {
namespace {

class ListTest : public StoreTest {
 protected:
  explicit ListTest(std::uint32_t sets = 1) : StoreTest(sets) {}

  struct Page {
    std::vector<std::string> keys;
    std::vector<std::string> prefixes;
    bool operator==(const Page&) const = default;
  };
  // What S3 says a listing is, word by word.
  static Page model(const std::set<std::string>& keys, const std::string& prefix,
                    const std::string& delimiter, const std::string& after) {
    Page out;
    for (const auto& key : keys) {
      if (!key.starts_with(prefix)) continue;
      const auto at = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
      if (at == std::string::npos) {
        if (key > after) out.keys.push_back(key);
        continue;
      }
      const std::string common = key.substr(0, at + delimiter.size());
      if (after.starts_with(common) || common <= after) continue;
      if (out.prefixes.empty() || out.prefixes.back() != common) out.prefixes.push_back(common);
    }
    return out;
  }

  // All pages one after the other, by tokens or by markers.
  Page list_all(const std::string& prefix, const std::string& delimiter, const std::string& after,
                std::uint32_t page_keys, bool by_marker) {
    Page out;
    ListRequest request{.bucket = "bucket", .prefix = prefix, .delimiter = delimiter};
    request.start_after = after;
    request.max_keys = page_keys;
    for (int pages = 0; pages < 10'000; ++pages) {
      auto page = run(store_->list_objects(request));
      EXPECT_TRUE(page.has_value());
      if (!page) return out;
      EXPECT_LE(page->objects.size() + page->common_prefixes.size(), page_keys);
      for (auto& object : page->objects) out.keys.push_back(object.key);
      for (auto& common : page->common_prefixes) out.prefixes.push_back(common);
      if (!page->is_truncated) return out;
      EXPECT_EQ(page->objects.size() + page->common_prefixes.size(), page_keys);
      if (by_marker)
        request.start_after = page->next_marker;
      else
        request.continuation_token = page->next_continuation_token;
    }
    ADD_FAILURE() << "the listing does not end";
    return out;
  }

  void compare_with_model(std::uint64_t seed);
};

class ListOverSetsTest : public ListTest {
 protected:
  ListOverSetsTest() : ListTest(5) {}
};

void ListTest::compare_with_model(std::uint64_t seed) {
  base::SeededRandom random(seed);
  const std::vector<std::string> letters{"a", "b", "/", "//", "-", std::string(1, '\0'), "\x01", "\xc3\xbc"};
  make_bucket("bucket", seed % 2 == 0 ? Versioning::kEnabled : Versioning::kUnversioned);
  std::set<std::string> keys;
  const auto random_text = [&](std::size_t most) {
    std::string text;
    for (std::size_t i = random.below(most + 1); i > 0; --i) text += letters[random.below(letters.size())];
    return text;
  };
  for (int i = 0; i < 120; ++i) {
    const std::string key = "k" + random_text(5);
    if (random.below(5) == 0) {
      ASSERT_TRUE(remove("bucket", key).has_value());
      keys.erase(key);
    } else {
      ASSERT_TRUE(put("bucket", key, "x").has_value());
      keys.insert(key);
    }
  }
  for (int i = 0; i < 60; ++i) {
    const std::string prefix = random.below(3) == 0 ? "" : "k" + random_text(2);
    const std::string delimiter = random.below(3) == 0 ? "" : letters[random.below(letters.size())];
    const std::string after = random.below(2) == 0 ? "" : "k" + random_text(3);
    const auto page_keys = static_cast<std::uint32_t>(1 + random.below(12));
    EXPECT_EQ(list_all(prefix, delimiter, after, page_keys, i % 2 == 0),
              model(keys, prefix, delimiter, after))
        << "seed " << seed << " prefix " << prefix << " delimiter " << delimiter << " after " << after;
  }
}

TEST_F(ListTest, AgreesWithTheModelInOneSet) { compare_with_model(1); }
TEST_F(ListTest, AgreesWithTheModelInAVersionedBucket) { compare_with_model(2); }
TEST_F(ListOverSetsTest, AgreesWithTheModelOverSets) { compare_with_model(3); }
TEST_F(ListOverSetsTest, AgreesWithTheModelOverSetsVersioned) { compare_with_model(4); }
TEST_F(ListOverSetsTest, AgreesWithTheModelWhenLeadersAreElsewhere) {
  cluster_->set_remote(true);
  compare_with_model(5);
}

TEST_F(ListTest, ADelimiterSeeksPastWhatItHides) {
  make_bucket("bucket");
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(put("bucket", "deep/" + std::to_string(i), "").has_value());
  ASSERT_TRUE(put("bucket", "z", "").has_value());
  const std::size_t before = cluster_->fake(0).rows().visited();
  const auto page = run(store_->list_objects({.bucket = "bucket", .prefix = {}, .delimiter = "/"}));
  EXPECT_EQ(page->common_prefixes, std::vector<std::string>{"deep/"});
  ASSERT_EQ(page->objects.size(), 1U);
  EXPECT_LT(cluster_->fake(0).rows().visited() - before, 10U);
}

TEST_F(ListTest, EdgesOfMaxKeys) {
  make_bucket("bucket");
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(put("bucket", key, "").has_value());
  ListRequest request{.bucket = "bucket", .prefix = {}};
  request.max_keys = 0;
  auto page = run(store_->list_objects(request));
  EXPECT_TRUE(page->objects.empty());
  EXPECT_FALSE(page->is_truncated);
  request.max_keys = 3;
  page = run(store_->list_objects(request));
  EXPECT_EQ(page->objects.size(), 3U);
  EXPECT_FALSE(page->is_truncated);
  request.continuation_token = "not base64!";
  EXPECT_EQ(code_of(run(store_->list_objects(request))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(run(store_->list_objects({.bucket = "no-such", .prefix = {}}))),
            ErrorCode::kNoSuchBucket);
}

}  // namespace
}  // namespace flashstor::objects
