#include "engine/objects/upload_rows.h"

#include <algorithm>

#include "engine/objects/ask.h"
#include "engine/objects/keys.h"
#include "engine/objects/row_codec.h"

namespace flashstor::objects {
namespace {

using cluster::ScanStep;

constexpr std::uint8_t kFormat = 1;

ScanStep stop() { return {.kind = ScanStep::Kind::kStop, .seek_to = {}}; }

Task<Result<std::vector<UploadItem>>> scan_uploads(cluster::RowView& rows, const UploadScan& scan) {
  std::vector<UploadItem> items;
  bool broken = false;
  std::string lower = listing_start(scan.bucket, scan.prefix);
  std::string upper = after_prefix(lower);
  if (scan.start > lower) lower = scan.start;
  if (scan.max == 0 || (!upper.empty() && lower >= upper)) co_return items;
  const auto visit = [&](std::string_view row_key, std::string_view value) -> ScanStep {
    auto parsed = parse_upload_key(row_key);
    auto row = parsed && !parsed->part ? decode_upload(value) : Result<UploadRow>(UploadRow{});
    if (!parsed || !row) {
      broken = true;
      return stop();
    }
    // Past the parts of this upload.
    std::string next = after_prefix(upload_key(scan.bucket, parsed->key, parsed->upload));
    const bool shown = !parsed->part && (scan.with_ended || row->state == UploadState::kOpen);
    if (!shown) return {.kind = ScanStep::Kind::kSeek, .seek_to = std::move(next)};
    UploadItem& item = items.emplace_back();
    item.key = std::move(parsed->key);
    item.upload = parsed->upload;
    item.row = std::move(*row);
    const std::size_t at =
        scan.delimiter.empty() ? std::string::npos : item.key.find(scan.delimiter, scan.prefix.size());
    if (at != std::string::npos) {
      item = UploadItem{.is_prefix = true, .key = item.key.substr(0, at + scan.delimiter.size())};
      next = after_prefix(listing_start(scan.bucket, item.key));
    }
    if (items.size() >= scan.max) return stop();
    return {.kind = ScanStep::Kind::kSeek, .seek_to = std::move(next)};
  };
  co_await or_return(
      rows.scan(Family::kUploads, std::move(lower), std::move(upper), visit, [&items] { items.clear(); }));
  if (broken) co_return fail(ErrorCode::kCorrupt, "an upload's row that does not parse");
  co_return items;
}

template <class T>
Result<T> checked(const ByteReader& in, T value) {
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a query that does not parse");
  return value;
}

template <class Row>
Row take(ByteReader& in, Result<Row> row) {
  if (row) return std::move(*row);
  in.mark_bad();
  return {};
}

struct GetUploadQuery {
  using Question = UploadQuestion;
  using Answer = UploadAnswer;
  static constexpr auto kKind = ObjectCommand::kGetUpload;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& question) {
    Answer answer;
    answer.upload = co_await or_return(find_upload(rows, question.bucket, question.key, question.upload));
    if (answer.upload.state != UploadState::kOpen)
      co_return fail(ErrorCode::kNoSuchUpload, "The specified multipart upload does not exist.");
    if (question.max_parts > 0)
      answer.parts = co_await or_return(scan_parts(rows, question.bucket, question.key, question.upload,
                                                   question.after_part, question.max_parts));
    co_return answer;
  }
  static std::string encode_question(const Question& question) {
    ByteWriter out;
    write_uuid(out, question.bucket);
    out.bytes(question.key);
    write_uuid(out, question.upload);
    return out.varint(question.after_part).varint(question.max_parts).take();
  }
  static Result<Question> decode_question(std::string_view bytes) {
    ByteReader in(bytes);
    Question question;
    question.bucket = read_uuid(in);
    question.key = in.bytes();
    question.upload = read_uuid(in);
    question.after_part = static_cast<std::uint32_t>(in.varint());
    question.max_parts = static_cast<std::uint32_t>(in.varint());
    return checked(in, std::move(question));
  }
  static std::string encode_answer(const Answer& answer) {
    ByteWriter out;
    out.bytes(encode_upload(answer.upload)).varint(answer.parts.size());
    for (const PartRow& part : answer.parts) out.bytes(encode_part(part));
    return out.take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    Answer answer;
    answer.upload = take(in, decode_upload(in.bytes()));
    const std::uint64_t count = in.varint();
    for (std::uint64_t i = 0; i < count && in.ok(); ++i)
      answer.parts.push_back(take(in, decode_part(in.bytes())));
    return checked(in, std::move(answer));
  }
};

struct ListUploadsQuery {
  using Question = UploadScan;
  using Answer = std::vector<UploadItem>;
  static constexpr auto kKind = ObjectCommand::kListUploads;
  static Task<Result<Answer>> run(cluster::RowView& rows, const Question& scan) {
    return scan_uploads(rows, scan);
  }
  static std::string encode_question(const Question& scan) {
    ByteWriter out;
    write_uuid(out, scan.bucket);
    out.bytes(scan.prefix).bytes(scan.delimiter).bytes(scan.start).varint(scan.max);
    return out.boolean(scan.with_ended).take();
  }
  static Result<Question> decode_question(std::string_view bytes) {
    ByteReader in(bytes);
    Question scan;
    scan.bucket = read_uuid(in);
    scan.prefix = in.bytes();
    scan.delimiter = in.bytes();
    scan.start = in.bytes();
    scan.max = static_cast<std::uint32_t>(in.varint());
    scan.with_ended = in.boolean();
    return checked(in, std::move(scan));
  }
  static std::string encode_answer(const Answer& items) {
    ByteWriter out;
    out.varint(items.size());
    for (const UploadItem& item : items) {
      out.boolean(item.is_prefix).bytes(item.key);
      write_uuid(out, item.upload);
      out.bytes(encode_upload(item.row));
    }
    return out.take();
  }
  static Result<Answer> decode_answer(std::string_view bytes) {
    ByteReader in(bytes);
    Answer items;
    const std::uint64_t count = in.varint();
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
      UploadItem& item = items.emplace_back();
      item.is_prefix = in.boolean();
      item.key = in.bytes();
      item.upload = read_uuid(in);
      item.row = take(in, decode_upload(in.bytes()));
    }
    return checked(in, std::move(items));
  }
};

}  // namespace

std::string encode_upload(const UploadRow& row) {
  ByteWriter out;
  out.u8(kFormat).u8(static_cast<std::uint8_t>(row.state)).bytes(encode_version(row.object));
  out.bytes(row.outcome).svarint(row.ended_ns).varint(row.used.size());
  for (const std::uint32_t number : row.used) out.varint(number);
  return seal(std::move(out));
}

Result<UploadRow> decode_upload(std::string_view bytes) {
  const auto body = unseal(bytes);
  if (!body) return fail(ErrorCode::kCorrupt, "an upload's row does not match its checksum");
  ByteReader in(*body);
  UploadRow row;
  if (in.u8() != kFormat) in.mark_bad();
  row.state = static_cast<UploadState>(in.u8());
  row.object = take(in, decode_version(in.bytes()));
  row.outcome = in.bytes();
  row.ended_ns = in.svarint();
  const std::uint64_t used = in.varint();
  for (std::uint64_t i = 0; i < used && in.ok(); ++i)
    row.used.push_back(static_cast<std::uint32_t>(in.varint()));
  if (!in.ok() || row.state > UploadState::kAborted)
    return fail(ErrorCode::kMalformed, "an upload's row that does not parse");
  return row;
}

std::string encode_part(const PartRow& row) {
  ByteWriter out;
  out.u8(kFormat).svarint(row.created_ns);
  write_parts(out, {row.part});
  write_slices(out, row.slices);
  return seal(std::move(out));
}

Result<PartRow> decode_part(std::string_view bytes) {
  const auto body = unseal(bytes);
  if (!body) return fail(ErrorCode::kCorrupt, "a part's row does not match its checksum");
  ByteReader in(*body);
  PartRow row;
  if (in.u8() != kFormat) in.mark_bad();
  row.created_ns = in.svarint();
  auto parts = read_parts(in);
  if (parts.size() == 1)
    row.part = std::move(parts.front());
  else
    in.mark_bad();
  row.slices = read_slices(in);
  if (!in.ok()) return fail(ErrorCode::kMalformed, "a part's row that does not parse");
  return row;
}

Task<Result<UploadRow>> find_upload(cluster::RowView& rows, const Uuid& bucket, std::string_view key,
                                    const Uuid& upload) {
  const auto value = co_await or_return(rows.get(Family::kUploads, upload_key(bucket, key, upload)));
  if (!value) co_return fail(ErrorCode::kNoSuchUpload, "The specified multipart upload does not exist.");
  co_return decode_upload(*value);
}

Task<Result<std::vector<PartRow>>> scan_parts(cluster::RowView& rows, const Uuid& bucket,
                                              std::string_view key, const Uuid& upload, std::uint32_t after,
                                              std::size_t max) {
  std::vector<PartRow> parts;
  bool broken = false;
  std::string lower = part_key(bucket, key, upload, after + 1);
  std::string upper = after_prefix(upload_key(bucket, key, upload));
  co_await or_return(rows.scan(
      Family::kUploads, std::move(lower), std::move(upper),
      [&](std::string_view, std::string_view value) {
        auto part = decode_part(value);
        broken = broken || !part;
        if (broken) return stop();
        parts.push_back(std::move(*part));
        return parts.size() >= max ? stop() : ScanStep{};
      },
      [&parts] { parts.clear(); }));
  if (broken) co_return fail(ErrorCode::kCorrupt, "a part's row that does not parse");
  co_return parts;
}

Task<Result<UploadAnswer>> ask_upload(cluster::SetApi& set, UploadQuestion question) {
  return ask<GetUploadQuery>(set, std::move(question));
}
Task<Result<std::vector<UploadItem>>> ask_uploads(cluster::SetApi& set, UploadScan scan) {
  return ask<ListUploadsQuery>(set, std::move(scan));
}

void register_upload_queries(cluster::CommandRegistry& registry) {
  register_query<GetUploadQuery>(registry);
  register_query<ListUploadsQuery>(registry);
}

}  // namespace flashstor::objects
