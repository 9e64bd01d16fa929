#include <algorithm>
#include <array>

#include "engine/iam/condition.h"

namespace flashstor::iam {
namespace {

// AWS: "AWS global condition context keys". Sorted.
constexpr std::array<std::string_view, 43> kGlobalKeys = {
    "calledvia",
    "calledviafirst",
    "calledvialast",
    "currenttime",
    "ec2instancesourceprivateipv4",
    "ec2instancesourcevpc",
    "epochtime",
    "federatedprovider",
    "groups",
    "multifactorauthage",
    "multifactorauthpresent",
    "principalaccount",
    "principalarn",
    "principalisawsservice",
    "principalorgid",
    "principalorgpaths",
    "principalservicename",
    "principalservicenameslist",
    "principaltype",
    "referer",
    "requestedregion",
    "resourceaccount",
    "resourceorgid",
    "resourceorgpaths",
    "rolesessionname",
    "securetransport",
    "sourceaccount",
    "sourcearn",
    "sourceidentity",
    "sourceip",
    "sourceorgid",
    "sourceorgpaths",
    "sourceowner",
    "sourcevpc",
    "sourcevpce",
    "tagkeys",
    "tokenissuetime",
    "useragent",
    "userid",
    "username",
    "viaawsservice",
    "vpceaccount",
    "vpcsourceip",
};

// AWS: "Actions, resources, and condition keys for Amazon S3". Sorted.
constexpr std::array<std::string_view, 45> kS3Keys = {
    "accessgrantsinstancearn",
    "accesspointnetworkorigin",
    "authtype",
    "dataaccesspointaccount",
    "dataaccesspointarn",
    "delimiter",
    "if-match",
    "if-none-match",
    "inventoryaccessibleoptionalfields",
    "jobsuspendedcause",
    "locationconstraint",
    "max-keys",
    "object-lock-legal-hold",
    "object-lock-mode",
    "object-lock-remaining-retention-days",
    "object-lock-retain-until-date",
    "objectcreationoperation",
    "prefix",
    "requestobjecttagkeys",
    "resourceaccount",
    "signatureage",
    "signatureversion",
    "tlsversion",
    "versionid",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-website-redirect-location",
};

static_assert(std::ranges::is_sorted(kGlobalKeys));
static_assert(std::ranges::is_sorted(kS3Keys));

/// Families of keys that end in a tag's key.
bool is_tag_key(std::string_view name, std::string_view family) {
  return name.size() > family.size() && name.starts_with(family);
}

}  // namespace

bool is_known_condition_key(std::string_view normal_key) {
  const std::size_t colon = normal_key.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == normal_key.size()) return false;
  const std::string_view service = normal_key.substr(0, colon);
  const std::string_view name = normal_key.substr(colon + 1);
  if (service == "aws") {
    return std::ranges::binary_search(kGlobalKeys, name) || is_tag_key(name, "principaltag/") ||
           is_tag_key(name, "requesttag/") || is_tag_key(name, "resourcetag/");
  }
  if (service == "s3") {
    return std::ranges::binary_search(kS3Keys, name) || is_tag_key(name, "existingobjecttag/") ||
           is_tag_key(name, "requestobjecttag/") || is_tag_key(name, "buckettag/");
  }
  return true;
}

}  // namespace flashstor::iam
