// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A forced withdrawal that waits for its answer.
/// @param remaining Units that are owed to it still; 0 = there is no request.
/// @param requestedAt Block time of the request, in seconds. Its deadline is `exitDelay` later: after it anyone may
/// freeze the exchange while the request is open (ForcedWithdrawals.freeze).
/// @param batchesBefore Number of the last batch that was committed then: it orders what the same block has.
/// @param depositsBefore Length of the deposit queue at the request: an answer must have consumed as many.
/// @param granted Whether a part was granted already.
/// @param feeStep The fee that is held until the answer is requestFee << feeStep wei.
struct ForcedWithdrawal {
    uint64 remaining;
    uint40 requestedAt;
    uint64 batchesBefore;
    uint56 depositsBefore;
    bool granted;
    uint8 feeStep;
}
