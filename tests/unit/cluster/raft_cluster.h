#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/cluster/raft/raft.h"

namespace flashstor::cluster::raft {

/// A group whose drives sync when told and whose messages arrive at once, unless cut off; time moves by hand.
class Group {
 public:
  struct Member {
    std::unique_ptr<Raft> core;
    std::vector<Entry> drive;
    HardState hard;
    LogBase base;
    Membership base_membership;
    Index applied = 0;
    std::vector<std::string> rows;
    std::vector<ReadAnswer> reads;
    std::vector<MemberId> needs_fill;
    std::vector<Records> unsynced;
    bool hold_syncs = false;
    bool takes_records = true;
    bool cut = false;
  };

  explicit Group(std::size_t voters, std::size_t standbys = 0, std::uint64_t seed = 42) : random_(seed) {
    for (MemberId id = 1; id <= voters + standbys; ++id) {
      (id <= voters ? membership_.voters : membership_.standbys).push_back(id);
    }
    for (MemberId id = 1; id <= voters + standbys; ++id) start(id);
    pump();
  }

  void start(MemberId id) {
    Member& member = members_[id];
    if (member.base_membership.voters.empty()) member.base_membership = membership_;
    member.unsynced.clear();
    member.rows.clear();
    Restored restored;
    restored.hard_state = member.hard;
    restored.base = member.base;
    restored.tail = member.drive;
    restored.applied = member.base.index;
    restored.membership = member.base_membership;
    restored.membership_index = member.base.index;
    Options options;
    options.self = id;
    options.generation = 7;
    member.core = std::make_unique<Raft>(options, std::move(restored), random_, now);
  }

  Raft& at(MemberId id) { return *members_[id].core; }
  Member& member(MemberId id) { return members_[id]; }
  void cut(MemberId id, bool off = true) { members_[id].cut = off; }

  /// Does what `ready` says until nothing is left to do.
  void pump() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& [id, member] : members_) busy = handle(id, member) || busy;
      std::vector<Message> now_sent = std::move(bus_);
      bus_.clear();
      for (Message& message : now_sent) {
        busy = true;
        ++messages;
        if (members_[message.from].cut || members_[message.to].cut) continue;
        members_[message.to].core->step(now, std::move(message));
      }
    }
  }

  void advance(Nanoseconds by) {
    const MonotonicTime end = now + by;
    while (now < end) {
      now += Milliseconds(50);
      for (auto& [id, member] : members_) member.core->tick(now);
      pump();
    }
  }

  /// Waits for a leader that is ready; 0 when none comes.
  MemberId elect() {
    for (int i = 0; i < 200; ++i) {
      for (auto& [id, member] : members_) {
        if (!member.cut && member.core->leader_ready()) return id;
      }
      advance(Milliseconds(50));
    }
    return 0;
  }

  Result<Index> put(MemberId id, std::string_view row) {
    auto index = at(id).propose(now, Buffer::copy_of(row));
    pump();
    return index;
  }

  void sync(MemberId id, bool ok = true) {
    Member& member = members_[id];
    std::vector<Records> records = std::move(member.unsynced);
    member.unsynced.clear();
    for (Records& one : records) {
      const std::uint64_t sequence = one.sequence;
      if (ok) store(member, std::move(one));
      member.core->append_done(now, sequence, ok);
    }
    pump();
  }

  std::size_t messages = 0;
  MonotonicTime now{std::chrono::seconds(100)};

 private:
  static void store(Member& member, Records records) {
    if (records.reset) {
      member.drive.clear();
      member.base = *records.reset;
    }
    if (records.truncate_from != 0) {
      std::erase_if(member.drive, [&](const Entry& entry) { return entry.index >= records.truncate_from; });
    }
    if (records.hard_state) member.hard = *records.hard_state;
    for (Entry& entry : records.entries) member.drive.push_back(std::move(entry));
  }

  bool handle(MemberId id, Member& member) {
    Ready ready = member.core->ready(member.takes_records);
    bool busy = !ready.messages.empty() || !ready.committed.empty();
    for (Message& message : ready.messages) bus_.push_back(std::move(message));
    for (ReadAnswer& answer : ready.reads) member.reads.push_back(answer);
    for (const MemberId other : ready.needs_fill) member.needs_fill.push_back(other);
    for (const Entry& entry : ready.committed) {
      if (!entry.payload.empty()) member.rows.emplace_back(entry.payload.view());
      member.applied = entry.index;
    }
    if (!ready.committed.empty()) member.core->applied(now, member.applied);
    for (const EntriesWanted& wanted : ready.wanted) {
      std::vector<Entry> entries;
      for (const Entry& entry : member.drive) {
        if (entry.index >= wanted.from && entry.index <= wanted.to) entries.push_back(entry);
      }
      member.core->entries_loaded(now, wanted.member, std::move(entries));
      busy = true;
    }
    if (!ready.records) return busy;
    if (member.hold_syncs) {
      member.unsynced.push_back(std::move(*ready.records));
    } else {
      const std::uint64_t sequence = ready.records->sequence;
      store(member, std::move(*ready.records));
      member.core->append_done(now, sequence, true);
    }
    (void)id;
    return true;
  }

  base::SeededRandom random_;
  Membership membership_;
  std::map<MemberId, Member> members_;
  std::vector<Message> bus_;
};

}  // namespace flashstor::cluster::raft
