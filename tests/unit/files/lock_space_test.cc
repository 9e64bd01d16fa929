#include "engine/files/lock_space.h"

#include <gtest/gtest.h>

namespace flashstor::files {
namespace {

using Type = LockRange::Type;

LockRange range(Type type, std::uint64_t start, std::uint64_t end, std::uint64_t owner) {
  LockRange out;
  out.type = type;
  out.start = start;
  out.end = end;
  out.owner = owner;
  return out;
}

TEST(LockSpace, SharedAgreesExclusiveDoesNot) {
  LockSpace space;
  space.set(range(Type::kShared, 0, 99, 1));
  EXPECT_FALSE(space.conflict(range(Type::kShared, 50, 150, 2)));
  EXPECT_TRUE(space.conflict(range(Type::kExclusive, 50, 150, 2)));
  EXPECT_FALSE(space.conflict(range(Type::kExclusive, 100, 150, 2)));
  EXPECT_FALSE(space.conflict(range(Type::kExclusive, 0, 99, 1)));
}

TEST(LockSpace, UnlockingTheMiddleSplits) {
  LockSpace space;
  space.set(range(Type::kExclusive, 0, 99, 1));
  space.set(range(Type::kUnlock, 40, 59, 1));
  EXPECT_TRUE(space.conflict(range(Type::kShared, 39, 39, 2)));
  EXPECT_FALSE(space.conflict(range(Type::kShared, 40, 59, 2)));
  EXPECT_TRUE(space.conflict(range(Type::kShared, 60, 60, 2)));
}

TEST(LockSpace, NeighboursJoinAndGoTogether) {
  LockSpace space;
  space.set(range(Type::kShared, 0, 9, 1));
  space.set(range(Type::kShared, 10, 19, 1));
  space.set(range(Type::kUnlock, 0, ~std::uint64_t{0}, 1));
  EXPECT_TRUE(space.empty());
}

TEST(LockSpace, FlockAndRecordLocksDoNotSeeEachOther) {
  LockSpace space;
  LockRange whole = range(Type::kExclusive, 0, ~std::uint64_t{0}, 1);
  whole.whole_file = true;
  space.set(whole);
  EXPECT_FALSE(space.conflict(range(Type::kExclusive, 0, 10, 2)));
  whole.owner = 2;
  EXPECT_TRUE(space.conflict(whole));
  space.drop(1, true);
  EXPECT_FALSE(space.conflict(whole));
}

}  // namespace
}  // namespace flashstor::files
