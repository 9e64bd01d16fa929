#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// What bounds a set, in one place.
namespace flashstor::cluster::limits {

/// Drives of a deployment.
inline constexpr std::size_t kMaxDrives = 1024;
/// Synced batches under way to one drive; what comes meanwhile is gathered into the next.
inline constexpr std::size_t kMaxAppendsInFlight = 2;
/// Time-outs of the consensus core where all members live in one process.
inline constexpr std::chrono::milliseconds kElectionTimeout{50};
/// Where they are on several nodes: the time-out, and how often their clocks are looked at.
inline constexpr std::chrono::milliseconds kSpreadElectionTimeout{1000};
inline constexpr std::chrono::milliseconds kSpreadTick{50};
/// Appends with entries under way to a member on another node: what comes meanwhile goes into the next.
inline constexpr std::size_t kSpreadInflight = 8;
/// Shards that came before their entries, for one member.
inline constexpr std::size_t kMaxIncoming = 8192;
/// How long a leader that stops tries to hand over.
inline constexpr std::chrono::milliseconds kHandOver{500};
/// While no leader stands, the group's clock goes on by kClockStep every kClockPace.
inline constexpr std::chrono::milliseconds kClockStep{5};
inline constexpr std::chrono::milliseconds kClockPace{1};
/// An append that takes longer than this no longer holds the group's clock.
inline constexpr std::chrono::milliseconds kSlowAppend{1000};
/// An append that takes longer than this fails the drive.
inline constexpr std::chrono::seconds kHungAppend{20};
/// A leader whose own append takes longer than this hands over to one whose does not.
inline constexpr std::chrono::milliseconds kSlowLeader{2000};
/// The same, when the others have committed meanwhile all that the leader's drive has been given.
inline constexpr std::chrono::milliseconds kOvertakenLeader{600};
/// A member whose drive takes no further append speaks on when the oldest one takes longer than this.
inline constexpr std::chrono::milliseconds kHangingAppend{200};
/// How long a write waits for the slowest drive once enough drives hold it.
inline constexpr std::chrono::milliseconds kCommitDeadline{1000};
/// How soon drives are asked again for what they had not applied yet.
inline constexpr std::chrono::milliseconds kReadAgain{20};
/// How long a command waits for its locks, a leader, or an undecided version.
inline constexpr std::chrono::seconds kWaitDeadline{10};
/// After this a write whose outcome is still open is answered as unknown.
inline constexpr std::chrono::seconds kOutcomeDeadline{30};
/// A confirmation waits so long for an entry to ride on.
inline constexpr std::chrono::milliseconds kConfirmDelay{500};
/// How often deadlines of writes under way are looked at.
inline constexpr std::chrono::milliseconds kHousePace{50};
/// How long drives are waited for, before they are asked for undecided versions, that have nothing of their
/// leader yet; and how often it is looked whether they have.
inline constexpr std::chrono::milliseconds kFollowPatience{100};
inline constexpr std::chrono::milliseconds kFollowPoll{2};
/// How long drives are waited for that are asked for undecided versions: at first, and at most.
inline constexpr std::chrono::milliseconds kInquiryPatience{300};
inline constexpr std::chrono::seconds kLongestInquiry{5};
/// How often a leader looks again at versions that it could not settle.
inline constexpr std::chrono::milliseconds kSettleRetry{250};
/// Reads wait so long for a leader; then the set serves them without one, if enough drives stand.
inline constexpr std::chrono::seconds kLeaderPatience{2};
/// Versions that one entry confirms.
inline constexpr std::size_t kMaxConfirms = 1024;
/// Rows of the set's own that ride on one entry.
inline constexpr std::size_t kMaxRiders = 1024;
/// Commands waiting for locks.
inline constexpr std::size_t kMaxLockWaiters = 16'384;
/// Entries given to a drive for applying at a time.
inline constexpr std::size_t kMaxApplyBatch = 512;
/// A scan that gets no row from a drive for so long takes the drive for hung.
inline constexpr std::chrono::seconds kScanDeadline{5};
/// Rows visited on a loop before a scan goes to the pool.
inline constexpr std::size_t kRowsOnLoop = 2000;
/// A shard that has not come after this is read from another drive.
inline constexpr std::chrono::milliseconds kHedgeAfter{50};
/// Staged data whose entry never came is dropped after this.
inline constexpr std::chrono::hours kStagedKeep{1};
/// Staged data that a stop left behind is looked for this often.
inline constexpr std::chrono::minutes kSweepPeriod{10};
/// Stripes of a large slice waiting for one drive.
inline constexpr std::size_t kStagedStripes = 2;
/// A drive that takes no stripe for so long is left out of the slice.
inline constexpr std::chrono::seconds kStageDeadline{10};
/// Due rows looked at, and slices freed, at a time.
inline constexpr std::size_t kMaxFrees = 256;
inline constexpr std::chrono::seconds kDuePeriod{10};
/// Nothing is freed for so long while a node that may be reading it does not answer; and a silence is another
/// one when the node was not asked for so long. Those that are known by their channels are remembered for so
/// long after the last one ended.
inline constexpr std::chrono::minutes kPinPatience{3};
inline constexpr std::chrono::minutes kPinSilence{1};
inline constexpr std::chrono::minutes kGuestKept{10};
/// Rows of the heal queue looked at at a time, and how often the queue is looked at when nobody calls.
inline constexpr std::size_t kMaxHealBatch = 512;
inline constexpr std::chrono::seconds kHealPeriod{5};
/// What could not be healed is tried again after kHealPeriod, then ever more rarely up to this, unless a
/// drive comes back; so is a scan that a drive is owed. So many rows of the queue are remembered for that.
inline constexpr std::chrono::minutes kLongestHealPause{5};
inline constexpr std::size_t kMaxPostponed = 131'072;
/// A reported shard is looked at after this; and between slices while commands are under way.
inline constexpr std::chrono::milliseconds kHealSoon{200};
inline constexpr std::chrono::milliseconds kHealPause{2};
/// The rate of healing is measured over so long.
inline constexpr std::chrono::seconds kHealWindow{2};
/// Slices healed beside each other, their drives' syncs shared: so many, but no more bytes of them in memory.
inline constexpr std::size_t kHealAtOnce = 128;
inline constexpr std::uint64_t kHealBytesAtOnce = 16 << 20;
/// Such groups under way at a time while a filled drive is healed.
inline constexpr std::size_t kHealLanes = 2;
/// How long the background rests for each unit of time that it works while requests come in, and while they
/// have become slower than kSlowdown times their best.
inline constexpr int kRestWhenBusy = 1;
inline constexpr int kRestWhenSlow = 10;
inline constexpr int kSlowdown = 2;
inline constexpr std::chrono::milliseconds kLongestRest{500};
/// The scanner: what drives hold is compared this often, and read and verified this often; first so long
/// after a leader began.
inline constexpr std::chrono::hours kScanPeriod{12};
inline constexpr std::chrono::hours kDeepScanPeriod{24 * 7};
inline constexpr std::chrono::minutes kFirstScan{1};
inline constexpr std::chrono::hours kFirstDeepScan{1};
/// Slices of one look of the scanner.
inline constexpr std::size_t kScanPage = 1024;
/// How often the keeper looks at drives, how soon after a step that another one follows, how rarely at those
/// that do not come back, and how long it waits for them at a stop.
inline constexpr std::chrono::milliseconds kKeeperPace{1000};
inline constexpr std::chrono::milliseconds kKeeperSoon{20};
inline constexpr std::chrono::seconds kKeeperRetry{5};
inline constexpr std::chrono::seconds kKeeperStop{3};
/// A start waits so long to learn what stands at the paths that it was given.
inline constexpr std::chrono::seconds kInspectDeadline{10};
/// Drives that are filled from the drives here of one set at a time, and how long one of them may say
/// nothing.
inline constexpr std::size_t kMaxFillSessions = 2;
inline constexpr std::chrono::seconds kFillIdle{60};
/// How long a member that may have lost what it said waits for those that could tell, before it takes the
/// word of fewer.
inline constexpr std::chrono::seconds kDoubtWait{10};
/// So long after a drive was in doubt a new leader may be the first to know.
inline constexpr std::chrono::seconds kDoubtMemory{60};
/// How long a leader takes to be sure that it still is one, when asked who takes part.
inline constexpr std::chrono::milliseconds kViewDeadline{1000};
/// How long a member that is told to take up another generation may take to end what it was at.
inline constexpr std::chrono::seconds kRaiseDeadline{20};
/// A new member may vote when it is at most so many entries behind.
inline constexpr std::uint64_t kCaughtUp = 64;
/// Shards reported bad and not yet in the durable queue.
inline constexpr std::size_t kMaxHealReports = 4096;

}  // namespace flashstor::cluster::limits
