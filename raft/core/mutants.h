#ifndef PONTOON_RAFT_CORE_MUTANTS_H_
#define PONTOON_RAFT_CORE_MUTANTS_H_

namespace pontoon::raft {

// Bugs that others had, each as it happened to them, put back on purpose: the tests have to find
// every one (tests/mutants). They exist only in a build with PONTOON_MUTANTS, in which the
// environment variable PONTOON_MUTANT picks one by its number; everywhere else MutantIs is false at
// compile time and leaves no trace. One enumerator a line: tests/mutants/run reads them here.
enum class Mutant {
  kNone,
  kCommitsOlderTermsByCounting,      // nats-server pull 7955
  kForgetsVoteOnStepDown,            // nats-server pull 7698
  kVotesBeforeDurable,               // nats-server pull 5848
  kAcksBeforeDurable,                // nats-server issue 7549 family: lazy sync
  kSeveralChangesAtOnce,             // nats-server pull 7565
  kTruncatedChangeStays,             // nats-server pull 8332
  kAnyAnswerCountsForAll,            // nats-server pull 6944
  kEveryAppendTruncates,             // nats-server pull 7424
  kCountsVotesOfStrangers,           // nats-server pull 8353
  kMembersOfFirstEntryOnly,          // nats-server pull 7850
  kCommitBeforeMatch,                // ra pull 508
  kDurableSurvivesTruncation,        // ra pull 637
  kLateCompletionCreditsNewEntries,  // ra pull 516
  kRecoveryMissesMembership,         // ra pull 417
  kRefusedPreVoteTeachesNoTerm,      // ra issue 439
  kWrongTermOfSnapshot,              // ra commit 919a6484
  kSnapshotInHandNotAnswered,        // ra pull 641
  kTwoVotersWithoutJointStep,        // redpanda pull 17675
  kAnswersWithItsLast,               // redpanda pull 13495
  kQuorumOfStaleOrder,               // openraft issue 1802
  kSnapshotBesideConflictingLog,     // openraft issue 1892
  kSnapshotOfThePastAccepted,        // openraft commit 674e78aa
  kLeaderCountsUnsyncedOwn,          // openraft commit a9f696a9
  kTransferToLearner,                // openraft issue 1805
  kSoleVoterCommitsUnsynced,         // etcd issue 14370
  kTermOfCompactedIsZero,            // etcd raft pull 31
  kReadAnsweredByOldHeartbeat,       // etcd raft pull 397
  kSkipsPastThePage,                 // etcd pull 10063
  kChangeBeforeOwnCommit,            // etcd pull 12134; Ongaro 2015
  kUncommittedBytesLeak,             // cockroach issue 31618
  kEntriesReadInAnotherTerm,         // raft-rs pull 465
  kDurableAheadOfSnapshot,           // raft-rs pull 417
  kLeaseFromAnswerTime,              // tikv issue 964
  kLeaseDuringTransfer,              // sofa-jraft pull 26
  kHearsDeadLeader,                  // hashicorp raft pull 605
  kLearnersCampaign,                 // hashicorp raft pull 526
  kSnapshotResetsNewerMembers,       // NuRaft pull 566
  kLostAcknowledgedGoesOn,           // etcd issue 10166
  kFeedsBodiesItLacks,               // ra pull 597: a reference to what is gone
  kReleasesOneTooMany,               // rabbitmq-server pull 12358
  kJointCountsNewHalfOnly,           // redpanda pull 17675 family: those who leave have no say
  // Of the host, of snapshots and of the disk.
  kGapAccepted,                  // ra pull 581
  kMiddleCutAsTorn,              // RocksDB's recovery as it comes; nats-server issue 7549
  kStateApartFromItsData,        // etcd issue 13766
  kEndedByTheLast,               // ra pull 597 family: what is committed by whose word
  kDropsWithoutSayingWhen,       // ra pull 597 family: after a restart
  kLiveBodiesOffByOne,           // rabbitmq-server pull 12358, in a snapshot
  kOwnBodiesByIndex,             // ra commits adf11ab5, 2b4e2b42 family: what is there already
  kShortAnswerCountsAsAll,       // ra pull 589: a list that is cut
  kInstallsBeforeAllArrived,     // ra pull 629
  kLateAnswerTaken,              // raft-rs pull 465 family: answers to an earlier life
  kPartsUnchecked,               // nats-server issue 7556: damage that is passed on
  kServesUnsyncedCheckpoint,     // raft-rs pull 417 family
  kReleasesByNewestTask,         // openraft commit cecb5de8
  kReleasesBeforeSubmit,         // redpanda pull 18394 family
  kNumbersBeginAgain,            // raft-rs pull 465 family: completions of an earlier opening
  kOldBootHeard,                 // a disk that was put back
  kOldIncarnationHeard,          // etcd issue 17081
  kQuarantineForgotten,          // etcd issue 10166 family
  kComparedBeforeTheLogChanged,  // ra commit 83d0154c: read while it was replaced
  kPagesOfAnotherSender,         // openraft issue 1892 family: remains of another snapshot
  kServesInQuarantine,           // nats-server issue 7556: one damaged state becomes two
  kReadErrorIsTheEnd,            // openraft issue 1795
  kOldEpochHeard,                // of a group that was reopened: copies that were given up
  kOldCopyJoins,                 // the same: such a copy comes back with what it has
  kServesInDispute,              // nats-server issue 7556 family
  kHeardBeforeRemembered,        // raft-rs pull 417 family: what is not durable counts already
  // Of what travels.
  kEntriesUnchecked,  // nats-server issue 7556 family: damage that is passed on, in an append
  kBatchUnchecked,    // the same, in all that is no entry
  kReadsUnchecked,    // the same, in pages and bodies that were damaged on the sender's disk
};

#ifdef PONTOON_MUTANTS
bool MutantIs(Mutant mutant);
#else
constexpr bool MutantIs(Mutant) { return false; }
#endif

}  // namespace pontoon::raft

#endif  // PONTOON_RAFT_CORE_MUTANTS_H_
