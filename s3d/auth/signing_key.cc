#include "s3d/auth/signing_key.h"

namespace flashstor::s3d {
namespace {
std::string_view view_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
}  // namespace

std::shared_ptr<const SigningKey> derive_signing_key(std::string_view secret, std::string_view date,
                                                     std::string_view region, std::string_view service) {
  std::string first = "AWS4";
  first.append(secret);
  const Sha256Digest day = HmacKey(first).sign(date);
  const Sha256Digest place = HmacKey(view_of(day)).sign(region);
  const Sha256Digest use = HmacKey(view_of(place)).sign(service);
  const Sha256Digest key = HmacKey(view_of(use)).sign("aws4_request");
  return std::make_shared<const SigningKey>(view_of(key));
}

std::shared_ptr<const SigningKey> SigningKeyCache::get(const Credential& credential, std::string_view scope,
                                                       std::string_view date, std::string_view region,
                                                       std::string_view service) {
  lookup_.assign(credential.access_key).append("\n").append(scope);
  const auto found = entries_.find(std::string_view(lookup_));
  if (found != entries_.end() && found->second.secret == credential.secret) return found->second.key;
  if (entries_.size() >= max_keys_) entries_.clear();
  auto key = derive_signing_key(credential.secret, date, region, service);
  entries_.insert_or_assign(lookup_, Entry{credential.secret, key});
  return key;
}

}  // namespace flashstor::s3d
