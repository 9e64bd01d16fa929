#include "fusefs/stream_rules.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cstring>
#include <string>

// What another host may send as requests of its kernel.
namespace flashstor::fusefs {
namespace {

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string frame(std::uint32_t opcode, const std::string& arguments, std::uint64_t node = 1,
                  std::uint64_t unique = 4) {
  fuse_in_header head{};
  head.len = static_cast<std::uint32_t>(sizeof head + arguments.size());
  head.opcode = opcode;
  head.nodeid = node;
  head.unique = unique;
  return bytes_of(head) + arguments;
}

Result<RequestNames> check(const std::string& request) {
  return check_request(std::as_bytes(std::span(request)));
}
std::string name(std::string_view text) { return std::string(text) + '\0'; }

TEST(StreamRules, WhatAKernelSendsPasses) {
  EXPECT_TRUE(check(frame(FUSE_LOOKUP, name("a"))).has_value());
  EXPECT_TRUE(check(frame(FUSE_SYMLINK, name("s") + name("../to/here"))).has_value());
  EXPECT_TRUE(check(frame(FUSE_STATFS, "")).has_value());
  EXPECT_TRUE(check(frame(FUSE_INIT, bytes_of(fuse_init_in{.major = 7, .minor = 31}), 0)).has_value());
  EXPECT_TRUE(
      check(frame(FUSE_WRITE, bytes_of(fuse_write_in{.fh = 9, .offset = 0, .size = 3}) + "abc")).has_value());
  EXPECT_TRUE(check(frame(FUSE_LOOKUP, name(std::string(300, 'n')))).has_value())
      << "a name that is too long is answered, not cut off";
}

TEST(StreamRules, ArgumentsHaveTheirLength) {
  EXPECT_FALSE(check(frame(FUSE_GETATTR, "short")).has_value());
  EXPECT_FALSE(check(frame(FUSE_STATFS, "more")).has_value());
  EXPECT_FALSE(check(frame(FUSE_INIT, "1234567", 0)).has_value());
  const std::string longer = bytes_of(fuse_write_in{.fh = 9, .offset = 0, .size = 4}) + "abc";
  EXPECT_FALSE(check(frame(FUSE_WRITE, longer)).has_value());
  fuse_batch_forget_in batch{.count = 1U << 30, .dummy = 0};
  EXPECT_FALSE(check(frame(FUSE_BATCH_FORGET, bytes_of(batch))).has_value());
  fuse_init_in extended{.major = 7, .minor = 36, .max_readahead = 0, .flags = FUSE_INIT_EXT};
  EXPECT_FALSE(check(frame(FUSE_INIT, bytes_of(extended).substr(0, 16), 0)).has_value());
}

TEST(StreamRules, NamesEndAndAreNames) {
  EXPECT_FALSE(check(frame(FUSE_LOOKUP, "endless")).has_value());
  for (const char* bad : {"", ".", "..", "a/b"})
    EXPECT_FALSE(check(frame(FUSE_LOOKUP, name(bad))).has_value()) << bad;
  EXPECT_FALSE(check(frame(FUSE_LOOKUP, name("a") + name("b"))).has_value());
  EXPECT_FALSE(check(frame(FUSE_RENAME, bytes_of(fuse_rename_in{.newdir = 1}) + name("a"))).has_value());
  EXPECT_FALSE(check(frame(FUSE_UNLINK, name(std::string(2000, 'n')))).has_value());
}

TEST(StreamRules, NobodyAsksForMoreThanAKernelDoes) {
  EXPECT_FALSE(
      check(frame(FUSE_READ, bytes_of(fuse_read_in{.fh = 9, .offset = 0, .size = 1U << 30}))).has_value());
  fuse_getxattr_in asked{.size = 1U << 30, .padding = 0};
  EXPECT_FALSE(check(frame(FUSE_LISTXATTR, bytes_of(asked))).has_value());
  fuse_in_header head{};
  head.len = 1U << 30;
  const std::string huge = bytes_of(head);
  EXPECT_FALSE(request_length(std::as_bytes(std::span(huge))).has_value());
  head.len = 12;
  const std::string tiny = bytes_of(head);
  EXPECT_FALSE(request_length(std::as_bytes(std::span(tiny))).has_value());
}

TEST(StreamRules, WhatARequestNamesIsKnown) {
  const auto copy =
      check(frame(FUSE_COPY_FILE_RANGE,
                  bytes_of(fuse_copy_file_range_in{.fh_in = 7, .off_in = 0, .nodeid_out = 3, .fh_out = 8})));
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(copy->nodes[1], 3U);
  EXPECT_EQ(copy->files[0], 7U);
  EXPECT_EQ(copy->files[1], 8U);
  const auto release = check(frame(FUSE_RELEASEDIR, bytes_of(fuse_release_in{.fh = 5})));
  ASSERT_TRUE(release.has_value());
  EXPECT_EQ(release->directory, 5U);
  EXPECT_TRUE(release->releases);
  EXPECT_FALSE(check(frame(FUSE_READ, bytes_of(fuse_read_in{.fh = 0}))).has_value());
  const auto forget = check(frame(FUSE_FORGET, bytes_of(fuse_forget_in{.nlookup = 1}), 77, 0));
  ASSERT_TRUE(forget.has_value());
  EXPECT_FALSE(forget->answered);
  const auto interrupt = check(frame(FUSE_INTERRUPT, bytes_of(fuse_interrupt_in{.unique = 6}), 0, 7));
  ASSERT_TRUE(interrupt.has_value());
  EXPECT_EQ(interrupt->interrupts, 6U);
  const auto strange = check(frame(4242, "whatever"));
  ASSERT_TRUE(strange.has_value());
  EXPECT_FALSE(strange->known);
  EXPECT_FALSE(check(frame(FUSE_GETATTR, bytes_of(fuse_getattr_in{}), 1, 0)).has_value())
      << "nobody could be answered";
}

}  // namespace
}  // namespace flashstor::fusefs
