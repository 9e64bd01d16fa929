#include "cli/session.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/text.h"

namespace flashstor::cli {

Result<AliasBook*> Session::aliases() {
  if (!book_) {
    auto loaded = AliasBook::load(options.config_folder);
    if (!loaded) return std::unexpected(loaded.error());
    book_ = std::make_unique<AliasBook>(std::move(*loaded));
  }
  return book_.get();
}

HttpClient& Session::http() {
  if (!http_) http_ = std::make_unique<HttpClient>(HttpOptions{options.insecure, {}, options.debug});
  return *http_;
}

Result<S3Client*> Session::client(const std::string& alias) {
  const auto known = clients_.find(alias);
  if (known != clients_.end()) return known->second.get();
  const auto book = aliases();
  if (!book) return std::unexpected(book.error());
  const auto named = parse_remote(alias, **book);
  if (!named) return std::unexpected(named.error());
  auto& client = clients_[alias];
  client = std::make_unique<S3Client>(*(*book)->find(alias), http());
  return client.get();
}

Result<Target> Session::any(const std::string& text) {
  const auto book = aliases();
  if (!book) return std::unexpected(book.error());
  return parse_target(text, **book);
}

Result<Target> Session::remote(const std::string& text) {
  const auto book = aliases();
  if (!book) return std::unexpected(book.error());
  return parse_remote(text, **book);
}

Result<Target> Session::bucket(const std::string& text) {
  const auto book = aliases();
  if (!book) return std::unexpected(book.error());
  return parse_bucket(text, **book);
}

Result<Target> Session::object(const std::string& text) {
  const auto book = aliases();
  if (!book) return std::unexpected(book.error());
  return parse_object(text, **book);
}

Exit Session::usage(std::string_view words) {
  output.failure({}, Error(ErrorCode::kInvalidArgument, std::string(words)));
  return Exit::kUsage;
}

Exit Session::fail(const Error& error, std::string_view subject) {
  output.failure(subject, error);
  return Exit::kFailed;
}

bool Session::confirm(const std::string& question, bool assume) {
  if (assume) return true;
  if (!Output::stdin_is_terminal() || output.json()) {
    output.failure(
        {}, Error(ErrorCode::kInvalidArgument, "nothing was deleted: add --force when no one can be asked"));
    return false;
  }
  fmt::print(stderr, "{} [y/N] ", question);
  std::fflush(stderr);
  char answer[16] = "";
  const bool yes = std::fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
  if (!yes) output.note("Nothing was deleted.");
  return yes;
}

}  // namespace flashstor::cli
