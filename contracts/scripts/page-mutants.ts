/**
 * Mutants of contracts/src/pages that are made by hand: what is hashed, compared, carried and paid, and the rules in
 * the loop over rows. mutants.ts adds those that are made by rule.
 */
import type { Mutant } from './mutants.js'

const folder = 'contracts/src/pages'
const BATCHES = `${folder}/PageBatches.sol`
const EXITS = `${folder}/PageExits.sol`
const GOVERNED = `${folder}/PageGoverned.sol`
const ROWS = `${folder}/PageRows.sol`
const TREE = `${folder}/StateTree.sol`
const VAULT = `${folder}/PageVault.sol`
const VERIFIER = `${folder}/PageVerifier.sol`

export const pageFiles: readonly string[] = [VAULT, BATCHES, EXITS, GOVERNED, ROWS, TREE, VERIFIER]

/** A pause that reaches further than postings: what the guardian must not be able to do. */
const pauseMutants: readonly Mutant[] = [
  ...[
    'if (open.carriedHash == 0) revert NoOpenBatch();',
    'if (number <= provenCount || number > batchCount) revert BatchNotCommitted(number);\n        Batch storage',
    'if (number > finalCount) revert BatchNotFinal(number, finalCount);',
    'if (batchCount == provenCount) revert NothingToStrike();',
  ].map((from) => ({
    file: BATCHES,
    from,
    to: `if (commitsPaused) revert CommitsArePaused();\n        ${from}`,
  })),
  ...[
    'if (frozen) revert ExchangeFrozen();\n        address owner',
    'if (frozen) revert ExchangeFrozen();\n        ForcedWithdrawal',
    'if (frozen) revert ExchangeFrozen();\n        uint256 deadline',
    'if (!frozen) revert NotFrozen();',
    'uint256 refund = refundOf[msg.sender];',
  ].map((from) => ({
    file: EXITS,
    from,
    to: `if (commitsPaused) revert CommitsArePaused();\n        ${from}`,
  })),
]

export const pageMutants: readonly Mutant[] = [
  // What a proof is bound to.
  {
    file: BATCHES,
    from: 'abi.encode(block.chainid, address(this), header)',
    to: 'abi.encode(address(this), header)',
  },
  {
    file: BATCHES,
    from: 'abi.encode(block.chainid, address(this), header)',
    to: 'abi.encode(block.chainid, header)',
  },
  {
    file: BATCHES,
    from: 'abi.encode(block.chainid, address(this), header)',
    to: 'abi.encode(header.number)',
  },
  { file: ROWS, from: '                state.pages,\n', to: '' },
  { file: ROWS, from: '                uint256(page.kind),\n', to: '' },
  { file: ROWS, from: '                keccak256(page.rows),\n', to: '' },
  { file: ROWS, from: '                keccak256(page.deposits)\n', to: '                bytes32(0)\n' },
  // What is carried from page to page.
  { file: BATCHES, from: 'page.kind != state.kind || page.kind < TRADES', to: 'true' },
  { file: BATCHES, from: 'page.kind != state.kind || page.kind < TRADES', to: 'page.kind != state.kind' },
  { file: BATCHES, from: 'state.nextLeaf = walk.next;', to: '' },
  { file: BATCHES, from: 'state.depositHash = hash;', to: '' },
  { file: BATCHES, from: '++state.withdrawalPages;', to: '' },
  {
    file: BATCHES,
    from: 'page.kind == WITHDRAWALS ? new int256[](_assetCount) : state.sums',
    to: 'state.sums',
  },
  { file: BATCHES, from: 'if (!begins) delete _open;', to: '' },
  { file: BATCHES, from: '++_postings;', to: '' },
  // Rules of rows.
  { file: ROWS, from: 'gt(sub(mask, 1), 14)', to: 'iszero(mask)' },
  { file: ROWS, from: 'gt(sub(mask, 1), 14)', to: 'gt(mask, 15)' },
  { file: ROWS, from: 'lt(leaf, mload(add(walk, 0x40)))', to: '0' },
  { file: ROWS, from: 'iszero(lt(and(leaf, 0x3fffff), mload(add(walk, 0x60))))', to: '0' },
  { file: ROWS, from: 'iszero(delta)', to: '0' },
  { file: ROWS, from: '0x3fffffffffffff)', to: '0x40000000000001)' },
  { file: ROWS, from: 'slt(and(delta, mload(add(walk, 0xe0))), 0)', to: '0' },
  { file: ROWS, from: 'iszero(lt(slot, mload(add(walk, 0xc0))))', to: '0' },
  { file: ROWS, from: 'mul(mload(add(walk, 0x140)), slt(packed, 0))', to: '0' },
  { file: ROWS, from: 'delta := mul(delta, mload(add(walk, 0xe0)))', to: '' },
  { file: ROWS, from: 'shl(7, shr(22, leaf))', to: '0' },
  // Proven, final, claims.
  {
    file: BATCHES,
    from: 'if (batch.pagesProven != batch.pageCount) break;',
    to: 'if (batch.pagesProven == 0 && batch.pageCount != 0) break;',
  },
  { file: BATCHES, from: 'IPageVerifier(batch.verifier)', to: 'IPageVerifier(verifier)' },
  { file: BATCHES, from: '.committedAt) + challengeWindow)', to: '.committedAt))' },
  { file: BATCHES, from: 'if (_batches[credited + 1].uncredited != 0) break;', to: '' },
  { file: BATCHES, from: 'uint256 from = _credited[batch.posting][page];', to: 'uint256 from = 0;' },
  { file: BATCHES, from: '_grantRequests(rows[from:to], number, batch.committedAt);', to: '' },
  {
    file: BATCHES,
    from: 'if (_open.carriedHash != 0) _drop();\n        emit BatchesStruck',
    to: 'emit BatchesStruck',
  },
  { file: BATCHES, from: 'if (batchCount != finalCount) _strike(finalCount);', to: 'if (false) {}' },
  { file: BATCHES, from: '_advance();\n        frozen = true;', to: 'frozen = true;' },
  // Exits.
  { file: EXITS, from: 'owed == 0 || !_isLater(number, committedAt, request)', to: 'owed == 0' },
  { file: EXITS, from: 'return number > request.batchesBefore', to: 'return false' },
  { file: EXITS, from: 'return number > request.batchesBefore', to: 'return true' },
  { file: EXITS, from: 'balances[asset & (StateTree.LANES - 1)]', to: 'balances[0]' },
  { file: EXITS, from: '_creditRefund(owner, msg.value - fee);', to: '' },
  { file: EXITS, from: 'requestFee << feeStep', to: 'requestFee' },
  {
    file: VAULT,
    from: 'IPageSettlement(settlement).finalRoot()',
    to: 'IPageSettlement(settlement).lastRoot() + 1',
  },
  { file: VAULT, from: 'balances[asset & (StateTree.LANES - 1)]', to: 'balances[0]' },
  {
    file: VAULT,
    from: '_creditClaim(index, uint64(packed >> 200));',
    to: '_creditClaim(index & ~uint256(3), uint64(packed >> 200));',
  },
  { file: TREE, from: 'if (balances[lane] >= UNITS_END) return false;', to: '' },
  { file: TREE, from: 'if (children[k] >= Field.R) return false;', to: '' },
  // Powers.
  {
    file: GOVERNED,
    from: 'operatorActiveFrom[operator] = block.timestamp + powerDelay;',
    to: 'operatorActiveFrom[operator] = block.timestamp;',
  },
  {
    file: GOVERNED,
    from: 'verifierActiveFrom = block.timestamp + powerDelay;',
    to: 'verifierActiveFrom = block.timestamp;',
  },
  {
    file: GOVERNED,
    from: 'bondFreeFrom[operator] = block.timestamp + powerDelay;',
    to: 'bondFreeFrom[operator] = block.timestamp;',
  },
  { file: GOVERNED, from: 'activeFrom + PROPOSAL_LIFE', to: 'type(uint256).max' },
  { file: VERIFIER, from: 'eq(mload(0x00), 1)', to: '1' },
  { file: VERIFIER, from: 'eq(returndatasize(), 0x20)', to: '1' },
  { file: VERIFIER, from: 'staticcall(limit,', to: 'staticcall(gas(),' },
  ...pauseMutants,
]
