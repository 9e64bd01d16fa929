#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/alias.h"
#include "cli/http.h"
#include "cli/s3_types.h"
#include "cli/s3_xml.h"

namespace flashstor::cli {

/// One signed request of S3 or of the admin API.
struct S3Call {
  std::string method = "GET";
  std::string bucket;  ///< Empty: the service itself.
  std::string key;
  std::string path;  ///< Instead of bucket and key, for the admin API: encoded, beginning with `/`.
  Query query;
  Headers headers;
  std::string body;
  BodyReader reader;  ///< Instead of `body`.
  std::uint64_t body_bytes = 0;
  BodySink sink;
  std::function<void(std::uint64_t)> on_sent;
  bool endless = false;
  bool once = false;  ///< Never repeat.
};

struct ListQuery {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string start_after;
};

/// What a client says of an object it writes.
struct PutOptions {
  std::string content_type;
  std::string storage_class;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> system;  ///< Further headers, such as Cache-Control.
  std::string tagging;                        ///< Encoded as a query.
};

/// A range of an object; `bytes` 0 means to its end.
struct GetOptions {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::string version_id;
  std::string if_match;  ///< An ETag without quotes: only this very object.
};

/// S3 against one alias. Requests are repeated with backoff when the connection breaks or the server is busy.
/// Over https payloads are not signed, over http their SHA-256 is, which every S3 accepts.
/// Threads: any. Errors of all: kIo, kTimeout, kCancelled, kMalformed, and S3's own by name (`kNoSuchKey`,
/// …), their text ending in S3's code and status.
class S3Client {
 public:
  S3Client(Alias alias, HttpClient& http);
  [[nodiscard]] const Alias& alias() const { return alias_; }

  [[nodiscard]] Result<std::vector<BucketInfo>> list_buckets();
  [[nodiscard]] Result<void> make_bucket(const std::string& bucket, const std::string& region,
                                         bool object_lock);
  [[nodiscard]] Result<void> remove_bucket(const std::string& bucket);
  [[nodiscard]] Result<void> head_bucket(const std::string& bucket);
  [[nodiscard]] Result<std::string> versioning(const std::string& bucket);
  [[nodiscard]] Result<void> set_versioning(const std::string& bucket, bool enabled);

  /// One page after the other, until `each` answers false or fails.
  using PageFunction = std::function<Result<bool>(const ListPage& page)>;
  [[nodiscard]] Result<void> list_objects(const ListQuery& query, const PageFunction& each);
  [[nodiscard]] Result<void> list_versions(const ListQuery& query, const PageFunction& each);
  [[nodiscard]] Result<std::vector<UploadInfo>> list_uploads(const std::string& bucket,
                                                             const std::string& prefix);

  [[nodiscard]] Result<ObjectInfo> head_object(const std::string& bucket, const std::string& key,
                                               const std::string& version_id = {});
  /// Bytes go to `sink` in order, each once; with `if_match` a broken connection is taken up where it broke.
  [[nodiscard]] Result<void> get_object(const std::string& bucket, const std::string& key,
                                        const GetOptions& options, const BodySink& sink);
  /// Gives the ETag.
  [[nodiscard]] Result<std::string> put_object(const std::string& bucket, const std::string& key,
                                               const PutOptions& options, BodyReader reader,
                                               std::uint64_t bytes,
                                               std::function<void(std::uint64_t)> on_sent = {});
  [[nodiscard]] Result<void> delete_object(const std::string& bucket, const std::string& key,
                                           const std::string& version_id = {});
  /// At most kMaxDeleteObjects; gives those that could not be deleted.
  [[nodiscard]] Result<std::vector<DeleteFailure>> delete_objects(const std::string& bucket,
                                                                  const std::vector<DeleteTarget>& targets);
  /// Within the server; `source_version` may be empty. With `replace`, `options` instead of the source's
  /// metadata.
  [[nodiscard]] Result<void> copy_object(const std::string& source_bucket, const std::string& source_key,
                                         const std::string& source_version, const std::string& bucket,
                                         const std::string& key, const PutOptions& options, bool replace);
  [[nodiscard]] Result<Tags> tags(const std::string& bucket, const std::string& key,
                                  const std::string& version_id);
  /// Empty tags remove them.
  [[nodiscard]] Result<void> set_tags(const std::string& bucket, const std::string& key,
                                      const std::string& version_id, const Tags& tags);

  [[nodiscard]] Result<std::string> create_upload(const std::string& bucket, const std::string& key,
                                                  const PutOptions& options);
  [[nodiscard]] Result<std::string> upload_part(const std::string& bucket, const std::string& key,
                                                const std::string& upload_id, int number, BodyReader reader,
                                                std::uint64_t bytes,
                                                std::function<void(std::uint64_t)> on_sent);
  [[nodiscard]] Result<std::string> copy_part(const std::string& source, const std::string& range,
                                              const std::string& if_match, const std::string& bucket,
                                              const std::string& key, const std::string& upload_id,
                                              int number);
  [[nodiscard]] Result<std::vector<PartInfo>> list_parts(const std::string& bucket, const std::string& key,
                                                         const std::string& upload_id);
  [[nodiscard]] Result<std::string> complete_upload(const std::string& bucket, const std::string& key,
                                                    const std::string& upload_id,
                                                    const std::vector<PartInfo>& parts);
  [[nodiscard]] Result<void> abort_upload(const std::string& bucket, const std::string& key,
                                          const std::string& upload_id);

  /// A URL that anybody may use for `expires`.
  [[nodiscard]] std::string presign(const std::string& method, const std::string& bucket,
                                    const std::string& key, const Query& query, std::chrono::seconds expires);

  /// Any request; gives 2xx answers only.
  [[nodiscard]] Result<HttpResponse> call(const S3Call& call);

 private:
  struct Place {
    std::string host;
    std::string path;
  };
  [[nodiscard]] Place place_of(const S3Call& call) const;
  [[nodiscard]] Result<HttpRequest> signed_request(const S3Call& call);
  [[nodiscard]] std::string region_of(const std::string& bucket);
  bool learn_region(const std::string& bucket, const HttpResponse& response);

  Alias alias_;
  HttpClient& http_;
  std::mutex mutex_;
  std::map<std::string, std::string> regions_;  ///< Of buckets that are not in the alias's region.
};

/// `x-amz-copy-source` of an object.
[[nodiscard]] std::string copy_source(const std::string& bucket, const std::string& key,
                                      const std::string& version_id);

}  // namespace flashstor::cli
