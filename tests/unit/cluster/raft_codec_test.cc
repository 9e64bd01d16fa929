#include <gtest/gtest.h>

#include "engine/cluster/raft/limits.h"
#include "engine/cluster/raft/message_codec.h"

namespace flashstor::cluster::raft {
namespace {

Message sample() {
  Message message;
  message.type = MessageType::kAppend;
  message.from = 3;
  message.to = 200000;
  message.generation = 9;
  message.term = 1ULL << 40;
  message.log_index = 77;
  message.log_term = 5;
  message.commit = 70;
  message.number = 12345;
  message.entries.push_back(
      {.term = 5, .index = 78, .payload = Buffer::copy_of("row"), .membership = nullptr});
  message.entries.push_back({.term = 6,
                             .index = 79,
                             .payload = {},
                             .membership = std::make_shared<const Membership>(Membership{{1, 2, 3}, {9}})});
  return message;
}

TEST(RaftCodec, ReadsWhatItWrote) {
  const Message in = sample();
  const auto out = decode(Buffer::copy_of(encode(in)));
  ASSERT_TRUE(out);
  EXPECT_EQ(out->from, in.from);
  EXPECT_EQ(out->to, in.to);
  EXPECT_EQ(out->generation, in.generation);
  EXPECT_EQ(out->term, in.term);
  EXPECT_EQ(out->log_index, in.log_index);
  EXPECT_EQ(out->number, in.number);
  ASSERT_EQ(out->entries.size(), 2U);
  EXPECT_EQ(out->entries[0].payload.view(), "row");
  EXPECT_EQ(out->entries[1].index, 79U);
  EXPECT_EQ(*out->entries[1].membership, *in.entries[1].membership);
}

TEST(RaftCodec, RefusesEveryTruncation) {
  const std::string whole = encode(sample());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode(Buffer::copy_of(std::string_view(whole).substr(0, size)))) << size;
  }
  EXPECT_FALSE(decode(Buffer::copy_of(whole + "x")));
}

TEST(RaftCodec, RefusesUnknownTypesAndUnsortedMembers) {
  std::string bytes = encode(sample());
  bytes[1] = 99;
  EXPECT_FALSE(decode(Buffer::copy_of(bytes)));
  EXPECT_FALSE(decode_membership(encode_membership({{2, 1}, {}})));
  EXPECT_FALSE(decode_membership(encode_membership({{1, 2}, {2}})));
  EXPECT_FALSE(decode_membership(encode_membership({{}, {2}})));
  EXPECT_TRUE(decode_membership(encode_membership({{1, 2}, {3}})));
}

}  // namespace
}  // namespace flashstor::cluster::raft
