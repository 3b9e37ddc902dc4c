pragma circom 2.1.6;

// The chunk circuit: applying up to N rows, in order, to the state tree `firstRoot` gives `lastRoot`, and
// the rows are those whose evaluation at z is `evaluation` (contracts/src/Settlement.sol computes the same
// from calldata). What is proven, and what each group of constraints stops, is written in README.md here.
//
// The tree is binary of depth DEPTH, node = Poseidon(left, right); the bit of an index at height h, least
// significant first, is the side: 0 = the node is the left child. Balances are 0 to 2^53 - 1.

include "poseidon.circom";

// Balances fit UNITS_BITS bits, as in the engine (engine/limits.ts, UNITS_END).
function UNITS_BITS() {
    return 53;
}

// Bits of a number, least significant first; there are none when it does not fit BITS bits, BITS < 254.
template Bits(BITS) {
    signal input in;
    signal output out[BITS];

    var sum = 0;
    for (var i = 0; i < BITS; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0;
        sum += out[i] * 2 ** i;
    }
    sum === in;
}

// Root over a leaf, from its path. `bits` are the sides, from the leaf up, each 0 or 1.
template PathRoot(DEPTH) {
    signal input leaf;
    signal input bits[DEPTH];
    signal input siblings[DEPTH];
    signal output root;

    component hashes[DEPTH];
    signal nodes[DEPTH + 1];
    signal swaps[DEPTH];
    nodes[0] <== leaf;
    for (var h = 0; h < DEPTH; h++) {
        // bit 0: (node, sibling); bit 1: (sibling, node).
        swaps[h] <== bits[h] * (siblings[h] - nodes[h]);
        hashes[h] = Poseidon(2);
        hashes[h].inputs[0] <== nodes[h] + swaps[h];
        hashes[h].inputs[1] <== siblings[h] - swaps[h];
        nodes[h + 1] <== hashes[h].out;
    }
    root <== nodes[DEPTH];
}

// One row slot. used = 0: the slot is inert: whatever else it holds, the root passes through, and it adds
// (0, 0) to the evaluation.
template Row(DEPTH) {
    signal input used;
    signal input index;
    signal input oldBalance;
    signal input newBalance;
    signal input inverseDelta;
    signal input siblings[DEPTH];
    signal input rootBefore;
    signal output rootAfter;
    // What the slot adds to the evaluation.
    signal output indexTerm;
    signal output deltaTerm;

    used * (used - 1) === 0;

    // Index and balances in range: DEPTH bits, UNITS_BITS bits each.
    component indexBits = Bits(DEPTH);
    indexBits.in <== index;
    component oldBits = Bits(UNITS_BITS());
    oldBits.in <== oldBalance;
    component newBits = Bits(UNITS_BITS());
    newBits.in <== newBalance;

    // A used slot moves a balance; an unused one has index 0 and moves none.
    signal delta <== newBalance - oldBalance;
    delta * inverseDelta === used;
    (1 - used) * index === 0;
    (1 - used) * delta === 0;

    // The old leaf is in the tree; the new one takes its place under the same siblings.
    component before = PathRoot(DEPTH);
    component after = PathRoot(DEPTH);
    before.leaf <== oldBalance;
    after.leaf <== newBalance;
    for (var h = 0; h < DEPTH; h++) {
        before.bits[h] <== indexBits.out[h];
        after.bits[h] <== indexBits.out[h];
        before.siblings[h] <== siblings[h];
        after.siblings[h] <== siblings[h];
    }
    used * (before.root - rootBefore) === 0;
    signal change <== used * (after.root - rootBefore);
    rootAfter <== rootBefore + change;

    indexTerm <== index + used;
    deltaTerm <== delta;
}

template Chunk(N, DEPTH) {
    // Public, in this order.
    signal input firstRoot;
    signal input lastRoot;
    signal input z;
    signal input evaluation;
    // Private.
    signal input used[N];
    signal input index[N];
    signal input oldBalance[N];
    signal input newBalance[N];
    signal input inverseDelta[N];
    signal input siblings[N][DEPTH];

    component rows[N];
    component gaps[N];
    signal roots[N + 1];
    signal gap[N];
    signal evaluations[2 * N + 1];
    signal scaled[2 * N];
    roots[0] <== firstRoot;
    evaluations[0] <== 0;
    for (var i = 0; i < N; i++) {
        rows[i] = Row(DEPTH);
        rows[i].used <== used[i];
        rows[i].index <== index[i];
        rows[i].oldBalance <== oldBalance[i];
        rows[i].newBalance <== newBalance[i];
        rows[i].inverseDelta <== inverseDelta[i];
        for (var h = 0; h < DEPTH; h++) rows[i].siblings[h] <== siblings[i][h];
        rows[i].rootBefore <== roots[i];
        roots[i + 1] <== rows[i].rootAfter;

        if (i > 0) {
            // Unused slots come last, and indices of used ones increase: the difference less 1, of two
            // numbers of DEPTH bits, has DEPTH bits only when it is not negative.
            used[i] * (1 - used[i - 1]) === 0;
            gap[i] <== used[i] * (index[i] - index[i - 1] - 1);
            gaps[i] = Bits(DEPTH);
            gaps[i].in <== gap[i];
        } else {
            gap[i] <== 0;
        }

        scaled[2 * i] <== evaluations[2 * i] * z;
        evaluations[2 * i + 1] <== scaled[2 * i] + rows[i].indexTerm;
        scaled[2 * i + 1] <== evaluations[2 * i + 1] * z;
        evaluations[2 * i + 2] <== scaled[2 * i + 1] + rows[i].deltaTerm;
    }
    lastRoot === roots[N];
    evaluation === evaluations[2 * N];
}
