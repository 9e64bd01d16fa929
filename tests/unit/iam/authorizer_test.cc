#include "engine/iam/authorizer.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/random.h"

namespace {
thread_local std::size_t allocations = 0;
}  // namespace

// Counted here, so that a test can show that a cache hit allocates nothing. The thread sanitizer has its own
// and takes no other.
#if !__has_feature(thread_sanitizer)
#define FLASHSTOR_COUNTS_ALLOCATIONS 1
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace flashstor::iam {
namespace {

PolicyRef policy_of(std::string_view statements, PolicyKind kind) {
  const auto policy =
      Policy::parse(R"({"Version":"2012-10-17","Statement":[)" + std::string(statements) + "]}", kind, "b");
  EXPECT_TRUE(policy.has_value()) << policy.error().describe() << statements;
  return policy.value_or(nullptr);
}
PolicyRef on_user(std::string_view statements) { return policy_of(statements, PolicyKind::kIdentity); }
PolicyRef on_bucket(std::string_view statements) { return policy_of(statements, PolicyKind::kBucket); }

IdentityRef user(std::string name, std::vector<PolicyRef> policies = {}) {
  auto identity = std::make_shared<Identity>();
  identity->kind = Principal::Kind::kUser;
  identity->canonical_id = canonical_id_of(name);
  identity->access_key = std::move(name);
  identity->policies = std::move(policies);
  return identity;
}

constexpr std::string_view kAllowAll = R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::*"})";
constexpr std::string_view kPublicGet =
    R"({"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"})";
constexpr RequestContext kGet{.action = "s3:GetObject", .resource = "arn:aws:s3:::b/k"};
constexpr RequestContext kPut{.action = "s3:PutObject", .resource = "arn:aws:s3:::b/k"};
constexpr RequestContext kList{.action = "s3:ListBucket", .resource = "arn:aws:s3:::b"};

class AuthorizerTest : public testing::Test {
 protected:
  Decision decide(const IdentityRef& who, const BucketAccess& bucket, const RequestContext& request) {
    const Decision first = authorizer_.decide(who, bucket, request);
    const Decision again = authorizer_.decide(who, bucket, request);
    EXPECT_EQ(first.allowed, again.allowed) << "the cache changed the answer";
    EXPECT_EQ(first.reason, again.reason);
    return first;
  }
  Iam iam_{"rootuser", "rootpassword"};
  Authorizer authorizer_{iam_};
};

TEST_F(AuthorizerTest, NobodyMayAnythingUnlessAllowed) {
  const Decision decision = decide(user("alice"), {}, kGet);
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(decision.reason, Reason::kNothingAllows);
  EXPECT_FALSE(decide(authorizer_.identities().anonymous(), {}, kGet).allowed);
}

// A bucket policy that denied its maker, and root, did not hold for them: they were let through before it was
// looked at.
TEST_F(AuthorizerTest, AnExplicitDenyHoldsForRootAndForWhoeverMadeTheBucket) {
  const PolicyRef deny = on_bucket(
      R"({"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]})");
  const IdentityRef root = authorizer_.identities().root();
  EXPECT_EQ(decide(root, {.policy = deny}, kGet).reason, Reason::kExplicitDeny);
  EXPECT_EQ(decide(root, {.policy = deny}, kList).reason, Reason::kExplicitDeny);
  EXPECT_EQ(decide(user("alice", {on_user(kAllowAll)}), {.policy = deny}, kGet).reason,
            Reason::kExplicitDeny);
  EXPECT_EQ(decide(root, {}, kGet).reason, Reason::kRoot);
  EXPECT_EQ(decide(root, {.policy = on_bucket(kPublicGet)}, kPut).reason, Reason::kRoot);
}

TEST_F(AuthorizerTest, RootCanAlwaysChangeTheBucketPolicyAndNobodyElseCan) {
  const PolicyRef deny =
      on_bucket(R"({"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"})");
  const IdentityRef alice = user("alice", {on_user(kAllowAll)});
  for (const std::string_view action :
       {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}) {
    const RequestContext request{.action = action, .resource = "arn:aws:s3:::b"};
    EXPECT_EQ(decide(authorizer_.identities().root(), {.policy = deny}, request).reason, Reason::kRoot);
    EXPECT_EQ(decide(alice, {.policy = deny}, request).reason, Reason::kExplicitDeny) << action;
  }
}

TEST_F(AuthorizerTest, ADenyWithATagConditionIsAskedOfRootToo) {
  const PolicyRef tagged = on_bucket(
      R"({"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"b"}}})");
  const IdentityRef root = authorizer_.identities().root();
  EXPECT_TRUE(authorizer_.needs_object_tags(root, {.policy = tagged}));
  ConditionMap tags;
  tags.set("s3:ExistingObjectTag/a", "b");
  RequestContext request = kGet;
  EXPECT_TRUE(decide(root, {.policy = tagged}, request).allowed);
  request.conditions = &tags;
  EXPECT_FALSE(decide(root, {.policy = tagged}, request).allowed);
}

TEST_F(AuthorizerTest, IdentityAndBucketPoliciesTogether) {
  const IdentityRef alice = user("alice", {on_user(kAllowAll)});
  const IdentityRef bob = user("bob");
  const PolicyRef mixed = on_bucket(
      R"({"Effect":"Allow","Principal":{"AWS":"bob"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},)"
      R"({"Effect":"Deny","Principal":{"AWS":"alice"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"})");
  EXPECT_EQ(decide(alice, {.policy = mixed}, kGet).reason, Reason::kIdentityPolicy);
  EXPECT_EQ(decide(alice, {.policy = mixed}, kPut).reason, Reason::kExplicitDeny);
  EXPECT_EQ(decide(bob, {.policy = mixed}, kGet).reason, Reason::kBucketPolicy);
  EXPECT_EQ(decide(bob, {.policy = mixed}, kPut).reason, Reason::kNothingAllows);
  EXPECT_EQ(decide(alice, {}, kPut).reason, Reason::kIdentityPolicy) << "another policy, another answer";
  const IdentityRef denied = user(
      "carol",
      {on_user(kAllowAll), on_user(R"({"Effect":"Deny","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"})")});
  EXPECT_EQ(decide(denied, {.policy = on_bucket(kPublicGet)}, kGet).reason, Reason::kExplicitDeny);
}

TEST_F(AuthorizerTest, AnonymousByPolicyOrAclOnly) {
  const IdentityRef nobody = authorizer_.identities().anonymous();
  EXPECT_EQ(decide(nobody, {.policy = on_bucket(kPublicGet)}, kGet).reason, Reason::kBucketPolicy);
  EXPECT_FALSE(decide(nobody, {.policy = on_bucket(kPublicGet)}, kPut).allowed);
  EXPECT_EQ(decide(nobody, {.acl = CannedAcl::kPublicRead}, kList).reason, Reason::kAcl);
  EXPECT_FALSE(decide(nobody, {.acl = CannedAcl::kPublicRead}, kPut).allowed);
  EXPECT_TRUE(decide(nobody, {.acl = CannedAcl::kPublicReadWrite}, kPut).allowed);
  EXPECT_FALSE(decide(nobody, {.acl = CannedAcl::kAuthenticatedRead}, kList).allowed);
  EXPECT_TRUE(decide(user("alice"), {.acl = CannedAcl::kAuthenticatedRead}, kList).allowed);
}

TEST_F(AuthorizerTest, ABucketsGrantsReachWhoTheyNameAndAnotherListIsAnotherAnswer) {
  const IdentityRef alice = user("alice");
  const auto listed = [&](Permission permission) {
    return std::make_shared<const Grants>(Grants{{Grant::To::kUser, alice->canonical_id, permission}});
  };
  const BucketAccess reads{.acl = CannedAcl::kListed, .grants = listed(Permission::kRead)};
  const BucketAccess writes{.acl = CannedAcl::kListed, .grants = listed(Permission::kWrite)};
  EXPECT_EQ(decide(alice, reads, kList).reason, Reason::kAcl);
  EXPECT_FALSE(decide(alice, reads, kPut).allowed);
  EXPECT_FALSE(decide(alice, writes, kList).allowed);
  EXPECT_EQ(decide(alice, writes, kPut).reason, Reason::kAcl);
  EXPECT_FALSE(decide(user("bob"), writes, kPut).allowed);
}

TEST_F(AuthorizerTest, TheAclOfTheObjectIsAskedLast) {
  const IdentityRef nobody = authorizer_.identities().anonymous();
  const Decision open = decide(nobody, {}, kGet);
  EXPECT_TRUE(open.object_acl_may_allow);
  EXPECT_TRUE(
      with_object_acl(open, {.canned = CannedAcl::kPublicRead}, kGet.action, nobody->principal()).allowed);
  EXPECT_FALSE(
      with_object_acl(open, {.canned = CannedAcl::kPrivate}, kGet.action, nobody->principal()).allowed);
  EXPECT_FALSE(
      with_object_acl(open, {.canned = CannedAcl::kAuthenticatedRead}, kGet.action, nobody->principal())
          .allowed);
  EXPECT_FALSE(decide(nobody, {}, kPut).object_acl_may_allow);
  const PolicyRef deny =
      on_bucket(R"({"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"})");
  const Decision closed = decide(nobody, {.policy = deny}, kGet);
  EXPECT_FALSE(closed.object_acl_may_allow);
  EXPECT_FALSE(
      with_object_acl(closed, {.canned = CannedAcl::kPublicRead}, kGet.action, nobody->principal()).allowed);
}

TEST_F(AuthorizerTest, AnswersThatDependOnTheKeyAreNotReused) {
  const IdentityRef alice =
      user("alice", {on_user(R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/a/*"})")});
  EXPECT_TRUE(decide(alice, {}, {.action = "s3:GetObject", .resource = "arn:aws:s3:::b/a/1"}).allowed);
  EXPECT_FALSE(decide(alice, {}, {.action = "s3:GetObject", .resource = "arn:aws:s3:::b/b/1"}).allowed);
  EXPECT_TRUE(decide(alice, {}, {.action = "s3:GetObject", .resource = "arn:aws:s3:::b/a/2"}).allowed);
  EXPECT_EQ(authorizer_.counters().misses, 1U);
}

TEST_F(AuthorizerTest, AnswersThatDependOnConditionsAreNotReused) {
  const PolicyRef policy = on_bucket(
      R"({"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}})");
  const IdentityRef alice = user("alice", {on_user(kAllowAll)});
  ConditionMap plain;
  plain.set("aws:SecureTransport", "false");
  ConditionMap secure;
  secure.set("aws:SecureTransport", "true");
  RequestContext request = kGet;
  for (int i = 0; i < 3; ++i) {
    request.conditions = &plain;
    EXPECT_FALSE(decide(alice, {.policy = policy}, request).allowed);
    request.conditions = &secure;
    EXPECT_TRUE(decide(alice, {.policy = policy}, request).allowed);
  }
  EXPECT_EQ(authorizer_.counters().misses, 1U);
}

TEST_F(AuthorizerTest, TheEpochEmptiesTheCache) {
  const IdentityRef alice = user("alice", {on_user(kAllowAll)});
  EXPECT_TRUE(authorizer_.decide(alice, {}, kGet).allowed);
  EXPECT_TRUE(authorizer_.decide(alice, {}, kGet).allowed);
  EXPECT_EQ(authorizer_.counters().hits, 1U);
  iam_.touch();
  EXPECT_TRUE(authorizer_.decide(alice, {}, kGet).allowed);
  EXPECT_EQ(authorizer_.counters().misses, 2U);
  EXPECT_EQ(authorizer_.counters().epoch_changes, 1U);
}

TEST_F(AuthorizerTest, PublishedUsersAreFoundAndWithdrawnOnesAreNot) {
  EXPECT_EQ(authorizer_.identities().find("alice").error().code(), ErrorCode::kInvalidAccessKey);
  iam_.publish({user("alice", {on_user(kAllowAll)})});
  const auto found = authorizer_.identities().find("alice");
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(authorizer_.decide(*found, {}, kGet).allowed);
  auto disabled = std::make_shared<Identity>(**found);
  disabled->enabled = false;
  iam_.publish({disabled});
  EXPECT_EQ(authorizer_.identities().find("alice").error().message(), "The access key is disabled.");
  iam_.publish({});
  EXPECT_FALSE(authorizer_.identities().find("alice").has_value());
  EXPECT_TRUE(authorizer_.identities().find("rootuser").has_value());
}

TEST_F(AuthorizerTest, AHitAllocatesNothing) {
#ifndef FLASHSTOR_COUNTS_ALLOCATIONS
  GTEST_SKIP() << "allocations are not counted under the thread sanitizer";
#endif
  const IdentityRef alice = user("alice", {on_user(kAllowAll)});
  const BucketAccess bucket{.policy = on_bucket(kPublicGet)};
  EXPECT_TRUE(authorizer_.decide(alice, bucket, kGet).allowed);
  const std::size_t before = allocations;
#ifdef FLASHSTOR_COUNTS_ALLOCATIONS
  EXPECT_GT(before, 0U) << "nothing is counted";
#endif
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(authorizer_.decide(alice, bucket, kGet).allowed);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(authorizer_.counters().hits, 100U);
}

TEST_F(AuthorizerTest, AdministrativeActionsHaveNoResource) {
  const IdentityRef admin = user("admin1", {on_user(R"({"Effect":"Allow","Action":"admin:ListUsers"})")});
  EXPECT_TRUE(decide(admin, {}, {.action = "admin:ListUsers", .resource = ""}).allowed);
  EXPECT_FALSE(decide(admin, {}, {.action = "admin:CreateUser", .resource = ""}).allowed);
}

TEST_F(AuthorizerTest, ObjectTagsAreAskedForOnlyWhenAPolicyUsesThem) {
  const PolicyRef tagged = on_bucket(
      R"({"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"b"}}})");
  const IdentityRef nobody = authorizer_.identities().anonymous();
  EXPECT_TRUE(authorizer_.needs_object_tags(nobody, {.policy = tagged}));
  EXPECT_FALSE(authorizer_.needs_object_tags(nobody, {.policy = on_bucket(kPublicGet)}));
  EXPECT_FALSE(authorizer_.needs_object_tags(authorizer_.identities().root(), {}));
}

// The cached answer against the plain one, over thousands of policies put together at random.
TEST_F(AuthorizerTest, TheCacheAgreesWithPlainEvaluation) {
  base::SeededRandom random(20261123);
  const auto pick = [&](const auto& list) { return std::string(list[random.below(list.size())]); };
  constexpr std::array<std::string_view, 5> kActions = {"s3:*", "s3:Get*", "s3:GetObject", "s3:ListBucket",
                                                        "*"};
  constexpr std::array<std::string_view, 7> kResources = {
      "b", "b/*", "b*", "*", "b/a*", "b/?", "b/${aws:username}"};
  constexpr std::array<std::string_view, 4> kConditions = {
      "", "", R"(,"Condition":{"StringEquals":{"s3:prefix":"x"}})",
      R"(,"Condition":{"StringNotEquals":{"s3:prefix":"x"}})"};
  constexpr std::array<std::string_view, 3> kAllowed = {
      R"("Principal":"*",)", R"("Principal":{"AWS":"alice"},)", R"("Principal":{"AWS":"bob"},)"};
  constexpr std::array<std::string_view, 4> kDenied = {
      R"("Principal":"*",)", R"("Principal":{"AWS":"alice"},)", R"("NotPrincipal":{"AWS":"alice"},)",
      R"("NotPrincipal":{"AWS":"bob"},)"};
  constexpr std::array<std::string_view, 5> kAsked = {"b", "b/a", "b/alice", "b/xyz", "c/a"};
  const auto statement = [&](bool with_principal) {
    const bool denies = random.below(4) == 0;
    const std::string who = denies ? pick(kDenied) : pick(kAllowed);
    return std::string(R"({"Effect":")") + (denies ? "Deny" : "Allow") + "\"," + (with_principal ? who : "") +
           (random.below(8) == 0 ? "\"Not" : "\"") + "Action\":\"" + pick(kActions) + "\"," +
           (random.below(8) == 0 ? "\"Not" : "\"") + "Resource\":\"arn:aws:s3:::" + pick(kResources) + "\"" +
           pick(kConditions) + "}";
  };
  ConditionMap map;
  map.set("s3:prefix", "x");
  int allowed = 0;
  for (int round = 0; round < 3000; ++round) {
    const IdentityRef alice = user("alice", {on_user(statement(false) + "," + statement(false))});
    const auto parsed = Policy::parse(
        R"({"Version":"2012-10-17","Statement":[)" + statement(true) + "," + statement(true) + "]}",
        PolicyKind::kBucket, "b");
    const BucketAccess bucket{.policy = parsed.value_or(nullptr)};
    for (const std::string_view asked : kAsked) {
      const std::string resource = resource_arn(asked);
      const RequestContext request{.action = asked == "b" ? "s3:ListBucket" : "s3:GetObject",
                                   .resource = resource,
                                   .conditions = random.below(2) == 0 ? &map : nullptr};
      const Verdict own = alice->policies[0]->evaluate(alice->principal(), request);
      const Verdict bucket_says =
          bucket.policy ? bucket.policy->evaluate(alice->principal(), request) : Verdict::kNoMatch;
      const bool denied = own == Verdict::kDeny || bucket_says == Verdict::kDeny;
      const bool expected = !denied && (own == Verdict::kAllow || bucket_says == Verdict::kAllow);
      EXPECT_EQ(decide(alice, bucket, request).allowed, expected)
          << alice->policies[0]->text() << (bucket.policy ? bucket.policy->text() : "") << asked;
      allowed += expected;
    }
  }
  EXPECT_GT(allowed, 1000);
}

TEST(Iam, SnapshotsAreSeenWholeByOtherThreads) {
  Iam iam("rootuser", "rootpassword");
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::thread reader([&] {
    IamView view(iam);
    while (!stop) {
      const Snapshot& now = view.current();
      if (now.users.size() % 2 != 0) ++wrong;
    }
  });
  for (int i = 0; i < 200; ++i) {
    std::vector<IdentityRef> users;
    for (int n = 0; n < 2 * (i % 5); ++n) users.push_back(user("user" + std::to_string(n)));
    iam.publish(std::move(users));
  }
  stop = true;
  reader.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(iam.epoch(), 201U);
}

}  // namespace
}  // namespace flashstor::iam
