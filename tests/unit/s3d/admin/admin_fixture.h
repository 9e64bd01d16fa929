#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "engine/async/uv_runtime.h"
#include "engine/base/json.h"
#include "engine/objects/commands.h"
#include "engine/objects/object_store.h"
#include "engine/objects/system_store.h"
#include "s3d/admin/admin_api.h"
#include "s3d/ops/bucket_policies.h"
#include "tests/support/door.h"
#include "tests/support/fake_set.h"

namespace flashstor::s3d {

/// The admin API over sets in memory, called as the door calls it.
class AdminTest : public ::testing::Test {
 protected:
  struct Answer {
    int status = 0;
    std::string body;
    [[nodiscard]] Json json() const { return Json::parse(body).value_or(Json()); }
    [[nodiscard]] std::string code() const { return json().string_or("code"); }
  };

  AdminTest() {
    objects::register_object_commands(registry_);
    const auto loaded = runtime_.run_until(identities_.load());
    EXPECT_TRUE(loaded.has_value());
  }

  Answer call(const std::string& who, const std::string& method, const std::string& path,
              const std::string& body = {}) {
    KeptResponse response;
    return call(who, method, path, body, response);
  }
  Answer call(const std::string& who, const std::string& method, const std::string& path,
              const std::string& body, KeptResponse& response) {
    MemoryBody payload(Buffer::copy_of(body));
    const std::string whole = "/flashstor/admin/v1/" + path;
    Request::Parts parts;
    parts.method = method;
    parts.target = parts.raw_path = parts.path = whole;
    parts.content_length = body.size();
    parts.body = &payload;
    Request request(parts);
    Call one(services_, request, response, {});
    auto& known = authorizer_.identities();
    one.who = who.empty() ? known.anonymous() : known.find(who).value();
    const auto done = runtime_.run_until(api_.handle(one));
    EXPECT_EQ(done.has_value(), !response.broken);
    return {response.status(), response.body};
  }
  Answer root(const std::string& method, const std::string& path, const std::string& body = {}) {
    return call("rootuser", method, path, body);
  }
  /// A user with one policy.
  void make_user(const std::string& name, const std::string& policy) {
    ASSERT_EQ(root("PUT", "users/" + name, R"({"secret_key":"secretsecret"})").status, 204);
    ASSERT_EQ(root("POST", "policies/" + policy + "/attach", R"({"user":")" + name + "\"}").status, 204);
  }

  async::UvRuntime runtime_;
  cluster::CommandRegistry registry_;
  flashstor::testing::FakeCluster cluster_{registry_, 2, 4};
  objects::BucketEpoch epoch_;
  objects::ObjectStore store_{cluster_, epoch_, runtime_.random()};
  objects::SystemStore system_{cluster_, runtime_.random()};
  StoredIdentities backend_{system_};
  iam::Iam iam_{"rootuser", "rootpassword"};
  iam::SecretBox box_{"rootuser", "rootpassword"};
  iam::IdentityStore identities_{iam_, backend_, box_, runtime_.random()};
  iam::Authorizer authorizer_{iam_};

  class NoCredentials final : public CredentialSource {
   public:
    Task<Result<const Credential*>> find(std::string_view) override {
      co_return fail(ErrorCode::kInvalidAccessKey);
    }
  } credentials_;
  SignatureVerifier verifier_{credentials_, {}};
  NodeFacts facts_;
  BucketPolicies policies_;
  OwnerNames owners_;
  RequestStats stats_;
  TraceHub trace_;
  Services services_{facts_, runtime_, store_, authorizer_, verifier_, policies_, owners_, stats_, trace_};
  HealFigures heal_{.queued = 3,
                    .healed = 2,
                    .failed = 1,
                    .bytes = 4096,
                    .running = true,
                    .bytes_per_second = 2048,
                    .left_s = 7};
  std::vector<bool> scans_;
  AdminApi api_{{.version = "1.2.3",
                 .address = "127.0.0.1:9000",
                 .started = MonotonicTime{} + Nanoseconds(1),
                 .mount_socket = [] { return std::string("/run/x.sock"); },
                 .heal = [this]() -> Task<HealFigures> { co_return heal_; },
                 .scan = [this](bool deep) -> Task<Result<void>> {
                   scans_.push_back(deep);
                   co_return Result<void>();
                 },
                 .nodes = {}},
                runtime_,
                identities_};
};

}  // namespace flashstor::s3d
