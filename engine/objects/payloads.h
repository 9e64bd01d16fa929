#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cluster/set_api.h"
#include "engine/objects/commands.h"
#include "engine/objects/multipart_types.h"
#include "engine/objects/rows.h"
#include "engine/objects/types.h"
#include "engine/objects/version_row.h"

/// What travels to a set's leader, and its encoding. The decoders give kMalformed.
namespace flashstor::objects {

/// Where a command of a bucket goes: the first thing in each payload.
struct Target {
  Uuid bucket;
  std::uint64_t epoch = 0;
  Versioning versioning = Versioning::kUnversioned;
  std::string key;
};

struct PutVersionPayload {
  Target target;
  Conditions conditions;
  VersionRow row;
  bool has_data = false;
  std::string slices_row;  ///< The row of layout kSlicesRow, if the version has one.
};
struct DeleteVersionPayload {
  Target target;
  std::string version_id;
  Conditions conditions;
  bool bypass_governance = false;
  std::string owner;  ///< Of the delete marker.
};
struct ChangeAttributesPayload {
  enum class What : std::uint8_t { kTags = 1, kAcl = 2, kRetention = 3, kLegalHold = 4, kPosix = 5 };
  Target target;
  std::string version_id;
  What what = What::kTags;
  bool bypass_governance = false;
  ObjectAttributes attributes;  ///< Of which `what` counts.
};
struct DocumentPayload {
  std::string path;
  bool conditional = false;
  std::string revision;              ///< With `conditional`: empty means that nothing is there.
  std::optional<std::string> bytes;  ///< None: remove.
};
struct GatePayload {
  enum class Action : std::uint8_t { kRaise = 1, kFreeze = 2, kThaw = 3 };
  Uuid bucket;
  Action action = Action::kRaise;
  std::uint64_t epoch = 0;
  Uuid token;
};
struct ReferencesPayload {
  // kAddReferences: the version or part that already has the data.
  Uuid bucket;
  std::string key;
  VersionId version;
  Uuid new_referrer;
  std::vector<DroppedReference> uses;  ///< With the referrer that the source has.
  bool intents_only = false;           ///< kDropReferences: the rows themselves went in another set.
  std::uint32_t home = 0;              ///< The set of the row that uses the data.
  bool forget = false;                 ///< kSettleReferences: in that set, what became of the referrer too.
};
struct CreateUploadPayload {
  Target target;
  VersionRow row;  ///< Attributes and checksum kind of the object to come.
};
struct PutPartPayload {
  Target target;
  Uuid upload;
  PartInfo part;
  std::vector<Slice> slices;
  bool has_data = false;
};
struct CompleteUploadPayload {
  Target target;
  Uuid upload;
  std::vector<CompletedPart> parts;
  Conditions conditions;
  Checksum checksum;
  std::optional<std::uint64_t> expected_size;
  std::uint64_t min_part_bytes = 0;
};
struct AbortUploadPayload {
  enum class Mode : std::uint8_t {
    kAbort = 1,  ///< Ends an open upload, then as kSweep.
    kSweep = 2,  ///< Removes rows of parts of an upload that has ended, a batch at a time.
    kErase = 3,  ///< Ends it whatever its state and leaves nothing; for the deletion of a bucket.
  };
  Target target;
  Uuid upload;
  Mode mode = Mode::kAbort;
};
struct GetVersionPayload {
  Uuid bucket;
  std::string key;
  std::string version_id;
};

[[nodiscard]] std::string encode(const PutVersionPayload& payload);
[[nodiscard]] std::string encode(const DeleteVersionPayload& payload);
[[nodiscard]] std::string encode(const ChangeAttributesPayload& payload);
[[nodiscard]] std::string encode(const DocumentPayload& payload);
[[nodiscard]] std::string encode(const GatePayload& payload);
[[nodiscard]] std::string encode(const ReferencesPayload& payload);
[[nodiscard]] std::string encode(const CreateUploadPayload& payload);
[[nodiscard]] std::string encode(const PutPartPayload& payload);
[[nodiscard]] std::string encode(const CompleteUploadPayload& payload);
[[nodiscard]] std::string encode(const AbortUploadPayload& payload);
[[nodiscard]] std::string encode(const GetVersionPayload& payload);
template <class Payload>
[[nodiscard]] Result<Payload> decode(std::string_view bytes);

}  // namespace flashstor::objects
