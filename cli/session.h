#pragma once

#include <map>
#include <memory>
#include <string>

#include "cli/alias.h"
#include "cli/http.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/s3_client.h"
#include "cli/target.h"

namespace flashstor::cli {

/// The options that every command takes.
struct GlobalOptions {
  bool json = false;
  bool quiet = false;
  bool debug = false;
  bool insecure = false;
  std::size_t transfers = limits::kDefaultTransfers;
  std::string config_folder = default_config_folder();
};

/// How a command ends.
enum class Exit : int { kOk = 0, kFailed = 1, kUsage = 2 };

/// One run of flashctl: its options, aliases, connections and output.
class Session {
 public:
  GlobalOptions options;
  Output output;

  /// The aliases, read at the first call. Errors: those of AliasBook::load.
  [[nodiscard]] Result<AliasBook*> aliases();
  /// The client of an alias; lives as long as the session. Errors: kInvalidArgument when there is no such
  /// alias.
  [[nodiscard]] Result<S3Client*> client(const std::string& alias);
  /// For requests that are not S3's.
  [[nodiscard]] HttpClient& http();

  /// Parsers of target.h over this session's aliases.
  [[nodiscard]] Result<Target> any(const std::string& text);
  [[nodiscard]] Result<Target> remote(const std::string& text);
  [[nodiscard]] Result<Target> bucket(const std::string& text);
  [[nodiscard]] Result<Target> object(const std::string& text);

  /// Says what is wrong with the command line.
  Exit usage(std::string_view words);
  /// Says what failed; a wrong argument is a usage error.
  Exit fail(const Error& error, std::string_view subject = {});
  /// kOk, or kFailed when a failure was said on the way.
  [[nodiscard]] Exit done() const { return output.failed() ? Exit::kFailed : Exit::kOk; }
  /// Asks on the terminal; `assume` (--force) answers yes. Without a terminal the answer is no, with a word
  /// why.
  [[nodiscard]] bool confirm(const std::string& question, bool assume);

 private:
  std::unique_ptr<AliasBook> book_;
  std::unique_ptr<HttpClient> http_;
  std::map<std::string, std::unique_ptr<S3Client>> clients_;
};

}  // namespace flashstor::cli
