// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice ERC-20 of a local chain that anyone may mint: demos and tests. It refuses to exist elsewhere.
contract DemoToken is ERC20 {
    /// @notice The only chain it exists on.
    uint256 public constant LOCAL_CHAIN_ID = 31337;
    uint8 private immutable _decimals;

    /// @notice This is no local chain.
    error LocalChainOnly(uint256 chainId, uint256 localChainId);

    constructor(string memory name, string memory symbol, uint8 decimals_) ERC20(name, symbol) {
        if (block.chainid != LOCAL_CHAIN_ID) revert LocalChainOnly(block.chainid, LOCAL_CHAIN_ID);
        _decimals = decimals_;
    }

    /// @notice Decimal places of the token.
    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    /// @notice Gives `amount` atoms to `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
