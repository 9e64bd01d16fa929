#include <fmt/format.h>

#include <memory>

#include "cli/command_set.h"
#include "cli/interrupt.h"
#include "cli/text.h"
#include "engine/storage/drive_tools.h"
#include "engine/storage/row_store_rocksdb.h"

namespace flashstor::cli {
namespace {

struct DriveOptions {
  std::vector<std::string> paths;
  std::string family;
};

/// What looks at drives from outside a node: the file system, and indexes opened to read only.
struct Reader {
  std::unique_ptr<storage::FileIo> io = storage::make_posix_file_io();
  storage::RowStoreResources resources{{.background_threads = 1}};
  storage::OpenRows open_rows = [this](const std::string& path) {
    return storage::open_rocksdb_rows_read_only(path, resources);
  };
};

/// `name: value` lines, deeper ones indented.
void append_lines(std::string& out, const Json& value, const std::string& indent) {
  for (const JsonMember& member : value.members()) {
    const bool nested = member.value.size() > 0;
    const std::string* text = member.value.as_string();
    out += fmt::format("{}{}: {}\n", indent, member.name,
                       nested ? std::string()
                       : text ? printable(*text)
                              : member.value.dump());
    append_lines(out, member.value, indent + "  ");
    for (const Json& item : member.value.items()) {
      const std::string* line = item.as_string();
      out += fmt::format("{}  - {}\n", indent, line ? printable(*line) : item.dump());
    }
  }
}

Exit inspect_command(Session& session, const DriveOptions& options) {
  Reader reader;
  for (const std::string& path : options.paths) {
    const Json found = storage::inspect_drive_json(*reader.io, path, reader.open_rows);
    std::string text = path + "\n";
    append_lines(text, found, "  ");
    session.output.result(text, Json::object({{"drive", path}, {"report", found}}));
    const std::string condition = found.string_or("condition");
    if (condition == "missing" || condition == "unreadable") session.output.mark_failed();
  }
  return session.done();
}

Exit verify_command(Session& session, const DriveOptions& options) {
  Reader reader;
  for (const std::string& path : options.paths) {
    if (interrupted()) break;
    const bool show = Output::on_terminal() && !session.options.json && !session.options.quiet;
    const auto progress = [&](const storage::DriveReport& sofar) {
      if (show) fmt::print(stderr, "\r\x1b[K{}: {} read", path, human_bytes(sofar.bytes));
      return !interrupted();
    };
    const auto report = storage::verify_drive(*reader.io, path, reader.open_rows, progress);
    if (show) fmt::print(stderr, "\r\x1b[K");
    if (!report) {
      session.fail(report.error(), path);
      continue;
    }
    std::string text =
        fmt::format("{}: {}; {} entries, {} shards in the log, {} shard files, {} read", path,
                    report->good() ? "good" : fmt::format("{} problems", report->problem_count),
                    report->entries, report->inline_shards, report->shard_files, human_bytes(report->bytes));
    for (const std::string& problem : report->problems) text += "\n  " + printable(problem);
    session.output.result(
        text, Json::object({{"drive", path}, {"good", report->good()}, {"report", to_json(*report)}}));
    if (!report->good()) session.output.mark_failed();
  }
  return session.done();
}

Exit dump_command(Session& session, const DriveOptions& options) {
  Reader reader;
  for (const std::string& path : options.paths) {
    const auto give = [&](const Json& row) { session.output.result(row.dump(), row); };
    const auto done = storage::dump_drive(*reader.io, path, reader.open_rows, options.family, give);
    if (!done) session.fail(done.error(), path);
  }
  return session.done();
}

}  // namespace

void add_drive_commands(CommandSet& commands) {
  CLI::App* group = commands.add_group(nullptr, "drive", "Look into drives while no node uses them");
  const auto options = std::make_shared<DriveOptions>();
  using Function = Exit (*)(Session&, const DriveOptions&);
  const auto add = [&](const char* name, const char* description, const char* example, Function run) {
    CLI::App* command = commands.add(group, name, description, example,
                                     [options, run](Session& session) { return run(session, *options); });
    command->add_option("PATH", options->paths, "The drive's folder …")->required();
    return command;
  };
  add("inspect", "Say what a drive is and holds", "  flashctl drive inspect /data1", inspect_command);
  add("verify", "Read everything on a drive and compare every checksum",
      "  flashctl drive verify /data1 /data2", verify_command);
  add("dump", "Show every row of one family, or every entry of the log",
      "  flashctl drive dump /data1 --family versions", dump_command)
      ->add_option("--family", options->family,
                   "log, local, versions, extents, inline, uploads, refs, heal, due, …")
      ->required();
}

}  // namespace flashstor::cli
