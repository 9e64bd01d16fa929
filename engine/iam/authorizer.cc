#include "engine/iam/authorizer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "engine/iam/limits.h"
#include "engine/iam/statement.h"

namespace flashstor::iam {
namespace {

/// A resource split where the cache can: the ARN up to and with the bucket's '/', and whether a key follows.
struct Scope {
  std::string_view prefix;
  bool is_object = false;
};

Scope scope_of(std::string_view resource) {
  const std::size_t slash =
      resource.starts_with(kS3ArnPrefix) ? resource.find('/', kS3ArnPrefix.size()) : std::string_view::npos;
  if (slash == std::string_view::npos) return {resource, false};
  return {resource.substr(0, slash + 1), true};
}

/// What no policy takes from root: otherwise one statement could close a bucket for good.
bool manages_bucket_policy(std::string_view action) {
  return action == "s3:GetBucketPolicy" || action == "s3:PutBucketPolicy" ||
         action == "s3:DeleteBucketPolicy";
}

/// What is left of the policies once identity, action and bucket are known.
struct Residue {
  struct Open {
    const Statement* statement;
    Reason reason;
  };
  bool denies = false;                        ///< Whatever the key and conditions.
  Reason allows = Reason::kNothingAllows;     ///< Likewise; or kNothingAllows.
  std::vector<const Statement*> open_denies;  ///< Denies to be looked at for each request.
  std::vector<Open> open_allows;

  void clear() {
    denies = false;
    allows = Reason::kNothingAllows;
    open_denies.clear();
    open_allows.clear();
  }

  void add(const Policy& policy, Reason reason, const Principal& principal, std::string_view action,
           Scope scope) {
    for (const Statement& statement : policy.statements()) {
      if (!statement.concerns(principal, action)) continue;
      const Coverage coverage =
          scope.prefix.empty() ? Coverage::kAll : statement.covers(scope.prefix, !scope.is_object);
      if (coverage == Coverage::kNone) continue;
      const bool settled = coverage == Coverage::kAll && statement.conditions.empty();
      if (statement.effect == Effect::kDeny) {
        if (settled) denies = true;
        if (!settled) open_denies.push_back(&statement);
      } else if (!settled) {
        open_allows.push_back({&statement, reason});
      } else if (allows == Reason::kNothingAllows) {
        allows = reason;
      }
    }
  }
};

Decision answer(const Residue& residue, const Principal& principal, const RequestContext& request) {
  if (residue.denies) return {false, Reason::kExplicitDeny};
  const RequestKeys keys(principal, request);
  for (const Statement* statement : residue.open_denies) {
    if (statement->holds_for(keys, request.resource)) return {false, Reason::kExplicitDeny};
  }
  if (residue.allows != Reason::kNothingAllows) return {true, residue.allows};
  for (const Residue::Open& open : residue.open_allows) {
    if (open.statement->holds_for(keys, request.resource)) return {true, open.reason};
  }
  return {false, Reason::kNothingAllows, object_acl_knows(request.action)};
}

}  // namespace

/// Set-associative and of fixed size. Entries hold their identity and policy, so that an address cannot come
/// to mean another.
struct Authorizer::Cache {
  struct Entry {
    IdentityRef identity;  ///< nullptr: the entry is free.
    PolicyRef policy;
    CannedAcl acl = CannedAcl::kPrivate;
    std::shared_ptr<const Grants> grants;
    std::string action;
    std::string prefix;
    bool is_object = false;
    Residue residue;
  };
  struct Set {
    std::array<Entry, limits::kDecisionCacheWays> ways;
    std::uint8_t next = 0;  ///< The way to fill next.
  };
  std::vector<Set> sets = std::vector<Set>(limits::kDecisionCacheSets);

  static std::size_t hash(const Identity& identity, std::string_view action, Scope scope) {
    const std::hash<std::string_view> text;
    std::size_t mixed = std::hash<const void*>{}(&identity) >> 4;
    mixed = (mixed ^ text(action)) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ text(scope.prefix)) * 0x9e3779b97f4a7c15;
    return (mixed >> 32) & (limits::kDecisionCacheSets - 1);
  }

  static bool is_for(const Entry& entry, const IdentityRef& identity, const BucketAccess& bucket,
                     std::string_view action, Scope scope) {
    return entry.identity == identity && entry.policy == bucket.policy && entry.acl == bucket.acl &&
           entry.grants == bucket.grants && entry.is_object == scope.is_object && entry.action == action &&
           entry.prefix == scope.prefix;
  }

  static void fill(Entry& entry, const IdentityRef& identity, const BucketAccess& bucket,
                   std::string_view action, Scope scope) {
    entry.identity = identity;
    entry.policy = bucket.policy;
    entry.acl = bucket.acl;
    entry.grants = bucket.grants;
    entry.is_object = scope.is_object;
    entry.action = action;
    entry.prefix = scope.prefix;
    entry.residue.clear();
    const Principal principal = identity->principal();
    if (principal.kind == Principal::Kind::kRoot) entry.residue.allows = Reason::kRoot;
    for (const PolicyRef& policy : identity->policies)
      entry.residue.add(*policy, Reason::kIdentityPolicy, principal, action, scope);
    if (bucket.policy != nullptr)
      entry.residue.add(*bucket.policy, Reason::kBucketPolicy, principal, action, scope);
    const Acl acl{bucket.acl, bucket.grants == nullptr ? Grants{} : *bucket.grants};
    if (entry.residue.allows == Reason::kNothingAllows &&
        acl_allows(acl, AclTarget::kBucket, action, principal))
      entry.residue.allows = Reason::kAcl;
  }

  void clear() {
    for (Set& set : sets) {
      for (Entry& entry : set.ways) {
        entry.identity = nullptr;
        entry.policy = nullptr;
        entry.grants = nullptr;
      }
    }
  }
};

std::string_view name_of(Reason reason) {
  switch (reason) {
    case Reason::kRoot:
      return "root";
    case Reason::kIdentityPolicy:
      return "identity-policy";
    case Reason::kBucketPolicy:
      return "bucket-policy";
    case Reason::kAcl:
      return "acl";
    case Reason::kExplicitDeny:
      return "explicit-deny";
    case Reason::kNothingAllows:
      return "nothing-allows";
  }
  return "unknown";
}

Decision with_object_acl(const Decision& decision, const Acl& object_acl, std::string_view action,
                         const Principal& principal) {
  if (decision.allowed || decision.reason == Reason::kExplicitDeny ||
      !acl_allows(object_acl, AclTarget::kObject, action, principal))
    return decision;
  return {true, Reason::kAcl};
}

Authorizer::Authorizer(const Iam& iam)
    : view_(iam), epoch_(view_.current().epoch), cache_(std::make_unique<Cache>()) {}

Authorizer::~Authorizer() = default;

Decision Authorizer::decide(const IdentityRef& identity, const BucketAccess& bucket,
                            const RequestContext& request) {
  const Principal principal = identity->principal();
  const bool is_root = principal.kind == Principal::Kind::kRoot;
  if (is_root && (bucket.policy == nullptr || manages_bucket_policy(request.action)))
    return {true, Reason::kRoot};
  if (const std::uint64_t epoch = view_.current().epoch; epoch != epoch_) [[unlikely]] {
    cache_->clear();
    epoch_ = epoch;
    ++counters_.epoch_changes;
  }
  const Scope scope = scope_of(request.resource);
  Cache::Set& set = cache_->sets[Cache::hash(*identity, request.action, scope)];
  const auto is_for = [&](const Cache::Entry& entry) {
    return Cache::is_for(entry, identity, bucket, request.action, scope);
  };
  auto entry = std::ranges::find_if(set.ways, is_for);
  if (entry != set.ways.end()) {
    ++counters_.hits;
  } else {
    ++counters_.misses;
    entry = set.ways.begin() + set.next;
    set.next = static_cast<std::uint8_t>((set.next + 1) % limits::kDecisionCacheWays);
    Cache::fill(*entry, identity, bucket, request.action, scope);
  }
  const Decision decision = answer(entry->residue, principal, request);
  if (decision.reason == Reason::kExplicitDeny) ++counters_.denied_explicitly;
  if (decision.reason == Reason::kNothingAllows) ++counters_.denied_by_default;
  return decision;
}

bool Authorizer::needs_object_tags(const IdentityRef& identity, const BucketAccess& bucket) const {
  const auto uses_tags = [](const PolicyRef& policy) { return policy->uses_object_tags(); };
  return (bucket.policy != nullptr && uses_tags(bucket.policy)) ||
         std::ranges::any_of(identity->policies, uses_tags);
}

}  // namespace flashstor::iam
