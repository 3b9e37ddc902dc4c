// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Packed} from "../libraries/Packed.sol";
import {Asset} from "../types/Asset.sol";
import {IPageSettlement} from "./IPageSettlement.sol";
import {IPageVault} from "./IPageVault.sol";
import {PageRows} from "./PageRows.sol";
import {StateTree} from "./StateTree.sol";

/// @title Vault of settlement in pages
/// @notice Custody. Immutable: no owner, no upgrade, no pause; the only caller with a say is the
/// settlement contract fixed at construction, and all it can do is make units claimable that a final
/// batch took out of the tree.
///
/// What always holds, for each asset: custodyUnits = claims + balances under the final root + deposits
/// not consumed by a final batch + withdrawals of final batches that are not yet claims; and the vault
/// holds at least custodyUnits * unitAtoms atoms, as long as the token itself keeps its word. Units and atoms off the
/// chain: sdk/money/units-and-atoms.ts.
///
/// Every outgoing payment goes to the owner of the account and is asked for by a call of its own, so a
/// token or an owner that reverts stops only itself. State changes before a payment; functions that touch
/// tokens share one reentrancy lock, so no callback of a token can shift a measured balance difference.
contract PageVault is IPageVault, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IPageVault
    address public immutable settlement;
    /// @inheritdoc IPageVault
    uint256 public immutable assetCount;

    /// @inheritdoc IPageVault
    uint256 public accountCount;
    /// @inheritdoc IPageVault
    uint64 public depositCount;

    mapping(uint256 asset => Asset) private _assets;
    mapping(uint256 account => address) private _owners;
    /// @dev Account id plus 1; 0 = not registered.
    mapping(address owner => uint256) private _accountPlusOne;
    mapping(uint256 count => bytes32) private _depositHashes;
    mapping(uint256 index => uint64) private _claims;
    mapping(uint256 asset => uint64) private _custodyUnits;
    mapping(uint256 index => bool) private _escaped;
    mapping(uint256 position => bool) private _refunded;

    /// @param settlement_ The settlement contract, whose constructor checks that it is meant.
    /// @param feeOwner Owner of account 0, to which the exchange's fees go; an account like any other.
    /// @param assets_ Token and unit size of assets 0, 1, ...: the allow-list, fixed for good.
    constructor(address settlement_, address feeOwner, Asset[] memory assets_) {
        if (settlement_ == address(0) || feeOwner == address(0)) revert ZeroAddress();
        if (assets_.length == 0 || assets_.length > Packed.ASSET_MASK + 1)
            revert BadAssetCount(assets_.length, Packed.ASSET_MASK + 1);
        settlement = settlement_;
        assetCount = assets_.length;
        for (uint256 asset = 0; asset < assets_.length; ++asset) {
            if (assets_[asset].unitAtoms == 0) revert BadUnitAtoms(asset, 0);
            for (uint256 other = 0; other < asset; ++other)
                if (assets_[other].token == assets_[asset].token) revert DuplicateToken(assets_[asset].token);
            _assets[asset] = assets_[asset];
            emit AssetListed(uint8(asset), assets_[asset].token, assets_[asset].unitAtoms);
        }
        _register(feeOwner);
    }

    /// @inheritdoc IPageVault
    function deposit(uint256 asset, uint256 amount) external payable nonReentrant returns (uint64 position) {
        if (IPageSettlement(settlement).frozen()) revert ExchangeFrozen();
        Asset memory kind = assetOf(asset);
        uint256 received = _take(kind.token, amount);
        if (received == 0) revert ZeroAmount();
        if (received % kind.unitAtoms != 0) revert NotWholeUnits(received, kind.unitAtoms);

        // The bound on the sum keeps every balance of the tree below it, so a proof never fails for size.
        uint256 units = received / kind.unitAtoms;
        uint256 room = Packed.UNITS_END - 1 - _custodyUnits[asset];
        if (units > room) revert CustodyOverLimit(asset, units, room);
        _custodyUnits[asset] += uint64(units);

        uint256 plusOne = _accountPlusOne[msg.sender];
        uint256 account = plusOne == 0 ? _register(msg.sender) : plusOne - 1;
        position = depositCount;
        depositCount = position + 1;
        bytes32 record = Packed.depositRecord(Packed.indexOf(account, asset), units, msg.sender);
        _depositHashes[position + 1] = Packed.extend(_depositHashes[position], record);
        emit Deposited(position, uint32(account), uint8(asset), uint64(units), msg.sender);
    }

    /// @inheritdoc IPageVault
    function claim(uint256 account, uint256 asset) external nonReentrant returns (uint64 units) {
        address owner = ownerOf(account);
        Asset memory kind = assetOf(asset);
        uint256 index = Packed.indexOf(account, asset);
        units = _claims[index];
        if (units == 0) revert NothingToClaim(account, asset);
        _claims[index] = 0;
        emit Claimed(uint32(account), uint8(asset), units, owner);
        _pay(asset, kind, owner, units);
    }

    /// @inheritdoc IPageVault
    function escape(
        uint256 account,
        uint256 asset,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) external nonReentrant {
        if (!IPageSettlement(settlement).frozen()) revert NotFrozen();
        address owner = ownerOf(account);
        Asset memory kind = assetOf(asset);
        uint256 index = Packed.indexOf(account, asset);
        if (_escaped[index]) revert AlreadyEscaped(account, asset);
        uint64 units = balances[asset & (StateTree.LANES - 1)];
        if (units == 0) revert ZeroAmount();
        if (!verifyBalances(IPageSettlement(settlement).finalRoot(), account, asset, balances, siblings))
            revert WrongBalanceProof(account, asset, units);
        _escaped[index] = true;
        emit Escaped(uint32(account), uint8(asset), units);
        _pay(asset, kind, owner, units);
    }

    /// @inheritdoc IPageVault
    function refundDeposit(
        uint64 position,
        uint256 account,
        uint256 asset,
        uint64 units
    ) external nonReentrant {
        if (!IPageSettlement(settlement).frozen()) revert NotFrozen();
        uint256 consumed = IPageSettlement(settlement).finalDepositsConsumed();
        if (position < consumed) revert DepositConsumed(position, consumed);
        if (_refunded[position]) revert AlreadyRefunded(position);
        address owner = ownerOf(account);
        Asset memory kind = assetOf(asset);
        bytes32 record = Packed.depositRecord(Packed.indexOf(account, asset), units, owner);
        bytes32 hash = Packed.extend(_depositHashes[position], record);
        // Beyond the queue's end the stored hash is 0, which no extension equals.
        if (hash != _depositHashes[uint256(position) + 1]) revert UnknownDeposit(position);
        _refunded[position] = true;
        emit DepositRefunded(position, uint32(account), uint8(asset), units, owner);
        _pay(asset, kind, owner, units);
    }

    /// @inheritdoc IPageVault
    /// @dev Not under the reentrancy lock: it moves no token, and a claim's callback may credit withdrawals.
    /// The settlement contract passes each row once; the sums are bounded by custodyUnits.
    function creditClaims(bytes calldata rows) external {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
        uint256 offset = 0;
        while (offset < rows.length) {
            uint256 leaf;
            uint256 mask;
            uint256 packed;
            (leaf, mask, packed, offset) = PageRows.withdrawalAt(rows, offset);
            uint256 index = PageRows.firstIndexOf(leaf);
            for (; mask != 0; mask >>= 1) {
                if (mask & 1 != 0) {
                    _creditClaim(index, uint64(packed >> 200));
                    packed <<= 56;
                }
                ++index;
            }
        }
    }

    /// @inheritdoc IPageVault
    function verifyBalances(
        uint256 root,
        uint256 account,
        uint256 asset,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) public view returns (bool) {
        // Both are in range, or this reverts.
        _indexOf(account, asset);
        return StateTree.verify(root, StateTree.leafIndexOf(account, asset), balances, siblings);
    }

    /// @inheritdoc IPageVault
    function assetOf(uint256 asset) public view returns (Asset memory) {
        if (asset >= assetCount) revert UnknownAsset(asset, assetCount);
        return _assets[asset];
    }

    /// @inheritdoc IPageVault
    function accountOf(address owner) external view returns (uint32) {
        uint256 plusOne = _accountPlusOne[owner];
        if (plusOne == 0) revert UnknownOwner(owner);
        return uint32(plusOne - 1);
    }

    /// @inheritdoc IPageVault
    function ownerOf(uint256 account) public view returns (address) {
        if (account >= accountCount) revert UnknownAccount(account, accountCount);
        return _owners[account];
    }

    /// @inheritdoc IPageVault
    function claimable(uint256 account, uint256 asset) external view returns (uint64) {
        return _claims[_indexOf(account, asset)];
    }

    /// @inheritdoc IPageVault
    function depositHash(uint256 count) external view returns (bytes32) {
        return _depositHashes[count];
    }

    /// @inheritdoc IPageVault
    function custodyUnits(uint256 asset) external view returns (uint64) {
        return _custodyUnits[asset];
    }

    /// @inheritdoc IPageVault
    function escaped(uint256 account, uint256 asset) external view returns (bool) {
        return _escaped[_indexOf(account, asset)];
    }

    /// @inheritdoc IPageVault
    function refunded(uint256 position) external view returns (bool) {
        return _refunded[position];
    }

    function _creditClaim(uint256 index, uint64 units) private {
        _claims[index] += units;
        emit ClaimCredited(uint32(index >> Packed.ASSET_BITS), uint8(index & Packed.ASSET_MASK), units);
    }

    /// @dev Index of a listed asset and a registered account.
    function _indexOf(uint256 account, uint256 asset) private view returns (uint256) {
        ownerOf(account);
        assetOf(asset);
        return Packed.indexOf(account, asset);
    }

    /// @dev Takes `amount` atoms from the caller; gives what arrived by the vault's own balance.
    function _take(address token, uint256 amount) private returns (uint256 received) {
        if (token == address(0)) {
            if (msg.value != amount) revert WrongNativeValue(msg.value, amount);
            return amount;
        }
        if (msg.value != 0) revert WrongNativeValue(msg.value, 0);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        return IERC20(token).balanceOf(address(this)) - before;
    }

    /// @dev The last step of every payment: custody goes down, atoms go to the owner.
    function _pay(uint256 asset, Asset memory kind, address owner, uint64 units) private {
        _custodyUnits[asset] -= units;
        uint256 atoms = uint256(units) * kind.unitAtoms;
        if (kind.token != address(0)) {
            IERC20(kind.token).safeTransfer(owner, atoms);
            return;
        }
        bool sent;
        // No return data is copied: an owner cannot make a relayer pay for its memory.
        assembly ("memory-safe") {
            sent := call(gas(), owner, atoms, 0, 0, 0, 0)
        }
        if (!sent) revert NativeTransferFailed(owner, atoms);
    }

    function _register(address owner) private returns (uint256 account) {
        account = accountCount;
        if (account == Packed.ACCOUNTS_MAX) revert AccountsFull(Packed.ACCOUNTS_MAX);
        accountCount = account + 1;
        _owners[account] = owner;
        _accountPlusOne[owner] = account + 1;
        emit AccountRegistered(uint32(account), owner);
    }
}
