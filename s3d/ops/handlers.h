#pragma once

#include "engine/async/task.h"

/// The handlers of the dispatch table, one file per group of operations. Each answers its request or returns
/// why not.
namespace flashstor::s3d {

class Call;

Task<Result<void>> list_buckets(Call& call);
Task<Result<void>> list_objects(Call& call);
Task<Result<void>> list_objects_v2(Call& call);
Task<Result<void>> list_object_versions(Call& call);
Task<Result<void>> list_multipart_uploads(Call& call);
Task<Result<void>> create_bucket(Call& call);
Task<Result<void>> head_bucket(Call& call);
Task<Result<void>> delete_bucket(Call& call);
Task<Result<void>> get_bucket_location(Call& call);
Task<Result<void>> get_bucket_versioning(Call& call);
Task<Result<void>> put_bucket_versioning(Call& call);
Task<Result<void>> get_bucket_policy(Call& call);
Task<Result<void>> put_bucket_policy(Call& call);
Task<Result<void>> delete_bucket_policy(Call& call);
Task<Result<void>> get_bucket_policy_status(Call& call);
Task<Result<void>> get_bucket_tagging(Call& call);
Task<Result<void>> put_bucket_tagging(Call& call);
Task<Result<void>> delete_bucket_tagging(Call& call);
Task<Result<void>> get_bucket_acl(Call& call);
Task<Result<void>> put_bucket_acl(Call& call);
Task<Result<void>> get_bucket_cors(Call& call);
Task<Result<void>> put_bucket_cors(Call& call);
Task<Result<void>> delete_bucket_cors(Call& call);
Task<Result<void>> preflight(Call& call);
Task<Result<void>> get_public_access_block(Call& call);
Task<Result<void>> put_public_access_block(Call& call);
Task<Result<void>> delete_public_access_block(Call& call);
Task<Result<void>> get_bucket_ownership_controls(Call& call);
Task<Result<void>> put_bucket_ownership_controls(Call& call);
Task<Result<void>> delete_bucket_ownership_controls(Call& call);
Task<Result<void>> get_object_lock_configuration(Call& call);
Task<Result<void>> put_object_lock_configuration(Call& call);
Task<Result<void>> delete_objects(Call& call);
Task<Result<void>> get_object(Call& call);
Task<Result<void>> head_object(Call& call);
Task<Result<void>> put_object(Call& call);
Task<Result<void>> copy_object(Call& call);
Task<Result<void>> delete_object(Call& call);
Task<Result<void>> get_object_attributes(Call& call);
Task<Result<void>> get_object_tagging(Call& call);
Task<Result<void>> put_object_tagging(Call& call);
Task<Result<void>> delete_object_tagging(Call& call);
Task<Result<void>> get_object_acl(Call& call);
Task<Result<void>> put_object_acl(Call& call);
Task<Result<void>> get_object_retention(Call& call);
Task<Result<void>> put_object_retention(Call& call);
Task<Result<void>> get_object_legal_hold(Call& call);
Task<Result<void>> put_object_legal_hold(Call& call);
Task<Result<void>> create_multipart_upload(Call& call);
Task<Result<void>> upload_part(Call& call);
Task<Result<void>> upload_part_copy(Call& call);
Task<Result<void>> complete_multipart_upload(Call& call);
Task<Result<void>> abort_multipart_upload(Call& call);
Task<Result<void>> list_parts(Call& call);

}  // namespace flashstor::s3d
