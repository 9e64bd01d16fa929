#include <algorithm>
#include <array>

#include "engine/iam/statement.h"

namespace flashstor::iam {
namespace {

// AWS: "Actions, resources, and condition keys for Amazon S3", lower-case; and what MinIO adds.
constexpr std::array kBucketActions = std::to_array<std::string_view>({
    "s3:createbucket",
    "s3:deletebucket",
    "s3:deletebucketpolicy",
    "s3:deletebucketwebsite",
    "s3:forcedeletebucket",
    "s3:getaccelerateconfiguration",
    "s3:getanalyticsconfiguration",
    "s3:getbucketacl",
    "s3:getbucketcors",
    "s3:getbucketlocation",
    "s3:getbucketlogging",
    "s3:getbucketnotification",
    "s3:getbucketobjectlockconfiguration",
    "s3:getbucketownershipcontrols",
    "s3:getbucketpolicy",
    "s3:getbucketpolicystatus",
    "s3:getbucketpublicaccessblock",
    "s3:getbucketrequestpayment",
    "s3:getbuckettagging",
    "s3:getbucketversioning",
    "s3:getbucketwebsite",
    "s3:getencryptionconfiguration",
    "s3:getintelligenttieringconfiguration",
    "s3:getinventoryconfiguration",
    "s3:getlifecycleconfiguration",
    "s3:getmetricsconfiguration",
    "s3:getreplicationconfiguration",
    "s3:headbucket",
    "s3:listbucket",
    "s3:listbucketmultipartuploads",
    "s3:listbucketversions",
    "s3:listenbucketnotification",
    "s3:putaccelerateconfiguration",
    "s3:putanalyticsconfiguration",
    "s3:putbucketacl",
    "s3:putbucketcors",
    "s3:putbucketlogging",
    "s3:putbucketnotification",
    "s3:putbucketobjectlockconfiguration",
    "s3:putbucketownershipcontrols",
    "s3:putbucketpolicy",
    "s3:putbucketpublicaccessblock",
    "s3:putbucketrequestpayment",
    "s3:putbuckettagging",
    "s3:putbucketversioning",
    "s3:putbucketwebsite",
    "s3:putencryptionconfiguration",
    "s3:putintelligenttieringconfiguration",
    "s3:putinventoryconfiguration",
    "s3:putlifecycleconfiguration",
    "s3:putmetricsconfiguration",
    "s3:putreplicationconfiguration",
    "s3:resetbucketreplicationstate",
});
constexpr std::array kObjectActions = std::to_array<std::string_view>({
    "s3:abortmultipartupload",
    "s3:bypassgovernanceretention",
    "s3:deleteobject",
    "s3:deleteobjecttagging",
    "s3:deleteobjectversion",
    "s3:deleteobjectversiontagging",
    "s3:getobject",
    "s3:getobjectacl",
    "s3:getobjectattributes",
    "s3:getobjectlegalhold",
    "s3:getobjectretention",
    "s3:getobjecttagging",
    "s3:getobjecttorrent",
    "s3:getobjectversion",
    "s3:getobjectversionacl",
    "s3:getobjectversionattributes",
    "s3:getobjectversionforreplication",
    "s3:getobjectversiontagging",
    "s3:getobjectversiontorrent",
    "s3:initiatereplication",
    "s3:listmultipartuploadparts",
    "s3:objectowneroverridetobucketowner",
    "s3:putobject",
    "s3:putobjectacl",
    "s3:putobjectfanout",
    "s3:putobjectlegalhold",
    "s3:putobjectretention",
    "s3:putobjecttagging",
    "s3:putobjectversionacl",
    "s3:putobjectversiontagging",
    "s3:replicatedelete",
    "s3:replicateobject",
    "s3:replicatetags",
    "s3:restoreobject",
    "s3:selectobjectcontent",
    "s3:updateobjectencryption",
});
constexpr std::array kServiceActions = std::to_array<std::string_view>({
    "s3:getaccountpublicaccessblock",
    "s3:listallmybuckets",
    "s3:listennotification",
    "s3:putaccountpublicaccessblock",
});

template <std::size_t N>
bool takes_one(std::string_view pattern, const std::array<std::string_view, N>& actions) {
  return std::ranges::any_of(actions,
                             [&](std::string_view action) { return wildcard_match(pattern, action); });
}

}  // namespace

ActionTargets action_targets(std::string_view compiled_pattern) {
  return {.buckets = takes_one(compiled_pattern, kBucketActions),
          .objects = takes_one(compiled_pattern, kObjectActions),
          .service = takes_one(compiled_pattern, kServiceActions)};
}

}  // namespace flashstor::iam
