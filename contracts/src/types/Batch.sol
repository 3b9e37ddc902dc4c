// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a batch says of itself, beside its rows, deposits and withdrawals.
/// @param number Gap-free, from 1.
/// @param firstSeq First journal sequence of the batch: the last one of the batch before, plus 1.
/// @param lastSeq Last journal sequence of the batch, inclusive.
/// @param oldRoot Root of the balance tree before the rows.
/// @param newRoot Root of the balance tree after the rows.
/// @param journalHead Head of the journal's hash chain at `lastSeq`.
/// @param fillsRoot SHA-256 Merkle root of the fills (libraries/FillTree.sol).
/// @param depositsConsumed Deposits of the vault's queue consumed by this batch and all before it.
struct BatchHeader {
    uint64 number;
    uint64 firstSeq;
    uint64 lastSeq;
    uint256 oldRoot;
    uint256 newRoot;
    bytes32 journalHead;
    bytes32 fillsRoot;
    uint64 depositsConsumed;
}

/// @notice What is kept of a committed batch.
/// @param newRoot Root after the batch.
/// @param fillsRoot As in the header.
/// @param withdrawalsHash keccak256 of the packed withdrawals.
/// @param lastSeq As in the header.
/// @param depositsConsumed As in the header.
/// @param committedAt Block time of the commit, in seconds.
/// @param chunkCount Chunks that need a proof.
/// @param chunksProven Chunks that have one.
/// @param uncredited Withdrawals that are not claims yet; 0 = none is left.
/// @param verifier The verifier at the time of the commit; only it can prove the batch.
struct Batch {
    uint256 newRoot;
    bytes32 fillsRoot;
    bytes32 withdrawalsHash;
    uint64 lastSeq;
    uint64 depositsConsumed;
    uint40 committedAt;
    uint16 chunkCount;
    uint16 chunksProven;
    uint16 uncredited;
    address verifier;
}

/// @notice The way of a batch, in one direction; a batch that is struck goes back to `None`.
/// `Committed`: posted, and checked by the chain as far as it can. `Proven`: every chunk of it and of
/// every batch before it has a validity proof. `Final`: proven, and its withdrawals are claims.
enum BatchState {
    None,
    Committed,
    Proven,
    Final
}
