#include "tests/unit/s3d/admin/admin_fixture.h"

namespace flashstor::s3d {
namespace {

constexpr const char* kPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]})";

TEST_F(AdminTest, UsersComeAndGo) {
  EXPECT_EQ(root("GET", "users").body, "[]");
  EXPECT_EQ(root("PUT", "users/alice", R"({"secret_key":"secretsecret","status":"disabled"})").status, 204);
  const Answer alice = root("GET", "users/alice");
  EXPECT_EQ(alice.body, R"({"access_key":"alice","canonical_id":")" + iam::canonical_id_of("alice") +
                            R"(","status":"disabled","policies":[]})");
  EXPECT_EQ(alice.body.find("secretsecret"), std::string::npos);
  EXPECT_FALSE(authorizer_.identities().find("alice"));
  EXPECT_EQ(root("POST", "users/alice/status", R"({"status":"enabled"})").status, 204);
  EXPECT_TRUE(authorizer_.identities().find("alice"));
  EXPECT_EQ(root("POST", "users/alice/status", R"({"status":"asleep"})").code(), "InvalidArgument");
  EXPECT_EQ(root("DELETE", "users/alice").status, 204);
  const Answer gone = root("GET", "users/alice");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.code(), "NotFound");
  EXPECT_EQ(root("DELETE", "users/alice").status, 404);
}

TEST_F(AdminTest, UsersOutliveTheProcess) {
  make_user("alice", "readonly");
  iam::Iam iam("rootuser", "rootpassword");
  iam::IdentityStore again(iam, backend_, box_, runtime_.random());
  ASSERT_TRUE(runtime_.run_until(again.load()));
  const auto alice = again.user("alice");
  ASSERT_TRUE(alice);
  EXPECT_EQ(alice->secret_key, "secretsecret");
  EXPECT_EQ(alice->policies, std::vector<std::string>{"readonly"});
}

TEST_F(AdminTest, BadUsersAreToldWhy) {
  EXPECT_EQ(root("PUT", "users/alice", "no json").code(), "MalformedRequest");
  EXPECT_EQ(root("PUT", "users/alice", "[]").code(), "MalformedRequest");
  EXPECT_EQ(root("PUT", "users/alice", "{}").code(), "MalformedRequest");
  EXPECT_EQ(root("PUT", "users/alice", R"({"secret_key":"short"})").code(), "InvalidArgument");
  EXPECT_EQ(root("PUT", "users/rootuser", R"({"secret_key":"secretsecret"})").code(), "InvalidArgument");
  const Answer big = root("PUT", "users/alice", std::string(20'000, ' '));
  EXPECT_EQ(big.code(), "EntityTooLarge");
  EXPECT_EQ(root("GET", "users").body, "[]");
}

TEST_F(AdminTest, PoliciesAreStoredAttachedAndHeld) {
  EXPECT_EQ(root("PUT", "policies/get-b", kPolicy).status, 204);
  EXPECT_EQ(root("GET", "policies/get-b").body, kPolicy);
  EXPECT_NE(root("GET", "policies").body.find("\"get-b\""), std::string::npos);
  EXPECT_NE(root("GET", "policies").body.find("\"consoleAdmin\""), std::string::npos);
  make_user("alice", "get-b");
  const Answer held = root("DELETE", "policies/get-b");
  EXPECT_EQ(held.status, 409);
  EXPECT_EQ(held.code(), "Conflict");
  EXPECT_EQ(root("POST", "policies/get-b/detach", R"({"user":"alice"})").status, 204);
  EXPECT_EQ(root("POST", "policies/get-b/detach", R"({"user":"alice"})").status, 404);
  EXPECT_EQ(root("DELETE", "policies/get-b").status, 204);
  EXPECT_EQ(root("GET", "policies/get-b").status, 404);
  EXPECT_EQ(root("POST", "policies/get-b/attach", R"({"user":"alice"})").status, 404);
  EXPECT_EQ(root("POST", "policies/readonly/attach", "{}").code(), "MalformedRequest");
  EXPECT_EQ(root("PUT", "policies/bad", R"({"Statement":7})").code(), "MalformedPolicy");
  EXPECT_EQ(root("DELETE", "policies/readonly").code(), "InvalidArgument");
}

TEST_F(AdminTest, OnlyWhoMayAdministers) {
  make_user("reader", "readwrite");
  make_user("watcher", "diagnostics");
  make_user("boss", "consoleAdmin");
  EXPECT_EQ(call("", "GET", "info").status, 403);
  EXPECT_EQ(call("reader", "GET", "info").code(), "AccessDenied");
  EXPECT_EQ(call("reader", "PUT", "users/me", R"({"secret_key":"secretsecret"})").status, 403);
  EXPECT_EQ(call("reader", "POST", "policies/consoleAdmin/attach", R"({"user":"reader"})").status, 403);
  EXPECT_EQ(call("reader", "GET", "mount").json().string_or("mount_socket"), "/run/x.sock");
  EXPECT_EQ(call("", "GET", "mount").status, 403);
  EXPECT_EQ(call("watcher", "GET", "info").status, 200);
  EXPECT_EQ(call("watcher", "GET", "users").status, 403);
  EXPECT_EQ(call("boss", "GET", "users").status, 200);
  EXPECT_EQ(call("boss", "PUT", "users/new", R"({"secret_key":"secretsecret"})").status, 204);
}

TEST_F(AdminTest, UnknownPathsAndMethods) {
  for (const char* path : {"", "nothing", "info/", "info/x", "users/", "users/a/b", "policies/a/attach/x"}) {
    const Answer answer = root("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.code(), "NotFound") << path;
  }
  EXPECT_EQ(root("POST", "info").status, 405);
  EXPECT_EQ(root("GET", "users/a/status").status, 405);
}

TEST_F(AdminTest, InfoShowsSetsAndBuckets) {
  ASSERT_TRUE(runtime_.run_until(store_.create_bucket({.name = "photos"})));
  const Json info = root("GET", "info").json();
  EXPECT_EQ(info.string_or("version"), "1.2.3");
  EXPECT_EQ(info.string_or("mount_socket"), "/run/x.sock");
  EXPECT_EQ(info.uint_or("buckets"), 1U);
  EXPECT_EQ(info.get("sets").size(), 2U);
  EXPECT_EQ(info.get("sets").at(0).uint_or("drives"), 4U);
  EXPECT_EQ(info.get("nodes").at(0).string_or("address"), "127.0.0.1:9000");
}

TEST_F(AdminTest, HealTellsHowFarItIsAndBeginsScans) {
  const Json heal = root("GET", "heal").json();
  EXPECT_EQ(heal.uint_or("queue"), 3U);
  EXPECT_EQ(heal.uint_or("bytes_healed"), 4096U);
  EXPECT_EQ(heal.uint_or("rate_bytes_s"), 2048U);
  EXPECT_EQ(heal.uint_or("eta_s"), 7U);
  EXPECT_TRUE(heal.bool_or("active"));
  heal_ = {.filling = 1,
           .fill_rows = 500,
           .fill_waiting = 2,
           .fill_rows_per_second = 100,
           .fill_percent = 40,
           .fill_left_s = 9};
  const Json filling = root("GET", "heal").json();
  EXPECT_TRUE(filling.bool_or("active")) << "no slice is queued, but drives wait";
  EXPECT_EQ(filling.uint_or("waiting_drives"), 2U);
  EXPECT_EQ(filling.uint_or("fill_rows_s"), 100U);
  EXPECT_EQ(filling.uint_or("fill_percent"), 40U);
  EXPECT_EQ(filling.uint_or("fill_eta_s"), 9U);
  EXPECT_EQ(root("POST", "heal/scan", R"({"depth":"deep"})").status, 200);
  EXPECT_EQ(root("POST", "heal/scan", R"({"depth":"rows"})").status, 200);
  EXPECT_EQ(scans_, (std::vector<bool>{true, false}));
  EXPECT_EQ(root("POST", "heal/scan", R"({"depth":"most"})").status, 400);
  EXPECT_EQ(scans_.size(), 2U);
}

TEST_F(AdminTest, TraceShowsRequestsAndItsOwnGaps) {
  KeptResponse response;
  response.on_write = [&] {
    if (response.body == "\n") {  // The reader is connected: requests begin.
      for (std::size_t i = 0; i < ops_limits::kMaxTraceQueue + 5; ++i)
        trace_.publish({.trace_id = "T1",
                        .operation = "GetObject",
                        .method = "GET",
                        .path = "/b/k",
                        .query = "x=1",
                        .error = "NoSuchKey",
                        .status = 404,
                        .bytes_out = 7,
                        .execute = std::chrono::microseconds(30)});
    } else {
      api_.stop();
    }
  };
  EXPECT_EQ(call("rootuser", "GET", "trace", {}, response).status, 200);
  EXPECT_TRUE(response.finished);
  EXPECT_FALSE(trace_.listening());
  const std::string first = response.body.substr(1, response.body.find('\n', 1) - 1);
  const Json line = Json::parse(first).value();
  EXPECT_EQ(line.string_or("operation"), "GetObject");
  EXPECT_EQ(line.string_or("path"), "/b/k?x=1");
  EXPECT_EQ(line.string_or("error_code"), "NoSuchKey");
  EXPECT_EQ(line.int_or("duration_us"), 30);
  EXPECT_EQ(line.get("phases").int_or("execute_us"), 30);
  EXPECT_NE(response.body.find(R"("dropped":5)"), std::string::npos);
}

TEST_F(AdminTest, ATraceEndsWithItsReader) {
  KeptResponse response;
  response.broken = true;
  (void)call("rootuser", "GET", "trace", {}, response);
  EXPECT_FALSE(trace_.listening());
}

}  // namespace
}  // namespace flashstor::s3d
