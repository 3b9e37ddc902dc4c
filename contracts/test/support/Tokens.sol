// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Tokens as they should not be, for attacks on the vault.
contract PlainToken is ERC20("Plain", "PLN") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Keeps 1 atom in 100 of each transfer.
contract FeeToken is PlainToken {
    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : amount / 100;
        super._update(from, to, amount - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}

/// @notice Anyone may halve what a holder has: a negative rebase.
contract RebasingToken is PlainToken {
    function halve(address holder) external {
        _burn(holder, balanceOf(holder) / 2);
    }
}

/// @notice Moves nothing and answers false, without reverting, once told to.
contract FalseToken is PlainToken {
    bool public lying;

    function lie(bool lying_) external {
        lying = lying_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return lying ? false : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return lying ? false : super.transferFrom(from, to, amount);
    }
}

/// @notice Returns nothing at all, as some well-known tokens do.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address, uint256) external {}

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Reverts on every transfer once told to.
contract StuckToken is PlainToken {
    bool public stuck;

    error Stuck();

    function stick(bool stuck_) external {
        stuck = stuck_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (stuck) revert Stuck();
        super._update(from, to, amount);
    }
}

/// @notice Calls back on every transfer: `target` with `data`, once.
contract CallbackToken is PlainToken {
    address public target;
    bytes public data;
    bool public succeeded;
    bool public called;

    function arm(address target_, bytes calldata data_) external {
        target = target_;
        data = data_;
        called = false;
        succeeded = false;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (target != address(0)) {
            address callee = target;
            target = address(0);
            called = true;
            (succeeded, ) = callee.call(data);
        }
        super._update(from, to, amount);
    }
}
