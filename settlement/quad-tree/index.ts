/**
 * The state tree of page proofs, for whoever seals, proves, audits or leaves:
 *
 *   const tree = new QuadTree()
 *   const changes = tree.update({ leaves, deltas })     one page: sorted leaf indices, four deltas each; RowError, nothing changed
 *   tree.root, tree.node(key), tree.leaf(index)         as it is now
 *   valueBefore(changes, key), valueAfter(changes, key) what the page touched; undefined: not touched
 *   tree.nodeBefore(key, [page2, page3, ...])           any node as it stood before page 2, whatever came behind it
 *   tree.proof(index, changes?), verifyLeafProof(proof, root)
 *   tree.undo(changes), tree.redo(changes)              the last one first; without hashing
 *   tree.filledLeaves(), tree.dump(), tree.restore(dump)  rows that make it again; a checkpoint of nodes
 *   packLeaf(balances), unpackLeaf(element), hashFamily(a, b, c, d)
 *
 * A page's witness reads old values from `valueBefore` or, for a node that it does not touch, from `nodeBefore` with
 * the changes of the pages behind it; new values from `valueAfter`. Both are right at any later time.
 */
export * from './leaf.js'
export { CHILDREN } from './element.js'
export { hashFamily } from './poseidon2.js'
export { QuadTreeFull } from './quad-nodes.js'
export * from './quad-tree.js'
export * from './tree-changes.js'
