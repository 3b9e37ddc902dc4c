// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PageExits} from "./PageExits.sol";
import {Config} from "./Types.sol";

/// @title Settlement in pages
/// @notice What is deployed beside the vault: governance (PageGoverned.sol), batches (PageBatches.sol) and the way out
/// without the operator (PageExits.sol), each on top of the one before.
contract PageSettlement is PageExits {
    /// @param config The vault must name this contract as its settlement.
    constructor(Config memory config) PageExits(config) {}
}
