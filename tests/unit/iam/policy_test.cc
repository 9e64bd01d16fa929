#include "engine/iam/policy.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/limits.h"
#include "engine/iam/statement.h"

namespace flashstor::iam {
namespace {

constexpr Principal kAlice{Principal::Kind::kUser, "alice", {}};
constexpr Principal kRoot{Principal::Kind::kRoot, "admin", {}};
constexpr Principal kAnonymous{};

std::string refusal(std::string_view text, PolicyKind kind = PolicyKind::kBucket) {
  const auto policy = Policy::parse(text, kind, "b");
  return policy ? std::string() : std::string(policy.error().message());
}

PolicyRef parsed(std::string_view text, PolicyKind kind = PolicyKind::kBucket) {
  const auto policy = Policy::parse(text, kind, "b");
  EXPECT_TRUE(policy.has_value()) << policy.error().describe() << "\n" << text;
  return policy.value_or(nullptr);
}

/// A bucket policy of one statement: `head` has its members but Effect.
PolicyRef bucket_allow(const std::string& members) {
  return parsed(R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow",)" + members + "}]}");
}
PolicyRef identity(const std::string& statements) {
  return parsed(R"({"Version":"2012-10-17","Statement":[)" + statements + "]}", PolicyKind::kIdentity);
}
Verdict ask(const PolicyRef& policy, const Principal& who, std::string_view action, std::string_view resource,
            const ConditionMap* map = nullptr) {
  return policy->evaluate(who, {.action = action, .resource = resource, .conditions = map});
}

TEST(PolicyParse, KeepsTheTextByteForByte) {
  const std::string text =
      " {\n\"Version\":\"2012-10-17\", "
      "\"Id\":\"x\",\t\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\","
      "\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::b/*\"}} ";
  EXPECT_EQ(parsed(text)->text(), text);
  EXPECT_EQ(parsed(text)->statements().size(), 1U);
}

TEST(PolicyParse, DocumentsThatAreNoPolicyAreRefusedWithWords) {
  const auto with = [](std::string_view statement) {
    return refusal(R"({"Version":"2012-10-17","Statement":[)" + std::string(statement) + "]}");
  };
  EXPECT_EQ(refusal(""), "Policies must be valid JSON and the first byte must be '{'");
  EXPECT_EQ(refusal("[]"), "Policies must be valid JSON and the first byte must be '{'");
  EXPECT_EQ(refusal("{"), "This policy contains invalid Json");
  EXPECT_EQ(refusal("{\"\xff\":1}"), "This policy contains invalid Json");
  EXPECT_EQ(refusal(R"({"Version":"2012-10-17","Version":"2012-10-17"})"),
            "This policy contains invalid Json");
  EXPECT_EQ(refusal("{}"), "Missing required field Statement");
  EXPECT_EQ(refusal(R"({"Statement":[]})"), "Missing required field Statement cannot be empty!");
  EXPECT_EQ(refusal(R"({"Statement":[1]})"), "Invalid policy syntax: a Statement must be an object");
  EXPECT_EQ(refusal(R"({"Version":"2013","Statement":[]})"),
            "The policy must contain a valid version string");
  EXPECT_EQ(refusal(R"({"Version":2012,"Statement":[]})"), "The policy must contain a valid version string");
  EXPECT_EQ(refusal(R"({"Statements":[]})"), "Unknown field Statements");
  EXPECT_EQ(with(R"({})"), "Missing required field Effect");
  EXPECT_EQ(with(R"({"Effect":"allow"})"), "Invalid effect: allow");
  EXPECT_EQ(with(R"({"Effect":1})"), "Invalid effect: ");
  EXPECT_EQ(with(R"({"Effect":"Allow","Extra":1})"), "Unknown field Extra");
  EXPECT_EQ(with(R"({"Sid":1,"Effect":"Allow"})"), "Invalid policy syntax: Sid must be a string");
  EXPECT_EQ(with(R"({"Effect":"Allow"})"), "Missing required field Principal");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*","NotPrincipal":"*"})"),
            "Invalid policy syntax: both Principal and NotPrincipal");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*"})"), "Missing required field Action");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*","Action":[]})"),
            "Missing required field Action cannot be empty!");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*","Action":1})"),
            "Invalid policy syntax: Action must be a string or a list");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*","Action":"s3:*","NotAction":"s3:*"})"),
            "Invalid policy syntax: both Action and NotAction");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*","Action":"s3:*"})"), "Missing required field Resource");
  EXPECT_EQ(with(R"({"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":[{}]})"),
            "Invalid policy syntax: Resource must be a string or a list");
}

TEST(PolicyParse, LimitsHold) {
  const std::string large = "{\"Id\":\"" + std::string(limits::kMaxPolicyBytes, 'a') + "\"}";
  const auto policy = Policy::parse(large, PolicyKind::kBucket, "b");
  ASSERT_FALSE(policy.has_value());
  EXPECT_EQ(policy.error().code(), ErrorCode::kEntityTooLarge);
  EXPECT_EQ(refusal("{\"Statement\":" + std::string(5000, '[')), "This policy contains invalid Json");
  EXPECT_EQ(
      refusal(
          R"({"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/)" +
          std::string(3000, 'x') + "\"}]}"),
      "A value in the policy is longer than 2048 bytes");
}

TEST(PolicyParse, ActionsAreKnownOnes) {
  const auto with = [](std::string_view action) {
    return refusal(R"({"Statement":{"Effect":"Allow","Principal":"*","Action":")" + std::string(action) +
                   R"(","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}})");
  };
  for (const std::string_view good : {"*", "s3:*", "s3:GetObject", "S3:getobject", "s3:Get*", "s3:?etObject"})
    EXPECT_EQ(with(good), "") << good;
  for (const std::string_view bad :
       {"", "s3", "s3:", "GetObject", "s3:GetObjekt", "s3:Foo*", "ec2:Run*", "s3:Get Object"})
    EXPECT_EQ(with(bad), "Policy has invalid action") << bad;
}

TEST(PolicyParse, ABucketPolicyIsAboutItsBucketOnly) {
  const auto with = [](std::string_view resource) {
    return refusal(R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":")" +
                   std::string(resource) + "\"}}");
  };
  for (const std::string_view good :
       {"arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::b*", "arn:aws:s3:::b/x?y",
        "arn:aws:s3:eu-west-1:*:b/*", "arn:aws:s3:::*", "arn:aws:s3:::?/k"})
    EXPECT_EQ(with(good), "") << good;
  for (const std::string_view bad : {"", "*", "b/*", "arn:aws:s3:::c/*", "arn:aws:s3:::bc/*",
                                     "arn:aws:s3:::", "arn:aws:sns:::b", "arn:aws:s3", "arn:aws:s3:::??"})
    EXPECT_EQ(with(bad), "Policy has invalid resource") << bad;
}

TEST(PolicyParse, AnActionNeedsAResourceItWorksOn) {
  const auto with = [](std::string_view action, std::string_view resource) {
    return refusal(R"({"Statement":{"Effect":"Allow","Principal":"*","Action":")" + std::string(action) +
                   R"(","Resource":"arn:aws:s3:::)" + std::string(resource) + "\"}}");
  };
  const std::string words = "Action does not apply to any resource(s) in statement";
  EXPECT_EQ(with("s3:GetObject", "b"), words);
  EXPECT_EQ(with("s3:ListBucket", "b/*"), words);
  EXPECT_EQ(with("s3:ListBucket", "b"), "");
  EXPECT_EQ(with("s3:GetObject", "b*"), "");
  EXPECT_EQ(with("s3:*", "b/*"), "");
}

TEST(PolicyParse, PrincipalsThatAreNoneAreRefused) {
  const auto with = [](std::string_view principal) {
    return refusal(R"({"Statement":{"Effect":"Allow","Principal":)" + std::string(principal) +
                   R"(,"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}})");
  };
  const std::string id(64, 'a');
  for (const std::string& good :
       {std::string(R"("*")"), std::string(R"({"AWS":"*"})"),
        std::string(R"({"AWS":["123456789012","alice"]})"),
        std::string(R"({"AWS":"arn:aws:iam::123456789012:root"})"),
        std::string(R"({"AWS":"arn:aws:iam:::user/alice"})"),
        std::string(R"({"AWS":"arn:aws:iam::*:user/div/alice"})"),
        std::string(R"({"Service":"logging.s3.amazonaws.com"})"), R"({"CanonicalUser":")" + id + "\"}"})
    EXPECT_EQ(with(good), "") << good;
  for (const std::string_view bad :
       {"1", "\"alice\"", "{}", "[]", R"({"AWS":[]})", R"({"AWS":1})", R"({"AWS":""})", R"({"aws":"x"})",
        R"({"CanonicalUser":"x"})", R"({"AWS":"arn:aws:iam::1:group/x"})", R"({"AWS":"arn:aws:s3:::b"})",
        R"({"AWS":"arn:aws:iam::x"})", R"({"AWS":"a b"})", R"({"AWS":"arn:aws:iam:::user/"})",
        R"({"AWS":"arn:"})"})
    EXPECT_EQ(with(bad), "Invalid principal in policy") << bad;
}

TEST(PolicyParse, IdentityPoliciesHaveNoPrincipal) {
  EXPECT_EQ(refusal(R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}})",
                    PolicyKind::kIdentity),
            "Policy document should not specify a principal.");
  EXPECT_EQ(refusal(R"({"Statement":{"Effect":"Allow","Action":"s3:*"}})", PolicyKind::kIdentity),
            "Missing required field Resource");
  EXPECT_EQ(refusal(R"({"Statement":{"Effect":"Allow","Action":"admin:*"}})", PolicyKind::kIdentity), "");
}

TEST(PolicyParse, SidsDiffer) {
  const std::string one =
      R"({"Sid":"a","Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"})";
  EXPECT_EQ(refusal("{\"Statement\":[" + one + "," + one + "]}"),
            "Statement IDs (SID) in a single policy must be unique: a");
}

TEST(PolicyEvaluate, DenyWinsWhereverItStands) {
  const std::string allow = R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"})";
  const std::string deny = R"({"Effect":"Deny","Action":"s3:Delete*","Resource":"arn:aws:s3:::b/keep/*"})";
  for (const PolicyRef& policy : {identity(allow + "," + deny), identity(deny + "," + allow)}) {
    EXPECT_EQ(ask(policy, kAlice, "s3:DeleteObject", "arn:aws:s3:::b/keep/x"), Verdict::kDeny);
    EXPECT_EQ(ask(policy, kAlice, "s3:DeleteObject", "arn:aws:s3:::b/x"), Verdict::kAllow);
    EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::b/keep/x"), Verdict::kAllow);
    EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::c/x"), Verdict::kNoMatch);
    EXPECT_EQ(ask(policy, kAlice, "s3:ListBucket", "arn:aws:s3:::b"), Verdict::kNoMatch);
  }
}

TEST(PolicyEvaluate, NotActionAndNotResource) {
  const PolicyRef policy = identity(
      R"({"Effect":"Allow","NotAction":["s3:Delete*","admin:*"],"NotResource":"arn:aws:s3:::b/x*"})");
  EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::b/y"), Verdict::kAllow);
  EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::b/xy"), Verdict::kNoMatch);
  EXPECT_EQ(ask(policy, kAlice, "s3:DeleteObject", "arn:aws:s3:::b/y"), Verdict::kNoMatch);
}

TEST(PolicyEvaluate, Principals) {
  const auto allowed = [](const std::string& principal, const Principal& who) {
    const PolicyRef policy =
        bucket_allow(principal + R"(,"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*")");
    return ask(policy, who, "s3:GetObject", "arn:aws:s3:::b/k") == Verdict::kAllow;
  };
  for (const std::string everyone : {R"("Principal":"*")", R"("Principal":{"AWS":"*"})"}) {
    EXPECT_TRUE(allowed(everyone, kAnonymous));
    EXPECT_TRUE(allowed(everyone, kAlice));
  }
  for (const std::string alice :
       {R"("Principal":{"AWS":"alice"})", R"("Principal":{"AWS":"arn:aws:iam:::user/alice"})",
        R"("Principal":{"AWS":["bob","arn:aws:iam::*:user/p/alice"]})"}) {
    EXPECT_TRUE(allowed(alice, kAlice)) << alice;
    EXPECT_FALSE(allowed(alice, kAnonymous)) << alice;
    EXPECT_FALSE(allowed(alice, kRoot)) << alice;
  }
  EXPECT_FALSE(allowed(R"("Principal":{"AWS":"arn:aws:iam::123456789012:root"})", kAlice));
  EXPECT_TRUE(allowed(R"("Principal":{"AWS":"arn:aws:iam::123456789012:root"})", kRoot));
  EXPECT_FALSE(allowed(R"("Principal":{"Service":"logging.s3.amazonaws.com"})", kAlice));
  const std::string id(64, 'a');
  const Principal with_id{Principal::Kind::kUser, "carol", id};
  EXPECT_TRUE(allowed("\"Principal\":{\"CanonicalUser\":\"" + std::string(64, 'A') + "\"}", with_id));
  EXPECT_FALSE(allowed("\"Principal\":{\"CanonicalUser\":\"" + std::string(64, 'b') + "\"}", with_id));
}

TEST(PolicyEvaluate, DenyingTheAccountDeniesItsUsers) {
  const PolicyRef policy = parsed(
      R"({"Statement":{"Effect":"Deny","Principal":{"AWS":"123456789012"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}})");
  EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::b/k"), Verdict::kDeny);
  EXPECT_EQ(ask(policy, kAnonymous, "s3:GetObject", "arn:aws:s3:::b/k"), Verdict::kNoMatch);
}

// Such a policy was taken, and opened the bucket to everybody else in the world.
TEST(PolicyParse, AllowWithNotPrincipalIsRefused) {
  EXPECT_EQ(
      refusal(
          R"({"Statement":{"Effect":"Allow","NotPrincipal":{"AWS":"alice"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}})"),
      "Invalid policy syntax: Allow with NotPrincipal is not supported");
}

// The account among those spared by a Deny spared every user of it.
TEST(PolicyEvaluate, NotPrincipalSparesThoseNamedAndOfTheAccountRootAlone) {
  const auto denied = [](const std::string& spared, const Principal& who) {
    const PolicyRef policy = parsed(R"({"Statement":{"Effect":"Deny","NotPrincipal":)" + spared +
                                    R"(,"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}})");
    return ask(policy, who, "s3:GetObject", "arn:aws:s3:::b/k") == Verdict::kDeny;
  };
  EXPECT_FALSE(denied(R"({"AWS":"alice"})", kAlice));
  EXPECT_TRUE(denied(R"({"AWS":"bob"})", kAlice));
  EXPECT_TRUE(denied(R"({"AWS":"alice"})", kAnonymous));
  EXPECT_TRUE(denied(R"({"AWS":"arn:aws:iam::123456789012:root"})", kAlice));
  EXPECT_FALSE(denied(R"({"AWS":"arn:aws:iam::123456789012:root"})", kRoot));
  EXPECT_FALSE(denied(R"({"AWS":["arn:aws:iam::123456789012:root","alice"]})", kAlice));
}

TEST(PolicyEvaluate, VariablesInResourcesNeedTheNewVersion) {
  const std::string statement =
      R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"})";
  const PolicyRef policy = identity(statement);
  EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::home/alice/x"), Verdict::kAllow);
  EXPECT_EQ(ask(policy, kAlice, "s3:GetObject", "arn:aws:s3:::home/bob/x"), Verdict::kNoMatch);
  EXPECT_EQ(ask(policy, kAnonymous, "s3:GetObject", "arn:aws:s3:::home//x"), Verdict::kNoMatch);
  const PolicyRef old =
      parsed(R"({"Version":"2008-10-17","Statement":)" + statement + "}", PolicyKind::kIdentity);
  EXPECT_EQ(ask(old, kAlice, "s3:GetObject", "arn:aws:s3:::home/alice/x"), Verdict::kNoMatch);
  EXPECT_EQ(ask(old, kAlice, "s3:GetObject", "arn:aws:s3:::home/${aws:username}/x"), Verdict::kAllow);
}

TEST(PolicyEvaluate, ConditionsNarrowAnAllow) {
  const PolicyRef policy = bucket_allow(
      R"("Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})");
  ConditionMap inside;
  inside.set("aws:SourceIp", "10.1.2.3");
  ConditionMap outside;
  outside.set("aws:SourceIp", "11.1.2.3");
  EXPECT_EQ(ask(policy, kAnonymous, "s3:GetObject", "arn:aws:s3:::b/k", &inside), Verdict::kAllow);
  EXPECT_EQ(ask(policy, kAnonymous, "s3:GetObject", "arn:aws:s3:::b/k", &outside), Verdict::kNoMatch);
  EXPECT_EQ(ask(policy, kAnonymous, "s3:GetObject", "arn:aws:s3:::b/k"), Verdict::kNoMatch);
}

TEST(PolicyEvaluate, BuiltinPolicies) {
  const auto allows = [](std::string_view name, std::string_view action, std::string_view resource) {
    return ask(parsed(builtin_policy(name), PolicyKind::kIdentity), kAlice, action, resource) ==
           Verdict::kAllow;
  };
  EXPECT_EQ(builtin_policy_names().size(), 6U);
  EXPECT_TRUE(allows("readwrite", "s3:DeleteObject", "arn:aws:s3:::b/k"));
  EXPECT_TRUE(allows("readwrite", "s3:ListAllMyBuckets", "arn:aws:s3:::*"));
  EXPECT_FALSE(allows("readwrite", "admin:ListUsers", ""));
  EXPECT_TRUE(allows("readonly", "s3:GetObject", "arn:aws:s3:::b/k"));
  EXPECT_FALSE(allows("readonly", "s3:PutObject", "arn:aws:s3:::b/k"));
  EXPECT_TRUE(allows("writeonly", "s3:PutObject", "arn:aws:s3:::b/k"));
  EXPECT_FALSE(allows("writeonly", "s3:GetObject", "arn:aws:s3:::b/k"));
  EXPECT_TRUE(allows("diagnostics", "admin:ServerTrace", ""));
  EXPECT_FALSE(allows("diagnostics", "admin:CreateUser", ""));
  EXPECT_TRUE(allows("consoleAdmin", "admin:CreateUser", ""));
  EXPECT_TRUE(allows("consoleAdmin", "s3:PutBucketPolicy", "arn:aws:s3:::b"));
  EXPECT_EQ(builtin_policy("nosuch"), "");
}

TEST(PolicyEvaluate, OwnBucketsIsWhatItsNameSays) {
  const auto policy = parsed(builtin_policy("ownbuckets"), PolicyKind::kIdentity);
  ConditionMap own, other;
  own.set("flashstor:BucketOwner", "alice");
  other.set("flashstor:BucketOwner", "bob");
  EXPECT_EQ(ask(policy, kAlice, "s3:CreateBucket", "arn:aws:s3:::new"), Verdict::kAllow);
  EXPECT_EQ(ask(policy, kAlice, "s3:ListAllMyBuckets", "arn:aws:s3:::*"), Verdict::kAllow);
  for (const std::string_view action :
       {"s3:GetObject", "s3:PutObject", "s3:PutBucketPolicy", "s3:DeleteBucket"}) {
    EXPECT_EQ(ask(policy, kAlice, action, "arn:aws:s3:::b/k", &own), Verdict::kAllow) << action;
    EXPECT_EQ(ask(policy, kAlice, action, "arn:aws:s3:::b/k", &other), Verdict::kNoMatch) << action;
    EXPECT_EQ(ask(policy, kAlice, action, "arn:aws:s3:::b/k"), Verdict::kNoMatch) << action;
  }
}

TEST(PolicyPublic, AsAwsDefines) {
  const auto is_public = [](const std::string& members) {
    return bucket_allow(members + R"(,"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*")")->is_public();
  };
  const auto when = [&](const std::string& condition) {
    return is_public(R"("Principal":"*","Condition":)" + condition);
  };
  EXPECT_TRUE(is_public(R"("Principal":"*")"));
  EXPECT_TRUE(is_public(R"("Principal":{"AWS":["alice","*"]})"));
  EXPECT_TRUE(is_public(R"("Principal":{"AWS":"al*"})"));
  EXPECT_FALSE(is_public(R"("Principal":{"AWS":["alice","arn:aws:iam::123456789012:root"]})"));
  EXPECT_FALSE(when(R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}})"));
  EXPECT_TRUE(when(R"({"IpAddress":{"aws:SourceIp":"128.0.0.0/7"}})"));
  EXPECT_TRUE(when(R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","::/0"]}})"));
  EXPECT_TRUE(when(R"({"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}})"));
  EXPECT_FALSE(when(R"({"StringEquals":{"aws:SourceVpc":"vpc-1"}})"));
  EXPECT_FALSE(when(R"({"StringLike":{"aws:SourceVpc":"vpc-1"}})"));
  EXPECT_TRUE(when(R"({"StringLike":{"aws:SourceVpc":"vpc-*"}})"));
  EXPECT_TRUE(when(R"({"StringEquals":{"aws:SourceVpc":"${aws:SourceVpc}"}})"));
  EXPECT_TRUE(when(R"({"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}})"));
  EXPECT_TRUE(when(R"({"StringEquals":{"s3:prefix":"x"}})"));
  EXPECT_TRUE(when(R"({"Bool":{"aws:SecureTransport":"true"}})"));
  EXPECT_FALSE(
      parsed(R"({"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b"}})")
          ->is_public());
}

TEST(Policy, SaysWhichKeysItUses) {
  const PolicyRef policy = bucket_allow(
      R"("Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"${aws:username}"}})");
  EXPECT_TRUE(policy->uses_object_tags());
  EXPECT_TRUE(policy->uses_key("aws:user"));
  EXPECT_FALSE(policy->uses_key("s3:prefix"));
}

}  // namespace
}  // namespace flashstor::iam
