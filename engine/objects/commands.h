#pragma once

#include "engine/cluster/set_api.h"

namespace flashstor::objects {

/// Kinds of this layer (1-99). On the wire: never reuse one.
enum class ObjectCommand : cluster::CommandKind {
  // Commands.
  kPutVersion = 1,
  kDeleteVersion = 2,
  kChangeAttributes = 3,
  kPutDocument = 4,
  kSetGate = 5,
  kCreateUpload = 6,
  kPutPart = 7,
  kCompleteUpload = 8,
  kAbortUpload = 9,
  kAddReferences = 10,
  kDropReferences = 11,
  kSettleReferences = 12,
  kRefuseReferrer = 13,
  // Queries.
  kGetVersion = 50,
  kListVersions = 51,
  kGetExtentRow = 52,
  kListUploads = 53,
  kGetUpload = 54,
  kListDocuments = 55,
  kListDropIntents = 56,
};

/// Adds the planners and queries of objects and buckets. Once, by main, before the first set starts.
void register_object_commands(cluster::CommandRegistry& registry);

}  // namespace flashstor::objects
