// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ForcedWithdrawals} from "./ForcedWithdrawals.sol";
import {Config} from "./types/Config.sol";

/// @title Settlement
/// @notice What is deployed beside the vault: governance (Governed.sol), batches (Batches.sol) and the way out
/// without the operator (ForcedWithdrawals.sol), each on top of the one before.
contract Settlement is ForcedWithdrawals {
    /// @param config The vault must name this contract as its settlement.
    constructor(Config memory config) ForcedWithdrawals(config) {}
}
