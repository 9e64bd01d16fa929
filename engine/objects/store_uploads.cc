#include "engine/objects/store_parts.h"

namespace flashstor::objects {
Task<Result<void>> StoreParts::abort_all_uploads(BucketRef) const { co_return {}; }
}  // namespace flashstor::objects
