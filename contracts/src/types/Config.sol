// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Parameters of the settlement contract's constructor; delays in seconds, the fee in wei.
/// @param vault The vault, which must name the settlement contract as its own.
/// @param exitDelay The deadline of a forced withdrawal, from its request on.
/// @param verifierDelay Must be longer than `exitDelay` plus 30 days.
struct Config {
    address vault;
    address governor;
    address guardian;
    address operator;
    address verifier;
    uint256 exitDelay;
    uint256 proofDelay;
    uint256 maxUnproven;
    uint256 requestFee;
    uint256 verifierDelay;
}
