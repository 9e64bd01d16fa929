#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

#include "engine/storage/row_store_memory.h"
#include "engine/storage/row_store_rocksdb.h"
#include "engine/storage/write_marks.h"
#include "tests/unit/storage/temp_directory.h"

namespace flashstor::storage {
namespace {

/// One store of either kind, and how it loses what was not flushed.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual RowStore& store() = 0;
  virtual void crash() = 0;
};

class MemoryBackend final : public Backend {
 public:
  RowStore& store() override { return store_; }
  void crash() override { store_.crash(); }

 private:
  RowStoreMemory store_;
};

class RocksdbBackend final : public Backend {
 public:
  RocksdbBackend() { open(); }
  RowStore& store() override { return *store_; }
  // Without a WAL and without a flush on close, closing is what a crash is to it.
  void crash() override {
    store_.reset();
    open();
  }

 private:
  void open() {
    auto opened = open_rocksdb_rows(directory_.path() + "/rows", resources_);
    ASSERT_TRUE(opened) << opened.error().describe();
    store_ = std::move(*opened);
  }
  TempDirectory directory_;
  RowStoreResources resources_{{}};
  std::unique_ptr<RowStore> store_;
};

class RowStoreContract : public testing::TestWithParam<bool> {
 protected:
  RowStoreContract() {
    if (GetParam()) {
      backend_ = std::make_unique<RocksdbBackend>();
    } else {
      backend_ = std::make_unique<MemoryBackend>();
    }
  }
  RowStore& store() { return backend_->store(); }
  void put(Family family, std::string key, std::string value) {
    ASSERT_TRUE(store().write({{family, std::move(key), std::move(value)}}, true));
  }
  std::optional<std::string> get(Family family, std::string_view key) {
    auto got = store().get(family, key, ReadTier::kAny);
    EXPECT_TRUE(got);
    return got ? *got : std::nullopt;
  }
  std::string scan(Family family, std::string_view lower, std::string_view upper) {
    std::string keys;
    auto rows = store().iterate(family, lower, upper, ReadTier::kAny);
    for (; rows->valid(); rows->next()) keys.append(rows->key()).append(" ");
    EXPECT_TRUE(rows->status());
    return keys;
  }
  std::unique_ptr<Backend> backend_;
};

TEST_P(RowStoreContract, WritesAreSeenAtOnceAndFamiliesAreApart) {
  put(Family::kVersions, "a", "1");
  put(Family::kDue, "a", "2");
  EXPECT_EQ(get(Family::kVersions, "a"), "1");
  EXPECT_EQ(get(Family::kDue, "a"), "2");
  EXPECT_EQ(get(Family::kRefs, "a"), std::nullopt);
  // What was just written is in memory, so a loop may read it.
  const auto cached = store().get(Family::kVersions, "a", ReadTier::kCacheOnly);
  ASSERT_TRUE(cached);
  EXPECT_EQ(*cached, "1");
}

TEST_P(RowStoreContract, OneBatchAppliesInOrder) {
  ASSERT_TRUE(store().write({{Family::kVersions, "a", "1"},
                             {Family::kVersions, "a", std::nullopt},
                             {Family::kVersions, "b", "1"},
                             {Family::kVersions, "b", "2"}},
                            false));
  EXPECT_EQ(get(Family::kVersions, "a"), std::nullopt);
  EXPECT_EQ(get(Family::kVersions, "b"), "2");
}

TEST_P(RowStoreContract, ScansAreOrderedBoundedAndSeek) {
  for (const char* key : {"b", "a", "d", "c", "\xff"}) put(Family::kVersions, key, "x");
  EXPECT_EQ(scan(Family::kVersions, "", ""), "a b c d \xff ");
  EXPECT_EQ(scan(Family::kVersions, "b", "d"), "b c ");
  auto rows = store().iterate(Family::kVersions, "b", "", ReadTier::kAny);
  rows->seek("a");
  ASSERT_TRUE(rows->valid());
  EXPECT_EQ(rows->key(), "b") << "a seek below the lower bound stays in the range";
  rows->seek("ca");
  ASSERT_TRUE(rows->valid());
  EXPECT_EQ(rows->key(), "d");
  EXPECT_EQ(rows->value(), "x");
}

TEST_P(RowStoreContract, AnIteratorSeesTheMomentOfItsCreation) {
  put(Family::kVersions, "a", "1");
  auto rows = store().iterate(Family::kVersions, "", "", ReadTier::kAny);
  put(Family::kVersions, "a", "2");
  put(Family::kVersions, "b", "2");
  rows->seek("");
  ASSERT_TRUE(rows->valid());
  EXPECT_EQ(rows->value(), "1");
  rows->next();
  EXPECT_FALSE(rows->valid());
}

TEST_P(RowStoreContract, ACrashGoesBackToTheFlushInEveryFamily) {
  put(Family::kVersions, "a", "1");
  put(Family::kLocal, "applied", "1");
  ASSERT_TRUE(store().flush());
  put(Family::kVersions, "a", "2");
  put(Family::kLocal, "applied", "2");
  put(Family::kDue, "z", "2");
  backend_->crash();
  EXPECT_EQ(get(Family::kVersions, "a"), "1");
  EXPECT_EQ(get(Family::kLocal, "applied"), "1");
  EXPECT_EQ(get(Family::kDue, "z"), std::nullopt);
}

TEST_P(RowStoreContract, KeysAndValuesAreAnyBytes) {
  const std::string key("\0\xff\0\x01", 4);
  const std::string value(1 << 20, '\0');
  put(Family::kInline, key, value);
  EXPECT_EQ(get(Family::kInline, key), value);
  put(Family::kInline, key, "");
  EXPECT_EQ(get(Family::kInline, key), "");
  ASSERT_TRUE(store().verify());
}

TEST_P(RowStoreContract, ManyRowsSurviveFlushes) {
  for (int round = 0; round < 3; ++round) {
    std::vector<RowChange> changes;
    for (int i = 0; i < 1000; ++i)
      changes.push_back({Family::kVersions, std::to_string(i), std::to_string(round)});
    ASSERT_TRUE(store().write(changes, true));
    ASSERT_TRUE(store().flush());
  }
  backend_->crash();
  for (int i = 0; i < 1000; i += 37) EXPECT_EQ(get(Family::kVersions, std::to_string(i)), "2");
  ASSERT_TRUE(store().verify());
}

TEST_P(RowStoreContract, WhoReadAVersionLearnsThatItWasWritten) {
  const std::string name = "bucket/key", id(16, 'i');
  const auto at_first = backend_->store().writes_under(name);
  ASSERT_TRUE(at_first);
  EXPECT_EQ(backend_->store().writes_under(name), at_first);
  // Rows of other families do not count, nor what is no version.
  ASSERT_TRUE(
      backend_->store().write({{Family::kExtents, name + id, "v"}, {Family::kVersions, "short", "v"}}, true));
  EXPECT_EQ(backend_->store().writes_under(name), at_first);
  ASSERT_TRUE(backend_->store().write({{Family::kVersions, name + id, "v"}}, true));
  const auto put = backend_->store().writes_under(name);
  EXPECT_TRUE(put && put != at_first);
  ASSERT_TRUE(backend_->store().write({{Family::kVersions, name + id, std::nullopt}}, true));
  EXPECT_NE(backend_->store().writes_under(name), put);
}

TEST(WriteMarks, SayNothingInTheMiddleOfAWrite) {
  WriteMarks marks;
  const std::string name = "bucket/key";
  const std::vector<RowChange> changes{{Family::kVersions, name + std::string(16, 'i'), "v"}};
  const auto before = marks.look(name);
  ASSERT_TRUE(before);
  {
    const WriteMarks::Writing writing(marks, changes);
    EXPECT_FALSE(marks.look(name));
    const WriteMarks::Writing beside(marks, changes);
    EXPECT_FALSE(marks.look(name));
  }
  EXPECT_TRUE(marks.look(name) && marks.look(name) != before);
}

INSTANTIATE_TEST_SUITE_P(Both, RowStoreContract, testing::Bool(),
                         [](const auto& info) { return info.param ? "Rocksdb" : "Memory"; });

}  // namespace
}  // namespace flashstor::storage
