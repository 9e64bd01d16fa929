#include "engine/files/file_commands.h"

#include "engine/files/limits.h"
#include "engine/files/lock_table.h"
#include "engine/objects/keys.h"
#include "engine/objects/row_codec.h"

namespace flashstor::files {
namespace {

// One walk over the fields of a payload serves writing and reading, so the two cannot differ.
class Writer {
 public:
  void value(const std::string& field) { out_.bytes(field); }
  void value(const bool& field) { out_.boolean(field); }
  void value(const std::uint32_t& field) { out_.varint(field); }
  void value(const std::uint64_t& field) { out_.varint(field); }
  void value(const std::int64_t& field) { out_.svarint(field); }
  void value(const Uuid& field) { objects::write_uuid(out_, field); }
  void value(const objects::VersionId& field) { objects::write_id(out_, field); }
  void value(const Slice& field) { objects::write_slice(out_, field); }
  void value(const objects::PosixAttributes& field) { objects::write_posix(out_, field); }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void value(const Enum& field) {
    out_.u8(static_cast<std::uint8_t>(field));
  }
  template <class T>
  void value(const std::optional<T>& field) {
    out_.boolean(field.has_value());
    if (field) value(*field);
  }
  template <class T>
  void value(const std::vector<T>& field) {
    out_.varint(field.size());
    for (const T& each : field) value(each);
  }
  template <class T>
    requires requires(T& t, Writer& w) { fields(w, t); }
  void value(const T& field) {
    fields(*this, const_cast<T&>(field));
  }
  template <class... T>
  void operator()(const T&... each) {
    (value(each), ...);
  }
  template <class... T>
  void later(const T&... each) {
    (value(each), ...);
  }
  std::string take() { return out_.take(); }

 private:
  ByteWriter out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : in_(bytes) {}
  void value(std::string& field) { field = in_.bytes(); }
  void value(bool& field) { field = in_.boolean(); }
  void value(std::uint32_t& field) { field = static_cast<std::uint32_t>(in_.varint()); }
  void value(std::uint64_t& field) { field = in_.varint(); }
  void value(std::int64_t& field) { field = in_.svarint(); }
  void value(Uuid& field) { field = objects::read_uuid(in_); }
  void value(objects::VersionId& field) { field = objects::read_id(in_); }
  void value(Slice& field) { field = objects::read_slice(in_); }
  void value(objects::PosixAttributes& field) { field = objects::read_posix(in_); }
  template <class Enum>
    requires std::is_enum_v<Enum>
  void value(Enum& field) {
    field = static_cast<Enum>(in_.u8());
  }
  template <class T>
  void value(std::optional<T>& field) {
    field.reset();
    if (in_.boolean()) value(field.emplace());
  }
  template <class T>
  void value(std::vector<T>& field) {
    for (std::uint64_t left = in_.varint(); left > 0 && in_.ok(); --left) value(field.emplace_back());
  }
  template <class T>
    requires requires(T& t, Reader& r) { fields(r, t); }
  void value(T& field) {
    fields(*this, field);
  }
  template <class... T>
  void operator()(T&... each) {
    (value(each), ...);
  }
  /// The last fields of what is kept as a row, which rows written by earlier versions end before.
  template <class... T>
  void later(T&... each) {
    if (!in_.at_end()) (value(each), ...);
  }
  [[nodiscard]] bool good() const { return in_.ok() && in_.at_end(); }

 private:
  ByteReader in_;
};

}  // namespace

template <class C>
void fields(C& c, TakenReferences& t) {
  c(t.key, t.referrer, t.data);
}
template <class C>
void fields(C& c, FileTarget& t) {
  c(t.bucket, t.epoch, t.versioning, t.key, t.inode, t.set);
}
template <class C>
void fields(C& c, PosixChange& p) {
  c(p.mode, p.uid, p.gid, p.mtime_ns, p.atime_ns, p.ctime_ns);
}
template <class C>
void fields(C& c, Placed& p) {
  c(p.at, p.slice);
}
template <class C>
void fields(C& c, MakePayload& p) {
  c(p.target, p.posix, p.owner);
}
template <class C>
void fields(C& c, PublishPayload& p) {
  c(p.target, p.shrink_to, p.pieces, p.size, p.posix, p.revises, p.has_data, p.links);
  c.later(p.may_move, p.chase, p.adopt, p.park);
  c.later(p.target.taken);
  c.later(p.knows, p.only_known, p.folds);
}
template <class C>
void fields(C& c, AttributesPayload& p) {
  c(p.target, p.posix, p.attribute, p.value, p.mode, p.implied, p.links);
}
template <class C>
void fields(C& c, RemovePayload& p) {
  c(p.target, p.keep_orphan, p.links, p.now_ns);
  c.later(p.target.taken);
}
template <class C>
void fields(C& c, RenamePayload& p) {
  c(p.target, p.to_key, p.mode, p.keep_orphan, p.now_ns);
  c.later(p.move, p.mover);
  c.later(p.further);
  c.later(p.forward);
  c.later(p.target.taken);
}
template <class C>
void fields(C& c, Forward& f) {
  c(f.at_ns, f.to, f.since, f.cut);
}
template <class C>
void fields(C& c, ForwardAnswer& a) {
  c(a.found, a.seen, a.to, a.cut);
}
template <class C>
void fields(C& c, MovePayload& p) {
  c(p.target, p.move, p.from_key, p.to_key, p.mode, p.keep_orphan, p.version, p.placed, p.row, p.slices_row);
  c.later(p.mover);
  c.later(p.forward);
  c.later(p.target.taken);
}
template <class C>
void fields(C& c, LinkPayload& p) {
  c(p.target, p.to_key, p.links, p.now_ns);
  c.later(p.target.taken);
}
template <class C>
void fields(C& c, LookupPayload& p) {
  c(p.bucket, p.key);
}
template <class C>
void fields(C& c, DirectoryPayload& p) {
  c(p.bucket, p.prefix, p.after, p.limit);
}
template <class C>
void fields(C& c, LookupAnswer& a) {
  c(a.file, a.directory, a.has_children);
}
template <class C>
void fields(C& c, DirectoryAnswer::Entry& e) {
  c(e.name, e.row);
}
template <class C>
void fields(C& c, DirectoryAnswer& a) {
  c(a.entries, a.end);
}
template <class C>
void fields(C& c, LockRange& r) {
  c(r.type, r.start, r.end, r.owner, r.pid, r.whole_file);
}
template <class C>
void fields(C& c, HeldLock& h) {
  c(h.inode, h.range);
}
template <class C>
void fields(C& c, LockPayload& p) {
  c(p.what, p.set, p.session, p.number, p.wanted, p.held);
}
template <class C>
void fields(C& c, LockAnswer& a) {
  c(a.granted, a.early, a.other, a.lost);
}
template <class C>
void fields(C& c, std::vector<std::string>& names) {
  c.value(names);
}
}  // namespace flashstor::files
namespace flashstor::objects {
template <class C>
void fields(C& c, DroppedReference& d) {
  Slice slice{.data = d.data, .offset = 0, .length = 0, .referrer = d.referrer};
  c(slice);
  d.data = slice.data;
  d.referrer = slice.referrer;
}
}  // namespace flashstor::objects
namespace flashstor::files {
template <class C>
void fields(C& c, FileOutcome& o) {
  c(o.row, o.orphan, o.key, o.more, o.drops);
  c.later(o.used);
  c.later(o.merged);
}

template <class Payload>
std::string encode(const Payload& payload) {
  Writer out;
  fields(out, const_cast<Payload&>(payload));
  return out.take();
}

template <class Payload>
Result<Payload> decode(std::string_view bytes) {
  Reader in(bytes);
  Payload payload;
  fields(in, payload);
  if (!in.good()) return fail(ErrorCode::kMalformed, "a file command that does not parse");
  return payload;
}

#define FLASHSTOR_CODEC(type)                     \
  template std::string encode<type>(const type&); \
  template Result<type> decode<type>(std::string_view);
FLASHSTOR_CODEC(MakePayload)
FLASHSTOR_CODEC(PublishPayload)
FLASHSTOR_CODEC(AttributesPayload)
FLASHSTOR_CODEC(RemovePayload)
FLASHSTOR_CODEC(RenamePayload)
FLASHSTOR_CODEC(MovePayload)
FLASHSTOR_CODEC(Forward)
FLASHSTOR_CODEC(ForwardAnswer)
FLASHSTOR_CODEC(LinkPayload)
FLASHSTOR_CODEC(LookupPayload)
FLASHSTOR_CODEC(DirectoryPayload)
FLASHSTOR_CODEC(FileOutcome)
FLASHSTOR_CODEC(LookupAnswer)
FLASHSTOR_CODEC(LockPayload)
FLASHSTOR_CODEC(LockAnswer)
FLASHSTOR_CODEC(DirectoryAnswer)
FLASHSTOR_CODEC(FileTarget)
FLASHSTOR_CODEC(std::vector<std::string>)
#undef FLASHSTOR_CODEC

Uuid orphans_of(const Uuid& bucket) { return {bucket.high ^ 0x6f727068616e73ULL, ~bucket.low}; }

InodeId moving_lock_of(const Uuid& bucket) { return {bucket.high ^ 0x6d6f766573ULL, ~bucket.low}; }

std::string links_key(const Uuid& bucket, const InodeId& inode) {
  return bucket.to_bytes() + inode.to_bytes();
}

void register_file_commands(cluster::CommandRegistry& registry) {
  const auto plan = [&](FileCommand kind, cluster::Planner planner) {
    registry.add_planner(static_cast<cluster::CommandKind>(kind), std::move(planner));
  };
  const auto query = [&](FileCommand kind, cluster::QueryHandler handler) {
    registry.add_query(static_cast<cluster::CommandKind>(kind), std::move(handler));
  };
  plan(FileCommand::kMake, plan_make);
  plan(FileCommand::kPublish, plan_publish);
  plan(FileCommand::kChangeAttributes, plan_change_attributes);
  plan(FileCommand::kRemove, plan_remove);
  plan(FileCommand::kRemoveDirectory, plan_remove_directory);
  plan(FileCommand::kRename, plan_rename);
  plan(FileCommand::kRenameDirectory, plan_rename_directory);
  plan(FileCommand::kLink, plan_link);
  plan(FileCommand::kMoveBegin, plan_move_begin);
  plan(FileCommand::kMovePlace, plan_move_place);
  plan(FileCommand::kMoveSettle, plan_move_settle);
  plan(FileCommand::kMoveEnd, plan_move_end);
  plan(FileCommand::kMoveForget, plan_move_forget);
  plan(FileCommand::kDirectoryMoveBegin, plan_directory_move_begin);
  plan(FileCommand::kDirectoryMoveEnd, plan_directory_move_end);
  plan(FileCommand::kMoverChange, plan_mover_change);
  query(FileCommand::kLookup, query_lookup);
  query(FileCommand::kReadDirectory, query_directory);
  query(FileCommand::kLinks, query_links);
  query(FileCommand::kLeftovers, query_leftovers);
  const auto intents = [](std::string_view kind) {
    return [kind](cluster::RowView& rows, std::string_view payload) {
      return query_intent(kind, rows, payload);
    };
  };
  query(FileCommand::kMove, intents(kMoveIntents));
  query(FileCommand::kDirectoryMove, intents(kDirectoryMoves));
  query(FileCommand::kForward, query_forward);
  query(FileCommand::kLock,
        [table = std::make_shared<LockTable>()](cluster::RowView& rows, std::string_view payload) {
          return query_lock(*table, rows, payload);
        });
}

}  // namespace flashstor::files
