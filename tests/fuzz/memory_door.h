#pragma once

#include <memory>
#include <string>

#include "engine/async/uv_runtime.h"
#include "engine/objects/commands.h"
#include "engine/objects/object_store.h"
#include "s3d/admin/admin_api.h"
#include "s3d/ops/bucket_policies.h"
#include "tests/support/door.h"
#include "tests/support/fake_set.h"

namespace flashstor::fuzz {

/// Everything behind the HTTP parser, over sets in memory: one bucket "bkt" with an upload of "k".
/// Made anew for each input, so that an input alone is what happened.
class MemoryDoor {
 public:
  explicit MemoryDoor(async::UvRuntime& runtime) : runtime_(runtime) {
    objects::register_object_commands(registry_);
    FLASHSTOR_CHECK(runtime_.run_until(identities_.load()).has_value());
    FLASHSTOR_CHECK(runtime_.run_until(fill(this)).has_value());
  }
  MemoryDoor(const MemoryDoor&) = delete;
  MemoryDoor& operator=(const MemoryDoor&) = delete;
  ~MemoryDoor() { runtime_.run_until(store_.close()); }

  [[nodiscard]] s3d::Services& services() { return services_; }
  [[nodiscard]] s3d::AdminApi& admin() { return admin_; }
  [[nodiscard]] iam::IdentityRef root() { return authorizer_.identities().root(); }
  [[nodiscard]] objects::ObjectStore& store() { return store_; }
  /// The upload that is there from the start.
  [[nodiscard]] const std::string& upload() const { return upload_; }

 private:
  static Task<Result<void>> fill(MemoryDoor* door) {
    objects::CreateBucketRequest bucket;
    bucket.name = "bkt";
    co_await or_return(door->store_.create_bucket(std::move(bucket)));
    objects::CreateUploadRequest upload{.bucket = "bkt", .key = "k"};
    door->upload_ = (co_await or_return(door->store_.create_upload(std::move(upload)))).upload_id;
    co_return {};
  }
  class NoCredentials final : public s3d::CredentialSource {
   public:
    Task<Result<const s3d::Credential*>> find(std::string_view) override {
      co_return fail(ErrorCode::kInvalidAccessKey);
    }
  };

  async::UvRuntime& runtime_;
  base::SeededRandom random_{7};
  cluster::CommandRegistry registry_;
  flashstor::testing::FakeCluster cluster_{registry_, 1, 4};
  objects::BucketEpoch epoch_;
  objects::ObjectStore store_{cluster_, epoch_, random_};
  objects::SystemStore system_{cluster_, random_};
  s3d::StoredIdentities backend_{system_};
  iam::Iam iam_{"rootuser", "rootpassword"};
  iam::SecretBox box_{"rootuser", "rootpassword"};
  iam::IdentityStore identities_{iam_, backend_, box_, random_};
  iam::Authorizer authorizer_{iam_};
  NoCredentials credentials_;
  s3d::SignatureVerifier verifier_{credentials_, {}};
  s3d::NodeFacts facts_;
  s3d::BucketPolicies policies_;
  s3d::OwnerNames owners_;
  s3d::RequestStats stats_;
  s3d::TraceHub trace_;
  s3d::Services services_{facts_,    runtime_, store_, authorizer_, verifier_,
                          policies_, owners_,  stats_, trace_};
  s3d::AdminApi admin_{{.version = "1.2.3",
                        .address = "127.0.0.1:9000",
                        .started = MonotonicTime{} + Nanoseconds(1),
                        .mount_socket = [] { return std::string("/run/x.sock"); },
                        .heal = {},
                        .nodes = {}},
                       runtime_,
                       identities_};
  std::string upload_;
};

}  // namespace flashstor::fuzz
