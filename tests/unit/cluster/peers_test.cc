#include <gtest/gtest.h>

#include "engine/cluster/cluster.h"
#include "engine/cluster/keeper_peers.h"
#include "engine/cluster/peers/bundle.h"
#include "engine/cluster/peers/messages.h"
#include "engine/cluster/spread.h"
#include "engine/storage/wire/token.h"

namespace flashstor::cluster {
namespace {

raft::Entry entry(raft::Index index, const std::string& payload) {
  return {.term = 4, .index = index, .payload = Buffer::copy_of(payload), .membership = nullptr};
}

Bundle sample_bundle() {
  Bundle bundle;
  bundle.set = 3;
  for (raft::MemberId to : {2U, 5U}) {
    raft::Message message;
    message.from = 1;
    message.to = to;
    message.term = 4;
    message.log_index = 9;
    message.entries = {entry(10, "ten"), entry(11, std::string(100'000, 'e'))};
    bundle.messages.push_back(std::move(message));
    storage::DataRecord record;
    record.id = {.high = to, .low = 1};
    record.ref = {.id = record.id,
                  .set = 3,
                  .geometry = {.data_shards = 2, .parity_shards = 1},
                  .place = DataPlace::kLog,
                  .length = 9};
    record.shard = static_cast<std::uint8_t>(to - 1);
    record.bytes = Buffer::copy_of("shard" + std::to_string(to));
    bundle.data.push_back({.member = to, .index = 10, .term = 4, .record = std::move(record)});
  }
  bundle.reports.push_back({.slot = 1,
                            .member = 18,
                            .generation = 2,
                            .open = true,
                            .votes = true,
                            .leads = 5,
                            .owed = 7,
                            .applied = 8,
                            .appended = {{.index = 9, .term = 3, .with_data = true}}});
  return bundle;
}

TEST(Bundle, ComesBackAsItWasWritten) {
  const Bundle bundle = sample_bundle();
  const auto back = decode_bundle(encode_bundle(bundle));
  ASSERT_TRUE(back.has_value()) << back.error().describe();
  EXPECT_EQ(back->set, 3U);
  ASSERT_EQ(back->messages.size(), 2U);
  ASSERT_EQ(back->messages[1].entries.size(), 2U);
  EXPECT_EQ(back->messages[1].to, 5U);
  EXPECT_EQ(back->messages[1].entries[0].payload.view(), "ten");
  EXPECT_EQ(back->messages[1].entries[1].index, 11U);
  ASSERT_EQ(back->data.size(), 2U);
  EXPECT_EQ(back->data[1].record.bytes.view(), "shard5");
  EXPECT_EQ(back->data[1].record.ref, bundle.data[1].record.ref);
  ASSERT_EQ(back->reports.size(), 1U);
  EXPECT_TRUE(back->reports[0].open);
  EXPECT_TRUE(back->reports[0].votes);
  EXPECT_FALSE(back->reports[0].full);
  EXPECT_EQ(back->reports[0].member, 18U);
  EXPECT_EQ(back->reports[0].generation, 2U);
  EXPECT_EQ(back->reports[0].leads, 5U);
  EXPECT_EQ(back->reports[0].owed, 7U);
  EXPECT_EQ(back->reports[0].appended.at(0).index, 9U);
}

TEST(Bundle, CarriesAnEntryOnceForAllMembersOfANode) {
  const auto payload = encode_bundle(sample_bundle());
  EXPECT_LT(payload.head.size(), 110'000U) << "the entry of 100,000 bytes is in it twice";
}

TEST(Bundle, EveryCutIsRefused) {
  const auto payload = encode_bundle(sample_bundle());
  for (std::size_t size = 0; size < payload.head.size(); size += size < 200 ? 1 : 997)
    EXPECT_FALSE(decode_bundle({.head = payload.head.slice(0, size), .body = payload.body}).has_value())
        << size;
  EXPECT_FALSE(decode_bundle({.head = payload.head, .body = {}}).has_value());
}

TEST(ForwardedCommand, ComesBackAsItWasWritten) {
  Command command;
  command.kind = 17;
  command.request_id = {.high = 1, .low = 2};
  command.payload = "payload";
  command.locks = {{.name = "a", .exclusive = true}, {.name = "b", .exclusive = false}};
  command.data = {.id = {.high = 5, .low = 6}, .geometry = {}, .place = DataPlace::kLog, .length = 5};
  command.bytes = BufferChain(Buffer::copy_of("bytes"));
  const auto back = decode_command(encode_command(4, command, 0b101));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->set, 4U);
  EXPECT_EQ(back->staged, 5U);
  EXPECT_EQ(back->command.payload, "payload");
  EXPECT_EQ(back->command.request_id, command.request_id);
  ASSERT_EQ(back->command.locks.size(), 2U);
  EXPECT_FALSE(back->command.locks[1].exclusive);
  EXPECT_EQ(back->command.data, command.data);
  EXPECT_EQ(back->command.bytes.flatten().view(), "bytes");
}

TEST(SliceIds, ComeBackAsTheyWereWrittenAndAreBounded) {
  const SliceIds some{.set = 3, .ids = {{1, 2}, {3, 4}}};
  const std::string bytes = encode_slice_ids(some);
  const auto back = decode_slice_ids(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->set, 3U);
  EXPECT_EQ(back->ids, some.ids);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_slice_ids(std::string_view(bytes).substr(0, size)).has_value()) << size;
  EXPECT_FALSE(decode_slice_ids(bytes + "x").has_value());
  EXPECT_TRUE(decode_slice_ids(encode_slice_ids({.set = 0, .ids = std::vector<DataId>(256)})).has_value());
  EXPECT_FALSE(decode_slice_ids(encode_slice_ids({.set = 0, .ids = std::vector<DataId>(257)})).has_value());
}

TEST(FillStatus, ComesBackAsItWasWritten) {
  const FillStatus status{
      .filling = true, .waiting = 2, .rows = 1'000'000, .rows_per_second = 300, .percent = 45, .left_s = 600};
  const std::string bytes = encode_fill_status(status);
  const auto back = decode_fill_status(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(back->filling);
  EXPECT_EQ(back->waiting, 2U);
  EXPECT_EQ(back->rows, 1'000'000U);
  EXPECT_EQ(back->rows_per_second, 300U);
  EXPECT_EQ(back->percent, 45U);
  EXPECT_EQ(back->left_s, 600U);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_fill_status(std::string_view(bytes).substr(0, size)).has_value()) << size;
  EXPECT_FALSE(decode_fill_status(bytes + "x").has_value());
}

TEST(Hello, ComesBackAsItWasWritten) {
  Hello hello;
  hello.node = "a:1";
  hello.layout = "sets of 4\nhttp://a:1/d\n";
  hello.process = {.high = 1, .low = 2};
  hello.root = storage::wire::sign_root("cluster", "root", "a password");
  const std::string bytes = encode_hello(hello);
  const auto back = decode_hello(bytes + "what a newer node says");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->process, hello.process);
  EXPECT_EQ(back->root, hello.root);
  const auto older = decode_hello(std::string_view(bytes).substr(0, bytes.size() - hello.root.size() - 1));
  ASSERT_TRUE(older.has_value());
  EXPECT_EQ(older->root, "");
}

TEST(Hello, SaysInWordsWhatDiffers) {
  Hello own;
  own.version = "1";
  own.node = "a:1";
  own.layout = "sets of 4\nhttp://a:1/d\n";
  own.process = {.high = 1, .low = 1};
  own.root = storage::wire::sign_root("cluster", "root", "a password");
  Hello other = own;
  other.node = "b:2";
  other.process = {.high = 2, .low = 2};
  EXPECT_TRUE(check_hello(own, other).has_value());
  const auto words = [&own](const Hello& changed) {
    const auto checked = check_hello(own, changed);
    return checked ? std::string("no difference") : std::string(checked.error().message());
  };
  Hello changed = other;
  changed.protocol = storage::wire::kProtocolVersion + 1;
  EXPECT_NE(words(changed).find("protocol"), std::string::npos);
  changed = other;
  changed.layout = "sets of 4\nhttp://a:1/e\n";
  EXPECT_NE(words(changed).find("\"http://a:1/d\" here and \"http://a:1/e\" there"), std::string::npos)
      << words(changed);
  changed = other;
  changed.parity = 2;
  EXPECT_EQ(words(changed),
            "a:1 was started with --parity 0 and b:2 with --parity 2: it has to be the same on all nodes");
  changed.parity = ClusterOptions::kDefaultParity;
  EXPECT_NE(words(changed).find("and b:2 with no --parity:"), std::string::npos) << words(changed);
  changed = other;
  changed.root = storage::wire::sign_root("cluster", "root", "another password");
  EXPECT_EQ(words(changed),
            "a:1 was started with other root credentials than b:2: FLASHSTORE_ROOT_USER and "
            "FLASHSTORE_ROOT_PASSWORD have to be the same on all nodes");
  changed.root.clear();
  EXPECT_NE(words(changed).find("root credentials"), std::string::npos) << "one that does not say";
  changed = other;
  changed.clock = own.clock + 16LL * 60 * 1'000'000'000;
  EXPECT_NE(words(changed).find("clocks"), std::string::npos);
  changed.clock = own.clock + 14LL * 60 * 1'000'000'000;
  EXPECT_TRUE(check_hello(own, changed).has_value());
  changed = other;
  changed.deployment = {.high = 9, .low = 9};
  EXPECT_TRUE(check_hello(own, changed).has_value()) << "one that does not know yet";
  Hello knows = own;
  knows.deployment = {.high = 8, .low = 8};
  EXPECT_FALSE(check_hello(knows, changed).has_value());
}

TEST(Spread, GivesEverySetTheSameShareOfEachNode) {
  const auto spread = lay_out_spread({"http://n{1...3}:9000/d{1...4}"}, "n2:9000", "");
  ASSERT_TRUE(spread.has_value()) << spread.error().describe();
  EXPECT_EQ(spread->nodes.size(), 3U);
  EXPECT_EQ(spread->self, 1U);
  EXPECT_EQ(spread->set_drives, 12U);
  const auto two = lay_out_spread({"http://n{1...3}:9000/d{1...6}"}, "n1:9000", "");
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(two->set_drives, 9U);
  for (std::uint32_t set = 0; set < 2; ++set) {
    std::vector<int> share(3);
    for (std::uint32_t slot = 0; slot < 9; ++slot) ++share[two->drive(set, slot).node];
    EXPECT_EQ(share, (std::vector<int>{3, 3, 3}));
  }
}

TEST(Spread, FindsThisNodeByItsAddress) {
  const std::vector<std::string> ports{"http://127.0.0.1:{9001...9003}/d{1...2}"};
  EXPECT_EQ(lay_out_spread(ports, "127.0.0.1:9003", "")->self, 2U);
  EXPECT_EQ(lay_out_spread(ports, "0.0.0.0:9002", "")->self, 1U);
  EXPECT_FALSE(lay_out_spread(ports, "127.0.0.1:9004", "").has_value());
  const std::vector<std::string> names{"http://n{1...3}:9000/d{1...2}"};
  EXPECT_FALSE(lay_out_spread(names, "0.0.0.0:9000", "other").has_value());
  EXPECT_EQ(lay_out_spread(names, "0.0.0.0:9000", "n3.example.net")->self, 2U);
}

TEST(Spread, RefusesWhatCannotBe) {
  const auto refused = [](std::vector<std::string> list) {
    const auto spread = lay_out_spread(list, "n1:9000", "");
    return spread ? std::string("taken") : std::string(spread.error().message());
  };
  EXPECT_NE(refused({"http://n1:9000/d1", "/d2"}).find("all must be"), std::string::npos);
  EXPECT_NE(refused({"http://n1:9000/d{1...2}", "http://n2:9000/d1"}).find("same number"), std::string::npos);
  EXPECT_NE(refused({"http://n1:9000/d1", "http://n1:9000/d1/"}).find("twice"), std::string::npos);
  EXPECT_NE(refused({"https://n1:9000/d1", "http://n2:9000/d1"}).find("either all"), std::string::npos);
  EXPECT_NE(refused({"http://n1:9000"}).find("path"), std::string::npos);
}

}  // namespace
}  // namespace flashstor::cluster
