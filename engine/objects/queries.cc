#include "engine/objects/queries.h"

#include "engine/objects/ask.h"
#include "engine/objects/keys.h"
#include "engine/objects/row_codec.h"

namespace flashstor::objects {
namespace {

template <class T>
Result<T> checked(const ByteReader& in, T value) {
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a query that does not parse");
  return value;
}

struct VersionQuery {
  using Question = GetVersionPayload;
  using Answer = std::optional<FoundVersion>;
  static constexpr auto kKind = ObjectCommand::kGetVersion;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& what) {
    return find_version(rows, what.bucket, what.key, what.version_id);
  }
  static std::string encode_question(const Question& what) { return encode(what); }
  static Result<Question> decode_question(std::string_view bytes) { return decode<Question>(bytes); }
  static std::string encode_answer(const Answer& answer) {
    ByteWriter out;
    out.boolean(answer.has_value());
    if (!answer) return out.take();
    write_id(out, answer->id);
    return out.boolean(answer->is_latest).bytes(answer->value).take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    if (!in.boolean()) return checked(in, Answer());
    FoundVersion found;
    found.id = read_id(in);
    found.is_latest = in.boolean();
    found.value = in.bytes();
    return checked(in, Answer(std::move(found)));
  }
};

struct DropIntentsQuery {
  using Question = std::string;
  using Answer = std::vector<std::string>;
  static constexpr auto kKind = ObjectCommand::kListDropIntents;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& after) {
    Answer keys;
    const std::string kind = after.empty() ? std::string(kDropIntents) : after.substr(0, 1);
    std::string lower = after.empty() ? kind : after + '\0';
    co_await or_return(rows.scan(
        Family::kIntents, std::move(lower), after_prefix(kind),
        [&keys](std::string_view key, std::string_view) {
          keys.emplace_back(key);
          return cluster::ScanStep{.kind = keys.size() < kMaxIntentsAPage ? cluster::ScanStep::Kind::kNext
                                                                          : cluster::ScanStep::Kind::kStop,
                                   .seek_to = {}};
        },
        [&keys] { keys.clear(); }));
    co_return keys;
  }
  static std::string encode_question(const Question& after) { return after; }
  static Result<Question> decode_question(std::string_view bytes) { return Question(bytes); }
  static std::string encode_answer(const Answer& keys) {
    ByteWriter out;
    out.varint(keys.size());
    for (const std::string& key : keys) out.bytes(key);
    return out.take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    Answer keys;
    const std::uint64_t count = in.varint();
    for (std::uint64_t i = 0; in.ok() && i < count; ++i) keys.emplace_back(in.bytes());
    return checked(in, std::move(keys));
  }
};

struct ExtentRowQuery {
  using Question = std::string;
  using Answer = std::optional<std::string>;
  static constexpr auto kKind = ObjectCommand::kGetExtentRow;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& key) {
    return rows.get(Family::kExtents, key);
  }
  static std::string encode_question(const Question& key) { return key; }
  static Result<Question> decode_question(std::string_view bytes) { return Question(bytes); }
  static std::string encode_answer(const Answer& answer) {
    return ByteWriter().boolean(answer.has_value()).bytes(answer.value_or(std::string())).take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    const bool there = in.boolean();
    std::string value(in.bytes());
    return checked(in, there ? Answer(std::move(value)) : Answer());
  }
};

void write_item(ByteWriter& out, const ListItem& item) {
  const ListedVersion& entry = item.entry;
  out.boolean(item.is_prefix).bytes(entry.key);
  if (item.is_prefix) return;
  out.varint(entry.size).bytes(entry.etag).svarint(base::to_nanoseconds(entry.last_modified));
  out.u8(static_cast<std::uint8_t>(entry.storage_class)).u8(static_cast<std::uint8_t>(entry.checksum_kind));
  out.boolean(entry.checksum_composite).bytes(entry.owner).bytes(entry.version_id);
  out.boolean(entry.is_latest).boolean(entry.is_delete_marker);
}

ListItem read_item(ByteReader& in) {
  ListItem item;
  ListedVersion& entry = item.entry;
  item.is_prefix = in.boolean();
  entry.key = in.bytes();
  if (item.is_prefix) return item;
  entry.size = in.varint();
  entry.etag = in.bytes();
  entry.last_modified = base::from_nanoseconds(in.svarint());
  entry.storage_class = static_cast<StorageClass>(in.u8());
  entry.checksum_kind = static_cast<ChecksumKind>(in.u8());
  entry.checksum_composite = in.boolean();
  entry.owner = in.bytes();
  entry.version_id = in.bytes();
  entry.is_latest = in.boolean();
  entry.is_delete_marker = in.boolean();
  return item;
}

struct ListQuery {
  using Question = ListScan;
  using Answer = ListPage;
  static constexpr auto kKind = ObjectCommand::kListVersions;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& scan) {
    return scan_list(rows, scan);
  }
  static std::string encode_question(const Question& scan) {
    ByteWriter out;
    write_uuid(out, scan.bucket);
    out.bytes(scan.prefix).bytes(scan.delimiter).bytes(scan.start).boolean(scan.with_versions);
    out.varint(scan.max).bytes(scan.middle_key);
    write_id(out, scan.middle_null);
    return out.take();
  }
  static Result<Question> decode_question(std::string_view bytes) {
    ByteReader in(bytes);
    ListScan scan;
    scan.bucket = read_uuid(in);
    scan.prefix = in.bytes();
    scan.delimiter = in.bytes();
    scan.start = in.bytes();
    scan.with_versions = in.boolean();
    scan.max = static_cast<std::uint32_t>(in.varint());
    scan.middle_key = in.bytes();
    scan.middle_null = read_id(in);
    return checked(in, std::move(scan));
  }
  static std::string encode_answer(const Answer& page) {
    ByteWriter out;
    out.boolean(page.more).bytes(page.resume).varint(page.items.size());
    for (const ListItem& item : page.items) write_item(out, item);
    return out.take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    ListPage page;
    page.more = in.boolean();
    page.resume = in.bytes();
    const std::uint64_t count = in.varint();
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) page.items.push_back(read_item(in));
    return checked(in, std::move(page));
  }
};

struct DocumentsQuery {
  using Question = DocumentScan;
  using Answer = std::vector<DocumentRow>;
  static constexpr auto kKind = ObjectCommand::kListDocuments;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& scan) {
    return scan_documents(rows, scan);
  }
  static std::string encode_question(const Question& scan) {
    return ByteWriter().bytes(scan.prefix).bytes(scan.after).varint(scan.max).take();
  }
  static Result<Question> decode_question(std::string_view bytes) {
    ByteReader in(bytes);
    DocumentScan scan;
    scan.prefix = in.bytes();
    scan.after = in.bytes();
    scan.max = static_cast<std::uint32_t>(in.varint());
    return checked(in, std::move(scan));
  }
  static std::string encode_answer(const Answer& found) {
    ByteWriter out;
    out.varint(found.size());
    for (const DocumentRow& row : found) out.bytes(row.path).bytes(row.bytes).bytes(row.revision);
    return out.take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    Answer found;
    const std::uint64_t count = in.varint();
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
      DocumentRow row;
      row.path = in.bytes();
      row.bytes = in.bytes();
      row.revision = in.bytes();
      found.push_back(std::move(row));
    }
    return checked(in, std::move(found));
  }
};

}  // namespace

Task<Result<std::optional<FoundVersion>>> ask_version(cluster::SetApi& set, GetVersionPayload what) {
  return ask<VersionQuery>(set, std::move(what));
}
Task<Result<ListPage>> ask_list(cluster::SetApi& set, ListScan scan) {
  return ask<ListQuery>(set, std::move(scan));
}
Task<Result<std::vector<DocumentRow>>> ask_documents(cluster::SetApi& set, DocumentScan scan) {
  return ask<DocumentsQuery>(set, std::move(scan));
}
Task<Result<std::vector<std::string>>> ask_drop_intents(cluster::SetApi& set, std::string after) {
  return ask<DropIntentsQuery>(set, std::move(after));
}
Task<Result<std::optional<std::string>>> ask_extent_row(cluster::SetApi& set, std::string key) {
  return ask<ExtentRowQuery>(set, std::move(key));
}

void register_object_queries(cluster::CommandRegistry& registry) {
  register_query<VersionQuery>(registry);
  register_query<ExtentRowQuery>(registry);
  register_query<ListQuery>(registry);
  register_query<DocumentsQuery>(registry);
  register_query<DropIntentsQuery>(registry);
}

}  // namespace flashstor::objects
