// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a batch says of itself, beside its pages.
/// @param number Gap-free, from 1.
/// @param firstSeq First journal sequence of the batch: the last one of the batch before, plus 1.
/// @param lastSeq Last journal sequence of the batch, inclusive.
/// @param oldRoot Root of the state tree before the first page.
/// @param newRoot Root of the state tree after the last page.
/// @param journalHead Head of the journal's hash chain at `lastSeq`.
/// @param fillsRoot SHA-256 Merkle root of the fills (libraries/FillTree.sol).
/// @param depositsConsumed Deposits of the vault's queue consumed by this batch and all before it.
/// @param pageCount Pages of the batch; none when nothing changed.
struct BatchHeader {
    uint64 number;
    uint64 firstSeq;
    uint64 lastSeq;
    uint256 oldRoot;
    uint256 newRoot;
    bytes32 journalHead;
    bytes32 fillsRoot;
    uint64 depositsConsumed;
    uint16 pageCount;
}

/// @notice A part of a batch that one proof covers.
/// @param kind 0 = deposits, 1 = trades, 2 = withdrawals; never falls within a batch.
/// @param lastRoot Root after the page.
/// @param rows As PageRows.sol has them for the kind.
/// @param deposits Deposit pages only: the queue's next deposits, each with the place of its leaf in `rows`.
struct Page {
    uint8 kind;
    uint256 lastRoot;
    bytes rows;
    bytes deposits;
}

/// @notice What the pages of an open batch pass on to its next transaction, held against one stored hash.
/// @param batchHash keccak256(abi.encode(chain id, settlement contract, header)).
/// @param pages Pages posted so far.
/// @param withdrawalPages How many of them are withdrawal pages.
/// @param kind Kind of the last one.
/// @param root Root after it.
/// @param nextLeaf Smallest leaf index that the next row of this kind may have.
/// @param depositsConsumed Deposits consumed so far, by this batch and all before it.
/// @param depositHash Running hash of the queue after them.
/// @param sums Sum of the deltas of trade pages so far, in units, one an asset.
struct Carried {
    bytes32 batchHash;
    uint256 pages;
    uint256 withdrawalPages;
    uint256 kind;
    uint256 root;
    uint256 nextLeaf;
    uint64 depositsConsumed;
    bytes32 depositHash;
    int256[] sums;
}

/// @notice What is kept of a committed batch.
/// @param newRoot Root after the batch.
/// @param fillsRoot As in the header.
/// @param lastSeq As in the header.
/// @param depositsConsumed As in the header.
/// @param committedAt Block time of its last page, in seconds.
/// @param pageCount Pages that need a proof.
/// @param pagesProven Pages that have one.
/// @param uncredited Withdrawal pages that are not claims in full yet.
/// @param verifier The verifier at the time of its first page; only it can prove the batch.
/// @param posting Which posting of all it was: what is kept of pages is kept under this number, so that a batch
/// number used again finds nothing of what was struck or dropped.
struct Batch {
    uint256 newRoot;
    bytes32 fillsRoot;
    uint64 lastSeq;
    uint64 depositsConsumed;
    uint40 committedAt;
    uint16 pageCount;
    uint16 pagesProven;
    uint16 uncredited;
    address verifier;
    uint64 posting;
}

/// @notice A batch of which some pages are posted and some are not.
/// @param carriedHash keccak256 of the encoded `Carried`; 0 = no batch is open.
/// @param verifier The verifier at the time of its first page.
/// @param openedAt Block time of its first page, in seconds.
struct OpenBatch {
    bytes32 carriedHash;
    address verifier;
    uint40 openedAt;
}

/// @notice The way of a batch, in one direction; a batch that is struck goes back to `None`.
/// `Committed`: all its pages are posted, and checked by the chain as far as it can. `Proven`: every page of it and
/// of every batch before it has a validity proof. `Final`: proven, and the challenge window has passed since its
/// commit, and so for every batch before it.
enum BatchState {
    None,
    Committed,
    Proven,
    Final
}

/// @notice Parameters of the settlement contract's constructor; delays in seconds, coins in wei.
/// @param vault The vault, which must name the settlement contract as its own.
/// @param exitDelay The deadline of a forced withdrawal, from its request on; longer than
/// 2 * `proofDelay` + `challengeWindow`.
/// @param proofDelay Seconds that a batch may stand unproven, or open.
/// @param challengeWindow Seconds between a batch's commit and the time from which it may be final.
/// @param powerDelay Seconds between the proposal of an operator or a verifier and its power; longer than `exitDelay`
/// plus 30 days.
/// @param bond What an operator must have posted to commit.
struct Config {
    address vault;
    address governor;
    address guardian;
    address operator;
    address verifier;
    uint256 exitDelay;
    uint256 proofDelay;
    uint256 challengeWindow;
    uint256 maxUnproven;
    uint256 requestFee;
    uint256 powerDelay;
    uint256 bond;
}
