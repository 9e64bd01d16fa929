#include <gtest/gtest.h>

#include <map>

#include "engine/async/uv_runtime.h"
#include "engine/iam/authorizer.h"
#include "engine/iam/identities.h"
#include "engine/iam/identity_record.h"
#include "engine/iam/limits.h"

namespace flashstor::iam {
namespace {

class MemoryBackend final : public IdentityBackend {
 public:
  Task<Result<std::optional<std::string>>> load(std::string path) override {
    const auto found = files.find(path);
    co_return found == files.end() ? std::nullopt : std::optional(found->second);
  }
  Task<Result<void>> save(std::string path, std::string bytes) override {
    if (broken) co_return fail(ErrorCode::kWriteQuorum, "no quorum");
    files[path] = std::move(bytes);
    co_return Result<void>();
  }
  Task<Result<void>> remove(std::string path) override {
    if (broken) co_return fail(ErrorCode::kWriteQuorum, "no quorum");
    files.erase(path);
    co_return Result<void>();
  }
  Task<Result<std::vector<std::string>>> list(std::string prefix) override {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : files) {
      if (path.starts_with(prefix)) paths.push_back(path);
    }
    co_return paths;
  }
  std::map<std::string, std::string> files;
  bool broken = false;
};

constexpr std::string_view kDocument =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]})";

class IdentityStoreTest : public testing::Test {
 protected:
  Result<void> run(Task<Result<void>> task) { return runtime_.run_until(std::move(task)); }
  ErrorCode code(Task<Result<void>> task) {
    const auto result = run(std::move(task));
    return result ? ErrorCode::kInternal : result.error().code();
  }
  bool may_get(std::string_view access_key) {
    IamView view(iam_);
    Authorizer authorizer(iam_);
    const auto who = view.find(access_key);
    return who.has_value() &&
           authorizer.decide(*who, {}, {.action = "s3:GetObject", .resource = "arn:aws:s3:::b/k"}).allowed;
  }

  async::UvRuntime runtime_;
  base::SeededRandom random_{7};
  MemoryBackend backend_;
  SecretBox box_{"rootuser", "rootpassword"};
  Iam iam_{"rootuser", "rootpassword"};
  IdentityStore store_{iam_, backend_, box_, random_};
};

TEST_F(IdentityStoreTest, AUserLivesThroughARestart) {
  ASSERT_TRUE(run(store_.load()));
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  ASSERT_TRUE(run(store_.put_policy("get-b", std::string(kDocument))));
  ASSERT_TRUE(run(store_.attach("alice", {"get-b", "writeonly", "get-b"})));
  EXPECT_TRUE(may_get("alice"));
  for (const auto& [path, bytes] : backend_.files)
    EXPECT_EQ(bytes.find("alicesecret"), std::string::npos) << path;

  Iam iam("rootuser", "rootpassword");
  IdentityStore again(iam, backend_, box_, random_);
  ASSERT_TRUE(run(again.load()));
  const auto alice = again.user("alice");
  ASSERT_TRUE(alice.has_value());
  EXPECT_EQ(alice->secret_key, "alicesecret");
  EXPECT_EQ(alice->policies, (std::vector<std::string>{"get-b", "writeonly"}));
  EXPECT_EQ(again.policy("get-b")->text, kDocument);
  EXPECT_EQ(IamView(iam).find("alice").value()->secret_key, "alicesecret");
}

TEST_F(IdentityStoreTest, EveryChangeMovesTheEpochAndTakesEffect) {
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  std::uint64_t epoch = iam_.epoch();
  const auto moved = [&] { return std::exchange(epoch, iam_.epoch()) != iam_.epoch(); };
  EXPECT_FALSE(may_get("alice"));
  ASSERT_TRUE(run(store_.attach("alice", {"readonly"})));
  EXPECT_TRUE(moved());
  EXPECT_TRUE(may_get("alice"));
  ASSERT_TRUE(run(store_.set_status("alice", UserStatus::kDisabled)));
  EXPECT_TRUE(moved());
  EXPECT_FALSE(IamView(iam_).find("alice").has_value());
  ASSERT_TRUE(run(store_.set_status("alice", UserStatus::kEnabled)));
  EXPECT_TRUE(may_get("alice"));
  ASSERT_TRUE(run(store_.set_secret("alice", "newsecret1")));
  EXPECT_EQ(IamView(iam_).find("alice").value()->secret_key, "newsecret1");
  ASSERT_TRUE(run(store_.detach("alice", {"readonly"})));
  EXPECT_FALSE(may_get("alice"));
  ASSERT_TRUE(run(store_.remove_user("alice")));
  EXPECT_FALSE(IamView(iam_).find("alice").has_value());
  EXPECT_TRUE(backend_.files.empty());
}

TEST_F(IdentityStoreTest, AddingAgainGivesANewSecretAndKeepsPolicies) {
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  ASSERT_TRUE(run(store_.attach("alice", {"readonly"})));
  ASSERT_TRUE(run(store_.set_status("alice", UserStatus::kDisabled)));
  ASSERT_TRUE(run(store_.add_user("alice", "othersecret")));
  EXPECT_EQ(store_.user("alice")->secret_key, "othersecret");
  EXPECT_EQ(store_.user("alice")->status, UserStatus::kEnabled);
  EXPECT_TRUE(may_get("alice"));
}

TEST_F(IdentityStoreTest, NothingChangesWhenItCannotBeStored) {
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  backend_.broken = true;
  const std::uint64_t epoch = iam_.epoch();
  EXPECT_EQ(code(store_.add_user("bobby", "bobbysecret")), ErrorCode::kWriteQuorum);
  EXPECT_EQ(code(store_.set_secret("alice", "othersecret")), ErrorCode::kWriteQuorum);
  EXPECT_EQ(code(store_.attach("alice", {"readonly"})), ErrorCode::kWriteQuorum);
  EXPECT_EQ(code(store_.remove_user("alice")), ErrorCode::kWriteQuorum);
  EXPECT_EQ(code(store_.put_policy("p", std::string(kDocument))), ErrorCode::kWriteQuorum);
  EXPECT_EQ(iam_.epoch(), epoch);
  EXPECT_EQ(store_.users().size(), 1U);
  EXPECT_EQ(store_.user("alice")->secret_key, "alicesecret");
  backend_.broken = false;
  EXPECT_TRUE(run(store_.remove_user("alice"))) << "a failed change gave its turn back";
}

TEST_F(IdentityStoreTest, RefusesWhatIsNotThereOrNotAllowed) {
  EXPECT_EQ(code(store_.remove_user("alice")), ErrorCode::kNotFound);
  EXPECT_EQ(code(store_.set_status("alice", UserStatus::kDisabled)), ErrorCode::kNotFound);
  EXPECT_EQ(code(store_.attach("alice", {"readonly"})), ErrorCode::kNotFound);
  EXPECT_EQ(code(store_.remove_policy("nosuch")), ErrorCode::kNotFound);
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  EXPECT_EQ(code(store_.attach("alice", {"readonly", "nosuch"})), ErrorCode::kNotFound);
  EXPECT_TRUE(store_.user("alice")->policies.empty());
  EXPECT_EQ(code(store_.detach("alice", {"readonly"})), ErrorCode::kNotFound);
  EXPECT_EQ(code(store_.add_user("rootuser", "something1")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.add_user("al", "alicesecret")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.add_user("ali=ce", "alicesecret")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.add_user("ali/ce", "alicesecret")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.add_user("alice", "seven77")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.put_policy("readonly", std::string(kDocument))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.put_policy("a b", std::string(kDocument))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(store_.put_policy("p", "{}")), ErrorCode::kMalformed);
  EXPECT_EQ(code(store_.remove_policy("readonly")), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(run(store_.put_policy("p", std::string(kDocument))));
  ASSERT_TRUE(run(store_.attach("alice", {"p"})));
  EXPECT_EQ(code(store_.remove_policy("p")), ErrorCode::kConflict);
  ASSERT_TRUE(run(store_.detach("alice", {"p"})));
  EXPECT_TRUE(run(store_.remove_policy("p")));
}

TEST_F(IdentityStoreTest, ListsBuiltinPoliciesFirst) {
  ASSERT_TRUE(run(store_.put_policy("aaa", std::string(kDocument))));
  const auto all = store_.policies();
  ASSERT_EQ(all.size(), 7U);
  EXPECT_EQ(all.front().name, "consoleAdmin");
  EXPECT_TRUE(all.front().builtin);
  EXPECT_EQ(all.back().name, "aaa");
}

TEST_F(IdentityStoreTest, OtherRootCredentialsAreNamedAsTheCause) {
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  const SecretBox other("rootuser", "newpassword");
  Iam iam("rootuser", "newpassword");
  IdentityStore again(iam, backend_, other, random_);
  const auto result = run(again.load());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(result.error().describe().find("other root credentials"), std::string::npos);
  EXPECT_EQ(iam.epoch(), 1U) << "nothing was published";
  // With the old credentials at hand the secrets are sealed anew.
  ASSERT_TRUE(run(again.load(&box_)));
  EXPECT_EQ(again.user("alice")->secret_key, "alicesecret");
  IdentityStore later(iam, backend_, other, random_);
  EXPECT_TRUE(run(later.load()));
}

TEST_F(IdentityStoreTest, AUserWhoseSecretDoesNotOpenIsLeftOutAndTheOthersStay) {
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  ASSERT_TRUE(run(store_.attach("alice", {"readonly"})));
  const SecretBox other("rootuser", "otherpassword");
  Iam iam("rootuser", "otherpassword");
  IdentityStore stranger(iam, backend_, other, random_);
  ASSERT_TRUE(run(stranger.add_user("mallory", "mallorysecret")));
  ASSERT_TRUE(run(stranger.attach("mallory", {"readonly"})));
  const std::string record = backend_.files.at(user_path("mallory"));

  ASSERT_TRUE(run(store_.load()));
  EXPECT_TRUE(may_get("alice"));
  EXPECT_FALSE(IamView(iam_).find("mallory").has_value());
  EXPECT_TRUE(IamView(iam_).find("rootuser").has_value());
  EXPECT_EQ(backend_.files.at(user_path("mallory")), record) << "the record stays";

  // At a start as well, and with him alone when this store has been loaded before.
  Iam iam_again("rootuser", "rootpassword");
  IdentityStore again(iam_again, backend_, box_, random_);
  ASSERT_TRUE(run(again.load()));
  EXPECT_EQ(again.users().size(), 1U);
  ASSERT_TRUE(run(again.remove_user("alice")));
  EXPECT_TRUE(run(again.load()));
  EXPECT_TRUE(again.users().empty());
  // With the credentials that sealed it he is back.
  ASSERT_TRUE(run(again.load(&other)));
  EXPECT_EQ(again.user("mallory")->secret_key, "mallorysecret");
}

TEST_F(IdentityStoreTest, AUserWhoseSecretDoesNotOpenCanBeRemoved) {
  const SecretBox other("rootuser", "otherpassword");
  Iam iam("rootuser", "otherpassword");
  IdentityStore stranger(iam, backend_, other, random_);
  ASSERT_TRUE(run(stranger.add_user("mallory", "mallorysecret")));
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  ASSERT_TRUE(run(store_.load()));
  EXPECT_EQ(code(store_.remove_user("nobody")), ErrorCode::kNotFound);
  ASSERT_TRUE(run(store_.remove_user("mallory")));
  EXPECT_FALSE(backend_.files.contains(user_path("mallory")));
  EXPECT_EQ(code(store_.remove_user("mallory")), ErrorCode::kNotFound);
}

TEST_F(IdentityStoreTest, AMissingPolicyDeniesRatherThanIsForgotten) {
  ASSERT_TRUE(run(store_.put_policy("p", std::string(kDocument))));
  ASSERT_TRUE(run(store_.add_user("alice", "alicesecret")));
  ASSERT_TRUE(run(store_.attach("alice", {"p", "readwrite"})));
  EXPECT_TRUE(may_get("alice"));
  backend_.files.erase(policy_path("p"));
  ASSERT_TRUE(run(store_.load()));
  EXPECT_FALSE(may_get("alice"));
}

TEST_F(IdentityStoreTest, BrokenRecordsAreErrorsThatNameTheirPath) {
  for (const std::string& bad :
       {"", "{}", "[]", R"({"format":2})", R"({"format":1})",
        R"({"format":1,"access_key":"x","status":"odd"})",
        R"({"format":1,"access_key":"x","status":"enabled","policies":[1],"secret":""})",
        R"({"format":1,"access_key":"x","status":"enabled","secret":"%"})",
        R"({"format":1,"access_key":"x","status":"enabled","secret":"AQ=="})"}) {
    backend_.files = {{user_path("x"), bad}};
    const auto result = run(store_.load());
    ASSERT_FALSE(result.has_value()) << bad;
    EXPECT_EQ(result.error().code(), ErrorCode::kMalformed) << bad;
    EXPECT_NE(result.error().describe().find("iam/users/x"), std::string::npos);
  }
}

TEST(IdentityRecord, PathsHoldAnyName) {
  EXPECT_EQ(user_path("a.b@c%"), "iam/users/a%2Eb%40c%25");
  EXPECT_EQ(policy_path("get-b_1"), "iam/policies/get-b_1");
}

}  // namespace
}  // namespace flashstor::iam
