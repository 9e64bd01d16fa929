#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/async/sync.h"
#include "engine/async/task.h"
#include "engine/base/random.h"
#include "engine/iam/iam.h"
#include "engine/iam/secret_box.h"

namespace flashstor::iam {

enum class UserStatus : std::uint8_t { kEnabled = 0, kDisabled = 1 };

struct User {
  std::string access_key;
  std::string secret_key;
  UserStatus status = UserStatus::kEnabled;
  std::vector<std::string> policies;  ///< Names, sorted, each once.
};

/// Where identities are kept: a small persistent map from path to bytes. The objects layer implements it on
/// the system bucket, tests in memory. Paths are '/'-separated, at most 512 bytes of [A-Za-z0-9._%-].
class IdentityBackend {
 public:
  virtual ~IdentityBackend() = default;
  /// nullopt when there is nothing at `path`.
  virtual Task<Result<std::optional<std::string>>> load(std::string path) = 0;
  /// Durable, whole and visible to load on every node when it returns.
  virtual Task<Result<void>> save(std::string path, std::string bytes) = 0;
  /// Durable. Nothing at `path` is success.
  virtual Task<Result<void>> remove(std::string path) = 0;
  /// All paths that begin with `prefix`, in order.
  virtual Task<Result<std::vector<std::string>>> list(std::string prefix) = 0;
};

struct PolicyInfo {
  std::string name;
  bool builtin = false;
  std::string text;
};

/// The users and policies of a deployment: validates, stores (durably, secrets sealed), then publishes to
/// Iam. Threads: all on the one loop that loaded it; other loops come through run_on. Changes queue behind
/// each other.
class IdentityStore {
 public:
  /// All references must outlive the store.
  IdentityStore(Iam& iam, IdentityBackend& backend, const SecretBox& box, Random& random);
  IdentityStore(const IdentityStore&) = delete;
  IdentityStore& operator=(const IdentityStore&) = delete;
  ~IdentityStore();

  /// Reads everything and publishes it; again when another node changed something. After a change of the root
  /// credentials `previous` is the box of the old ones: what it opens is sealed anew and saved. A user whose
  /// secret does not open is left out (he can only be denied; his record stays) and logged once. Errors:
  /// kCorrupt when at the first load there are users and none opens: the root credentials are others (the
  /// message says so); kMalformed for a record that is none of ours, and the backend's. Nothing is published
  /// on error.
  Task<Result<void>> load(const SecretBox* previous = nullptr);

  /// Adds a user, or gives an existing one a new secret (as MinIO's `admin user add` does), enabled.
  /// Errors: kInvalidArgument (length, alphabet, root's own key), kQuotaExceeded.
  Task<Result<void>> add_user(std::string access_key, std::string secret_key);
  /// Errors of these: kNotFound for no such user or policy.
  Task<Result<void>> remove_user(std::string access_key);
  Task<Result<void>> set_status(std::string access_key, UserStatus status);
  Task<Result<void>> set_secret(std::string access_key, std::string secret_key);
  /// Every name must be a policy that exists. Attaching twice is success.
  Task<Result<void>> attach(std::string access_key, std::vector<std::string> policies);
  /// Errors: kNotFound when one of the names is not attached; then nothing changes.
  Task<Result<void>> detach(std::string access_key, std::vector<std::string> policies);

  /// Creates or replaces a policy. Errors: kInvalidArgument (name, or a built-in's), kMalformed (document).
  Task<Result<void>> put_policy(std::string name, std::string text);
  /// Errors: kNotFound, kInvalidArgument (a built-in), kConflict while it is attached to a user.
  Task<Result<void>> remove_policy(std::string name);

  [[nodiscard]] std::optional<User> user(std::string_view access_key) const;
  /// Sorted by access key.
  [[nodiscard]] std::vector<User> users() const;
  [[nodiscard]] std::optional<PolicyInfo> policy(std::string_view name) const;
  /// Built-in ones first, then sorted by name.
  [[nodiscard]] std::vector<PolicyInfo> policies() const;

 private:
  struct Named {
    PolicyRef policy;
    bool builtin = false;
  };
  using Users = std::map<std::string, User, std::less<>>;
  using Policies = std::map<std::string, Named, std::less<>>;

  Task<Result<Users>> load_users(const SecretBox* previous);
  Task<Result<Policies>> load_policies();
  /// Saves `user`, then makes it the one that counts.
  Task<Result<void>> replace_user(User user);
  [[nodiscard]] Result<User> need_user(std::string_view access_key) const;
  [[nodiscard]] IdentityRef identity_of(const User& user) const;
  void publish();

  Iam& iam_;
  IdentityBackend& backend_;
  const SecretBox& box_;
  Random& random_;
  async::Semaphore changes_{1};  ///< One change at a time: read, store, publish.
  Users users_;
  Policies policies_;
  bool loaded_ = false;
  std::set<std::string, std::less<>> unopened_;  ///< Paths of the users that were left out.
};

/// Errors: kInvalidArgument with words for a person.
[[nodiscard]] Result<void> check_access_key(std::string_view access_key);
[[nodiscard]] Result<void> check_secret_key(std::string_view secret_key);
[[nodiscard]] Result<void> check_policy_name(std::string_view name);

}  // namespace flashstor::iam
