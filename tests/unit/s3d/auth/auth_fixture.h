#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "engine/async/uv_runtime.h"
#include "s3d/auth/canonical.h"
#include "s3d/auth/payload.h"
#include "s3d/auth/signature.h"
#include "s3d/http/parser.h"

namespace flashstor::s3d {

inline constexpr std::string_view kExampleKey = "AKIAIOSFODNN7EXAMPLE";
inline constexpr std::string_view kExampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

class TestCredentials final : public CredentialSource {
 public:
  TestCredentials() {
    keys[std::string(kExampleKey)] = {std::string(kExampleKey), std::string(kExampleSecret), ""};
    keys["temp"] = {"temp", "tempsecret", "the-token"};
  }
  Task<Result<const Credential*>> find(std::string_view access_key) override {
    ++lookups;
    const auto found = keys.find(std::string(access_key));
    if (found == keys.end()) co_return fail(ErrorCode::kInvalidAccessKey, "no such key");
    co_return &found->second;
  }
  std::map<std::string, Credential> keys;
  int lookups = 0;
};

/// Verifies requests written as text at a given time.
class AuthTest : public ::testing::Test {
 public:
  using Verdict = std::expected<Identity, AuthError>;

  Request& request_of(std::string head, std::string body = "", std::size_t piece = SIZE_MAX) {
    texts_.push_back(std::make_unique<std::string>(std::move(head) + "\r\n"));
    auto parts = parse_request(*texts_.back(), arena_);
    EXPECT_TRUE(parts.has_value()) << *texts_.back();
    bodies_.push_back(std::make_unique<MemoryBody>(Buffer::copy_of(std::string_view(body)), piece));
    parts->body = bodies_.back().get();
    requests_.push_back(std::make_unique<Request>(*parts));
    return *requests_.back();
  }
  Verdict verify(Request& request, std::string_view when = "20130524T000000Z") {
    return runtime.run_until([](AuthTest* t, Request* r, WallTime now) -> Task<Verdict> {
      co_return co_await t->verifier.verify(*r, now);
    }(this, &request, *parse_amz_date(when)));
  }
  AuthFailure cause_of(std::string head, std::string_view when = "20130524T000000Z") {
    auto verdict = verify(request_of(std::move(head)), when);
    EXPECT_FALSE(verdict.has_value());
    return verdict ? AuthFailure::kSourceFailed : verdict.error().cause;
  }
  /// Reads the payload to its end.
  Result<std::string> read_payload(Payload& payload) {
    return runtime.run_until([](Payload* p) -> Task<Result<std::string>> {
      const Buffer all = co_await or_return(read_all(*p, limits::kMiB));
      co_return std::string(all.view());
    }(&payload));
  }

  async::UvRuntime runtime;
  TestCredentials credentials;
  SignatureVerifier verifier{credentials, {.region = "us-east-1"}};

 private:
  ArenaPool pool_{64, 16};
  Arena arena_{pool_};
  std::vector<std::unique_ptr<std::string>> texts_;
  std::vector<std::unique_ptr<BodySource>> bodies_;
  std::vector<std::unique_ptr<Request>> requests_;
};

inline std::string authorization(std::string_view signed_headers, std::string_view signature,
                                 std::string_view scope = "20130524/us-east-1/s3/aws4_request",
                                 std::string_view key = kExampleKey) {
  return fmt::format("Authorization: AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}\r\n",
                     key, scope, signed_headers, signature);
}

}  // namespace flashstor::s3d
