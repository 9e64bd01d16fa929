#pragma once

#include <string_view>

#include "engine/objects/types.h"
#include "s3d/ops/call.h"
#include "s3d/ops/xml_writer.h"

namespace flashstor::s3d {

/// `<Tagging><TagSet>…` as clients send and get it.
void write_tagging(XmlWriter& xml, const objects::Tags& tags);
/// Errors (refused on the call): MalformedXML. The rules of tags are checked elsewhere.
[[nodiscard]] Result<objects::Tags> parse_tagging(Call& call, std::string_view document);

}  // namespace flashstor::s3d
