#include "cli/put_arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text.h"

namespace flashstor::cli {

void PutArguments::add_to(CLI::App& command) {
  command.add_option("--content-type", content_type, "Instead of what the name's ending says");
  command.add_option("--storage-class", storage_class, "Such as STANDARD or REDUCED_REDUNDANCY");
  command.add_option("--attr", metadata, "NAME=VALUE kept with the object; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--tags", tags, "NAME=VALUE&NAME=VALUE");
}

Result<Tags> parse_tags(std::string_view text) {
  Tags tags;
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto equals = one.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` is no NAME=VALUE", one));
    auto name = percent_decode(one.substr(0, equals));
    auto value = percent_decode(one.substr(equals + 1));
    if (!name || !value) return fail(ErrorCode::kInvalidArgument, fmt::format("`{}` is badly encoded", one));
    tags.emplace_back(std::move(*name), std::move(*value));
  }
  return tags;
}

Result<PutOptions> PutArguments::options() const {
  static constexpr std::string_view kSystem[] = {"cache-control", "content-disposition", "content-encoding",
                                                 "content-language", "expires"};
  PutOptions options;
  options.content_type = content_type;
  options.storage_class = storage_class;
  for (const std::string& pair : metadata) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("--attr `{}` is no NAME=VALUE", pair));
    const std::string name = lower(pair.substr(0, equals));
    const bool is_system = std::ranges::find(kSystem, name) != std::end(kSystem);
    (is_system ? options.system : options.metadata)[name] = pair.substr(equals + 1);
  }
  const auto parsed = parse_tags(tags);
  if (!parsed) return std::unexpected(parsed.error());
  for (const auto& [name, value] : *parsed)
    options.tagging +=
        (options.tagging.empty() ? "" : "&") + percent_encode(name) + "=" + percent_encode(value);
  return options;
}

}  // namespace flashstor::cli
