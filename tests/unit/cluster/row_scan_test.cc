#include "engine/cluster/row_scan.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/storage/row_store_memory.h"

namespace flashstor::cluster {
namespace {

using End = RowPass::End;

class RowScanTest : public ::testing::Test {
 protected:
  void add_row(const std::string& key) {
    ASSERT_TRUE(rows_.write({{.family = Family::kVersions, .key = key, .value = "value"}}, true).has_value());
  }
  void add_undecided(const std::string& key) {
    undecided_.add(++entries_, {lock_name(Family::kVersions, key)});
  }
  RowPass pass(std::string from, std::size_t most = 100, bool unseen = true) {
    visited_.clear();
    const RowRange range{.rows = &rows_,
                         .undecided = &undecided_,
                         .unseen = unseen,
                         .family = Family::kVersions,
                         .from = std::move(from),
                         .upper = "z",
                         .visitor = &visitor_};
    return scan_rows(range, storage::ReadTier::kCacheOnly, most);
  }

  storage::RowStoreMemory rows_;
  UndecidedNames undecided_;
  std::uint64_t entries_ = 0;
  std::vector<std::string> visited_;
  ScanVisitor visitor_ = [this](std::string_view key, std::string_view) {
    visited_.emplace_back(key);
    return ScanStep{};
  };
};

// Without a leader the newest version of a key may be one that the index does not hold yet. A pass that
// stopped before it went on behind it, and an older version was read: simulator, rung set, seed 18.
TEST_F(RowScanTest, APassBeginsAgainBeforeTheUndecidedRowThatTheIndexDoesNotHold) {
  add_row("key/older");
  add_undecided("key/newer");
  RowPass ended = pass("key/");
  for (int again = 0; again < 2; ++again) {
    EXPECT_EQ(ended.end, End::kUndecided);
    EXPECT_TRUE(undecided_.covers(ended.names.lower, ended.names.upper)) << "nothing would be waited for";
    EXPECT_TRUE(visited_.empty());
    ended = pass(ended.at);
  }
  undecided_.remove(1, false);
  EXPECT_FALSE(undecided_.covers(ended.names.lower, ended.names.upper));
  EXPECT_EQ(pass(ended.at).end, End::kDone);
  EXPECT_EQ(visited_, std::vector<std::string>{"key/older"});
}

TEST_F(RowScanTest, APassThatWasTooLongSkipsNoUndecidedRow) {
  add_row("a");
  add_row("c");
  const RowPass ended = pass("", 1);
  EXPECT_EQ(ended.end, End::kLong);
  EXPECT_EQ(visited_, std::vector<std::string>{"a"});
  add_undecided("b");
  EXPECT_EQ(pass(ended.at).end, End::kUndecided);
  EXPECT_TRUE(visited_.empty());
}

TEST_F(RowScanTest, AnUndecidedRowBehindTheLastOneIsWaitedFor) {
  add_row("a");
  add_undecided("b");
  const RowPass ended = pass("");
  EXPECT_EQ(ended.end, End::kUndecided);
  EXPECT_EQ(visited_, std::vector<std::string>{"a"});
  EXPECT_TRUE(undecided_.covers(ended.names.lower, ended.names.upper)) << "nothing would be waited for";
}

TEST_F(RowScanTest, UnderALeaderOnlyRowsThatAreThereAreWaitedFor) {
  add_row("a");
  add_row("c");
  add_undecided("b");
  EXPECT_EQ(pass("", 100, /*unseen=*/false).end, End::kDone);
  add_undecided("c");
  const RowPass ended = pass("", 100, /*unseen=*/false);
  EXPECT_EQ(ended.end, End::kUndecided);
  EXPECT_EQ(visited_, std::vector<std::string>{"a"});
  EXPECT_TRUE(undecided_.covers(ended.names.lower, ended.names.upper));
}

}  // namespace
}  // namespace flashstor::cluster
