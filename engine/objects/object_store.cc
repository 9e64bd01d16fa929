#include "engine/objects/object_store.h"

#include "engine/objects/bucket_cache.h"
#include "engine/objects/commands.h"
#include "engine/objects/planners.h"
#include "engine/objects/queries.h"
#include "engine/objects/upload_rows.h"
#include "engine/objects/version_cache.h"

namespace flashstor::objects {

ObjectStore::ObjectStore(cluster::ClusterApi& cluster, BucketEpoch& epoch, Random& random,
                         StoreOptions options)
    : cluster_(cluster),
      epoch_(epoch),
      random_(random),
      options_(options),
      buckets_(std::make_unique<BucketCache>(SystemStore(cluster, random), epoch)),
      versions_(std::make_unique<VersionCache>()) {}

ObjectStore::~ObjectStore() = default;

Task<void> ObjectStore::close() { co_await gate_.close(); }

void ObjectStore::invalidate_buckets() { epoch_.advance(); }

void register_object_commands(cluster::CommandRegistry& registry) {
  const auto add = [&registry](ObjectCommand kind,
                               PlanTask (*planner)(cluster::RowView&, const cluster::Command&)) {
    registry.add_planner(static_cast<cluster::CommandKind>(kind), planner);
  };
  add(ObjectCommand::kPutVersion, plan_put_version);
  add(ObjectCommand::kDeleteVersion, plan_delete_version);
  add(ObjectCommand::kChangeAttributes, plan_change_attributes);
  add(ObjectCommand::kPutDocument, plan_document);
  add(ObjectCommand::kSetGate, plan_gate);
  add(ObjectCommand::kCreateUpload, plan_create_upload);
  add(ObjectCommand::kPutPart, plan_put_part);
  add(ObjectCommand::kCompleteUpload, plan_complete_upload);
  add(ObjectCommand::kAbortUpload, plan_abort_upload);
  add(ObjectCommand::kAddReferences, plan_add_references);
  add(ObjectCommand::kDropReferences, plan_drop_references);
  add(ObjectCommand::kSettleReferences, plan_settle_references);
  add(ObjectCommand::kRefuseReferrer, plan_refuse_referrer);
  register_object_queries(registry);
  register_upload_queries(registry);
}

}  // namespace flashstor::objects
