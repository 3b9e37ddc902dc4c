// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Asset} from "../types/Asset.sol";

/// @notice Custody: who owns which account, what came in, what may go out. No key moves user funds.
/// Amounts of tokens are atoms, amounts of the exchange are units: 1 unit = `unitAtoms` atoms.
interface IPageVault {
    /// @notice An asset is on the allow-list; told once, by the constructor.
    event AssetListed(uint8 indexed asset, address indexed token, uint96 unitAtoms);
    /// @notice An owner address got its account id. Ids are dense, in order of first deposit.
    event AccountRegistered(uint32 indexed account, address indexed owner);
    /// @notice A deposit stands at `position` (from 0) of the queue that batches consume in order.
    event Deposited(
        uint64 indexed position,
        uint32 indexed account,
        uint8 indexed asset,
        uint64 units,
        address owner
    );
    /// @notice A withdrawal of a final batch became claimable.
    event ClaimCredited(uint32 indexed account, uint8 indexed asset, uint64 units);
    /// @notice A claim was paid to the owner.
    event Claimed(uint32 indexed account, uint8 indexed asset, uint64 units, address owner);
    /// @notice A balance of the last final root left a frozen exchange.
    event Escaped(uint32 indexed account, uint8 indexed asset, uint64 units);
    /// @notice A deposit that no final batch consumed was paid back by a frozen exchange.
    event DepositRefunded(
        uint64 indexed position,
        uint32 indexed account,
        uint8 indexed asset,
        uint64 units,
        address owner
    );

    /// @notice An address that must be somebody is zero.
    error ZeroAddress();
    /// @notice No assets, or more than there are ids.
    error BadAssetCount(uint256 count, uint256 max);
    /// @notice A unit has no atoms.
    error BadUnitAtoms(uint256 asset, uint256 unitAtoms);
    /// @notice A token is listed twice.
    error DuplicateToken(address token);
    /// @notice No such asset is listed.
    error UnknownAsset(uint256 asset, uint256 assetCount);
    /// @notice The address has no account.
    error UnknownOwner(address owner);
    /// @notice No such account is registered.
    error UnknownAccount(uint256 account, uint256 accountCount);
    /// @notice Every account id is taken.
    error AccountsFull(uint256 max);
    /// @notice The value sent is not the amount of the native coin, or came with a token.
    error WrongNativeValue(uint256 value, uint256 amount);
    /// @notice Nothing arrived, or nothing is asked for.
    error ZeroAmount();
    /// @notice What arrived is not a whole number of units.
    error NotWholeUnits(uint256 atoms, uint256 unitAtoms);
    /// @notice The sum of an asset in custody must stay below 2^53 units.
    error CustodyOverLimit(uint256 asset, uint256 units, uint256 room);
    /// @notice Only the settlement contract may.
    error NotSettlement(address caller);
    /// @notice Nothing of this is claimable.
    error NothingToClaim(uint256 account, uint256 asset);
    /// @notice The exchange is not frozen.
    error NotFrozen();
    /// @notice The exchange is frozen, for good.
    error ExchangeFrozen();
    /// @notice The balance has left already.
    error AlreadyEscaped(uint256 account, uint256 asset);
    /// @notice The path does not lead from the balances to the final root.
    error WrongBalanceProof(uint256 account, uint256 asset, uint256 units);
    /// @notice A final batch has consumed the deposit: it is in the tree.
    error DepositConsumed(uint256 position, uint256 depositsConsumed);
    /// @notice No such deposit stands at this position.
    error UnknownDeposit(uint256 position);
    /// @notice The deposit was paid back already.
    error AlreadyRefunded(uint256 position);
    /// @notice The owner refuses the coins.
    error NativeTransferFailed(address to, uint256 atoms);

    /// @notice Takes `amount` atoms of `asset` from the caller into its account, which is registered at
    /// the first deposit. What counts is the measured difference of the vault's balance, in whole units.
    /// @param asset Asset id. For the native coin, `amount` must equal the value sent.
    /// @param amount Atoms to take, a multiple of the asset's `unitAtoms`.
    /// @return position Place in the deposit queue, from 0.
    function deposit(uint256 asset, uint256 amount) external payable returns (uint64 position);

    /// @notice Pays what is claimable of (account, asset) to the account's owner, whoever calls.
    /// @return units Units paid.
    function claim(uint256 account, uint256 asset) external returns (uint64 units);

    /// @notice Frozen only: pays the balance of (account, asset) under the last final root to the
    /// account's owner, once, whoever calls.
    /// @param balances The four of the asset's group, as the leaf of the tree says them.
    /// @param siblings Three a height, from the leaf's own up to the root's children, in the order of the children.
    function escape(
        uint256 account,
        uint256 asset,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) external;

    /// @notice Frozen only: pays back a deposit that no final batch consumed to its owner, whoever calls.
    /// @param position Place in the queue; the deposit's account, asset and units as in its event.
    function refundDeposit(uint64 position, uint256 account, uint256 asset, uint64 units) external;

    /// @notice Settlement only: makes withdrawals claimable.
    /// @param rows Rows of a withdrawal page (PageRows.sol), whole ones.
    function creditClaims(bytes calldata rows) external;

    /// @notice Whether the balances of (account, the asset's group) are these in the tree of `root`, as in `escape`. The settlement contract asks it, too: the hash's constants stand in one contract only.
    function verifyBalances(
        uint256 root,
        uint256 account,
        uint256 asset,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) external view returns (bool);

    /// @notice The settlement contract, for good.
    function settlement() external view returns (address);
    /// @notice Number of assets; ids are 0 to assetCount - 1.
    function assetCount() external view returns (uint256);
    /// @notice Token and unit size of an asset.
    function assetOf(uint256 asset) external view returns (Asset memory);
    /// @notice Number of registered accounts; ids are 0 to accountCount - 1.
    function accountCount() external view returns (uint256);
    /// @notice Account of an owner; reverts with UnknownOwner where there is none.
    function accountOf(address owner) external view returns (uint32);
    /// @notice Owner of an account; reverts with UnknownAccount where there is none.
    function ownerOf(uint256 account) external view returns (address);
    /// @notice Units of (account, asset) that may be claimed now.
    function claimable(uint256 account, uint256 asset) external view returns (uint64);
    /// @notice Deposits ever made: length of the queue.
    function depositCount() external view returns (uint64);
    /// @notice Running hash of the first `count` deposits: h[0] = 0, h[n + 1] = keccak256(h[n] ++ uint32
    /// index ++ uint64 units ++ address owner). 0 for a count that is not reached yet.
    function depositHash(uint256 count) external view returns (bytes32);
    /// @notice Units of an asset in custody: deposits ever made less what was paid out.
    function custodyUnits(uint256 asset) external view returns (uint64);
    /// @notice Whether the balance of (account, asset) has escaped.
    function escaped(uint256 account, uint256 asset) external view returns (bool);
    /// @notice Whether the deposit at `position` was paid back.
    function refunded(uint256 position) external view returns (bool);
}
