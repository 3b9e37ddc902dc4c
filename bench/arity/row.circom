pragma circom 2.1.6;

// One row of the chunk circuit (settlement/circuits/chunk.circom) over trees of other shapes, to count
// constraints: ARITY_BITS 1 = binary, 2 = four children a node; PACKED balances in one leaf, 53 bits each, and a
// row that changes any of them. Written for bench/arity; nothing proves with it.

include "poseidon.circom";

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

// Node over the two or four children, of which the one at the place of `bits` is `node`.
template Above(ARITY_BITS) {
    signal input node;
    signal input bits[ARITY_BITS];
    signal input both;
    signal input children[2 ** ARITY_BITS];
    signal output out;
    component hash = Poseidon(2 ** ARITY_BITS);
    if (ARITY_BITS == 1) {
        signal swap <== bits[0] * (children[1] - node);
        hash.inputs[0] <== node + swap;
        hash.inputs[1] <== children[1] - swap;
    } else {
        signal place[4];
        place[3] <== both;
        place[2] <== bits[1] - both;
        place[1] <== bits[0] - both;
        place[0] <== 1 - bits[0] - bits[1] + both;
        signal moved[4];
        for (var child = 0; child < 4; child++) {
            moved[child] <== place[child] * (node - children[child]);
            hash.inputs[child] <== children[child] + moved[child];
        }
    }
    out <== hash.out;
}

template OneRow(ARITY_BITS, DEPTH, PACKED) {
    signal input firstRoot;
    signal input lastRoot;
    signal input z;
    signal input evaluation;
    signal input used;
    signal input index;
    signal input before[PACKED];
    signal input after[PACKED];
    signal input inverse;
    signal input children[DEPTH][2 ** ARITY_BITS];

    used * (used - 1) === 0;
    component indexBits = Bits(DEPTH * ARITY_BITS);
    indexBits.in <== index;
    (1 - used) * index === 0;

    component ranges[2 * PACKED];
    signal deltas[PACKED];
    var leafBefore = 0;
    var leafAfter = 0;
    for (var k = 0; k < PACKED; k++) {
        ranges[2 * k] = Bits(53);
        ranges[2 * k].in <== before[k];
        ranges[2 * k + 1] = Bits(53);
        ranges[2 * k + 1].in <== after[k];
        deltas[k] <== after[k] - before[k];
        (1 - used) * deltas[k] === 0;
        leafBefore += before[k] * 2 ** (53 * k);
        leafAfter += after[k] * 2 ** (53 * k);
    }
    (leafAfter - leafBefore) * inverse === used;

    component old[DEPTH];
    component new[DEPTH];
    signal both[DEPTH];
    signal oldNodes[DEPTH + 1];
    signal newNodes[DEPTH + 1];
    oldNodes[0] <== leafBefore;
    newNodes[0] <== leafAfter;
    for (var h = 0; h < DEPTH; h++) {
        old[h] = Above(ARITY_BITS);
        new[h] = Above(ARITY_BITS);
        if (ARITY_BITS == 2) both[h] <== indexBits.out[2 * h] * indexBits.out[2 * h + 1];
        else both[h] <== 0;
        for (var b = 0; b < ARITY_BITS; b++) {
            old[h].bits[b] <== indexBits.out[ARITY_BITS * h + b];
            new[h].bits[b] <== indexBits.out[ARITY_BITS * h + b];
        }
        old[h].both <== both[h];
        new[h].both <== both[h];
        for (var child = 0; child < 2 ** ARITY_BITS; child++) {
            old[h].children[child] <== children[h][child];
            new[h].children[child] <== children[h][child];
        }
        old[h].node <== oldNodes[h];
        new[h].node <== newNodes[h];
        oldNodes[h + 1] <== old[h].out;
        newNodes[h + 1] <== new[h].out;
    }
    used * (oldNodes[DEPTH] - firstRoot) === 0;
    signal change <== used * (newNodes[DEPTH] - firstRoot);
    lastRoot === firstRoot + change;

    signal sums[PACKED + 1];
    signal scaled[PACKED];
    sums[0] <== index + used;
    for (var k = 0; k < PACKED; k++) {
        scaled[k] <== sums[k] * z;
        sums[k + 1] <== scaled[k] + deltas[k];
    }
    evaluation === sums[PACKED];
}
