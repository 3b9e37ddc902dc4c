/** What of a bundle is folded, and what must not be. */
import { type Constants, fold } from './fold.js'

const NONE: Constants = new Map()
/** Folds statements of a module of ours, behind the helpers that esbuild writes. */
function folded(ours: string, exportedBy: (path: string) => Constants = () => NONE): string {
  return fold(`var __helper = 1;\n// engine/a.js\n${ours}`, exportedBy).text.trim()
}
/** What stands behind the name of the module. */
const body = (ours: string): string => folded(ours).split('// engine/a.js\n')[1]!

test('numbers are written where they are used', () => {
  expect(
    body(`const BITS = 10;
const MASK = (1 << BITS) - 1;
const Order = { LEVEL: 2, MASK: MASK, NEGATIVE: ~BITS };
use(MASK, Order.LEVEL, Order.NEGATIVE, { MASK, BITS: BITS }, x.MASK, Order.OTHER, Order[BITS], MASK.toFixed());
switch (x) { case BITS: }`),
  ).toBe(`const BITS = 10;
const MASK = (1 << 10) - 1;
const Order = Object.freeze({ LEVEL: 2, MASK: 1023, NEGATIVE: ~10 });
use(1023, 2, (-11), { MASK, BITS: 10 }, x.MASK, Order.OTHER, Order[10], (1023).toFixed());
switch (x) { case 10: }`)
})

test.each([
  ['another scope means another thing by the name', 'const A = 1; function f(A) { return A; }', 'return A'],
  ['a loop does', 'const A = 1; for (const A of list) use(A);', 'use(A)'],
  ['a pattern does', 'const A = 1; const { x: A2, y: { z: [A] } } = b;', '[A]'],
  ['a catch does', 'const A = 1; try {} catch (A) { use(A); }', 'use(A)'],
  ['it is assigned to', 'let A = 1; function f() { A = 2; } use(A);', 'use(A)'],
  ['it is counted', 'let A = 1; A++; use(A);', 'use(A)'],
  ['a pattern assigns to it', 'let A = 1; ({ b: [A = 3] } = c); use(A);', 'use(A)'],
  ['a loop assigns to it', 'let A = 1; for (A of list); use(A);', 'use(A)'],
  ['a table is written', 'const T = { A: 1 }; T.A = 2; use(T.A);', 'use(T.A)'],
  ['a table loses a property', 'const T = { A: 1 }; delete T.A; use(T.A);', 'use(T.A)'],
  ['a table is written by a name', 'const T = { A: 1 }; T[name]++; use(T.A);', 'use(T.A)'],
  ['a table holds more than numbers', 'const T = { A: 1, B: [] }; use(T.A);', 'use(T.A)'],
  ['a table counts', 'const T = { A: 1, get B() { return 1; } }; use(T.A);', 'use(T.A)'],
  ['a table is made of another', 'const T = { ...other, A: 1 }; use(T.A);', 'use(T.A)'],
  ['a property has a name of its own meaning', 'const T = { A: 1, __proto__: 2 }; use(T.A);', 'use(T.A)'],
  ['an object is no table by its name', 'const state = { A: 1 }; use(state.A);', 'use(state.A)'],
  ['its value is not made of literals', 'const A = f(); use(A);', 'use(A)'],
  ['it is no number', 'const A = 0 / 0; use(A);', 'use(A)'],
  ['it is minus zero', 'const A = -0; use(A);', 'use(A)'],
  ['a label has the name', 'const A = 1; A: for (;;) break A;', 'A: for (;;) break A'],
])('nothing is folded where %s', (_, ours, kept) => {
  expect(folded(ours)).toContain(kept)
})

test('a frozen table cannot be written by another name', () => {
  const text = body(`const T = { A: 1 };\nfunction f(t) { t.A = 2; }`)
  expect(text).toContain('const T = Object.freeze({ A: 1 });')
})

test('functions become constants at the top, before all that may call them', () => {
  expect(
    folded(`const A = 2;
const early = later(A);
function later(a) { return a * A; }
async function changed() {}
changed = later;`),
  ).toBe(`const later = function later(a) { return a * 2; };
var __helper = 1;
// engine/a.js
const A = 2;
const early = later(2);

async function changed() {}
changed = later;`)
})

test('a variable of ours that is set once is a constant', () => {
  expect(
    body(`var Core = class { #a = 1; };
var { a, b: [c] } = x;
var table = new Int32Array(2);
table[0] = 1;
var later;
var count = 0;
count += 1;`),
  ).toBe(`const Core = class { #a = 1; };
const { a, b: [c] } = x;
const table = new Int32Array(2);
table[0] = 1;
var later;
var count = 0;
count += 1;`)
})

test('packages stay as they are', () => {
  const text = `// node_modules/a/index.js
var A = 1;
// @__NO_SIDE_EFFECTS__
function f() { return A; }
var first = f();
// engine/b.js
var B = 2;
use(A, B);`
  expect(fold(text, () => NONE).text.trim()).toBe(
    text.replace('var B', 'const B').replace('use(A, B)', 'use(A, 2)'),
  )
})

test('constants go from file to file', () => {
  const { exported } = fold(
    '// engine/a.js\nconst A = 1; const T = { B: 2 }; let C = 3; C++;\nexport { A as X, T, C };',
    () => NONE,
  )
  expect(exported).toEqual(
    new Map<string, unknown>([
      ['X', 1],
      ['T', new Map([['B', 2]])],
    ]),
  )
  const text = folded(`import { X as Y, T, C } from './part-a.js';\nuse(Y, T.B, C);\nT.D = 1;`, (path) => {
    expect(path).toBe('./part-a.js')
    return exported
  })
  expect(text).toContain('use(1, T.B, C)')
})
