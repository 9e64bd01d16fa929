#include "s3d/node/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>

namespace flashstor::s3d {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<ParsedOptions> parse(std::vector<const char*> arguments,
                            std::map<std::string, std::string> variables = {}) {
  arguments.insert(arguments.begin(), "flashstor-s3d");
  return parse_options(arguments, [&](const std::string& name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    return at == variables.end() ? std::nullopt : std::optional(at->second);
  });
}

std::string error_of(const Result<ParsedOptions>& parsed) {
  return parsed ? "no error" : std::string(parsed.error().message());
}

/// A file that goes with the test.
class ConfigFile {
 public:
  explicit ConfigFile(std::string_view text) : path_(testing::TempDir() + "flashstor_options_test.json") {
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { std::remove(path_.c_str()); }
  [[nodiscard]] const char* path() const { return path_.c_str(); }

 private:
  std::string path_;
};

// 255 stands for "as many as the drives make it" where the number is kept.
TEST(Options, NoParityIsTakenForTheDefaultOne) {
  EXPECT_EQ(parse({"--parity", "2", "/d{1...4}"})->options.parity, 2U);
  for (const char* parity : {"9", "255", "256", "65536"})
    EXPECT_THAT(error_of(parse({"--parity", parity, "/d{1...4}"})), HasSubstr("at most 8")) << parity;
}

TEST(Options, HasDefaultsAndExpandsDrives) {
  const auto parsed = parse({"/data{1...3}"});
  ASSERT_TRUE(parsed.has_value()) << error_of(parsed);
  EXPECT_EQ(parsed->options.address, "0.0.0.0:9000");
  EXPECT_THAT(parsed->options.drives, ElementsAre("/data1", "/data2", "/data3"));
}

TEST(Options, CommandLineBeatsEnvironmentBeatsConfig) {
  const ConfigFile file(R"({"address": "127.0.0.1:1", "region": "r1", "loops": 3, "domain": ["a", "b"]})");
  const auto parsed = parse({"--config", file.path(), "--address", "127.0.0.1:2", "/d"},
                            {{"FLASHSTORE_REGION", "r2"}, {"FLASHSTORE_ADDRESS", "127.0.0.1:3"}});
  ASSERT_TRUE(parsed.has_value()) << error_of(parsed);
  EXPECT_EQ(parsed->options.address, "127.0.0.1:2");
  EXPECT_EQ(parsed->options.region, "r2");
  EXPECT_EQ(parsed->options.loops, 3U);
  EXPECT_THAT(parsed->options.domains, ElementsAre("a", "b"));
}

TEST(Options, SeveralNodesNeedTheirSecret) {
  const auto without = parse({"--address", "n1:9000", "http://n{1...3}:9000/data{1...2}"});
  EXPECT_THAT(error_of(without), HasSubstr("FLASHSTORE_CLUSTER_SECRET"));
  EXPECT_THAT(error_of(parse({"http://n{1...3}:9000/d"}, {{"FLASHSTORE_CLUSTER_SECRET", "short"}})),
              HasSubstr("16 characters"));
  const ConfigFile file("a secret of some length\n");
  const auto from_file = parse({"--cluster-secret-file", file.path(), "http://n{1...3}:9000/data{1...2}"});
  ASSERT_TRUE(from_file.has_value()) << error_of(from_file);
  EXPECT_EQ(from_file->options.cluster_secret, "a secret of some length");
  EXPECT_TRUE(from_file->options.several_nodes);
  EXPECT_EQ(from_file->options.drives.size(), 6U);
  EXPECT_THAT(
      error_of(parse({"--certs-dir", "/c", "--cluster-secret-file", file.path(), "http://n{1...2}:9000/d"})),
      HasSubstr("https://"));
  EXPECT_THAT(error_of(parse({"--cluster-secret-file", file.path(), "https://n{1...2}:9000/d"})),
              HasSubstr("--certs-dir"));
  EXPECT_TRUE(parse({"--certs-dir", "/c", "--cluster-secret-file", file.path(), "https://n{1...2}:9000/d"})
                  .has_value());
}

TEST(Options, TakesSecretsAndDrivesFromTheEnvironment) {
  const auto parsed = parse({}, {{"FLASHSTORE_ROOT_USER", "u"},
                                 {"FLASHSTORE_ROOT_PASSWORD", "p,q"},
                                 {"FLASHSTORE_PREVIOUS_ROOT_USER", "o"},
                                 {"FLASHSTORE_PREVIOUS_ROOT_PASSWORD", "r,s"},
                                 {"FLASHSTORE_DRIVES", "/a /b"},
                                 {"FLASHSTORE_PUBLIC_METRICS", "on"}});
  ASSERT_TRUE(parsed.has_value()) << error_of(parsed);
  EXPECT_EQ(parsed->options.root_password, "p,q");
  EXPECT_EQ(parsed->options.previous_root_user, "o");
  EXPECT_EQ(parsed->options.previous_root_password, "r,s");
  EXPECT_THAT(parsed->options.drives, ElementsAre("/a", "/b"));
  EXPECT_TRUE(parsed->options.public_metrics);
}

TEST(Options, NamesTheNearestKnownOption) {
  EXPECT_THAT(error_of(parse({"--adress", "x:1", "/d"})), HasSubstr("did you mean \"--address\""));
  EXPECT_THAT(error_of(parse({"--cert-dir=/c", "/d"})), HasSubstr("did you mean \"--certs-dir\""));
  const ConfigFile file(R"({"rot_user": "x"})");
  EXPECT_THAT(error_of(parse({"--config", file.path(), "/d"})), HasSubstr("did you mean \"root-user\""));
}

TEST(Options, WarnsOfVariablesThatAreNoOption) {
  const std::vector<const char*> environment = {"PATH=/bin",
                                                "FLASHSTORE_ADRESS=:1",
                                                "FLASHSTOR_CERTS_DIR=/c",
                                                "FLASHSTORE_ADDRESS=:1",
                                                "FLASHSTORE_HOST_home=http://x",
                                                "FLASHSTOR_BUILD=/b"};
  const auto words = misspelt_variables(environment);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_THAT(words[0], HasSubstr("did you mean FLASHSTORE_ADDRESS?"));
  EXPECT_THAT(words[1], HasSubstr("did you mean FLASHSTORE_CERTS_DIR?"));
}

TEST(Options, RefusesWhatMakesNoSense) {
  EXPECT_THAT(error_of(parse({})), HasSubstr("no drives given"));
  EXPECT_THAT(error_of(parse({"--loops", "many", "/d"})), HasSubstr("not a number"));
  EXPECT_THAT(error_of(parse({"--mount", "bucket", "/d"})), HasSubstr("BUCKET=DIR"));
  EXPECT_THAT(error_of(parse({"--log-level", "loud", "/d"})), HasSubstr("log level"));
}

TEST(Options, ParsesAddresses) {
  EXPECT_EQ(parse_host_port(":9000")->host, "0.0.0.0");
  EXPECT_EQ(parse_host_port("[::1]:9000")->host, "::1");
  EXPECT_TRUE(parse_host_port("[::1]:9000")->is_loopback());
  EXPECT_TRUE(parse_host_port("localhost:1")->is_loopback());
  EXPECT_FALSE(parse_host_port("10.0.0.1:1")->is_loopback());
  EXPECT_FALSE(parse_host_port("::1:9000").has_value());
  EXPECT_FALSE(parse_host_port("host").has_value());
  EXPECT_FALSE(parse_host_port("host:99999").has_value());
}

TEST(Options, RefusesWeakCredentialsInPublicOnly) {
  const HostPort open{"0.0.0.0", 9000};
  const HostPort local{"127.0.0.1", 9000};
  NodeOptions none;
  EXPECT_FALSE(check_root_credentials(none, open).has_value());
  EXPECT_TRUE(check_root_credentials(none, local).has_value());
  EXPECT_FALSE(none.root_password.empty());
  EXPECT_FALSE(check_root_credentials(none, open).has_value()) << "the well-known ones stay refused";
  NodeOptions same{.root_user = "somebody1", .root_password = "somebody1"};
  EXPECT_FALSE(check_root_credentials(same, open).has_value());
  for (const char* weak :
       {"Password123!", "adminadmin", "minioadmin1", "somebody2024", "11112222", "83492837"}) {
    NodeOptions tried{.root_user = "somebody", .root_password = weak};
    EXPECT_FALSE(check_root_credentials(tried, open).has_value()) << weak;
  }
  NodeOptions brief{.root_user = "root", .root_password = "1234567"};
  EXPECT_FALSE(check_root_credentials(brief, local).has_value());
  NodeOptions good{.root_user = "root", .root_password = "correct-horse-battery"};
  EXPECT_TRUE(check_root_credentials(good, open).has_value());
}

}  // namespace
}  // namespace flashstor::s3d
