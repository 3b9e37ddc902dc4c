/**
 * Poseidon's 57 partial rounds as a linear recurrence. In a partial round only lane 0 passes the S-box,
 * so lanes 1 and 2 are a linear system of two states, driven by y_k = s_k^5, observed by lane 0:
 *
 *   s_{k+1} = m y_k + u x_k + c_{k+1}         s_k: lane 0 before the S-box of partial round k
 *   x_{k+1} = A x_k + b y_k + g_{k+1}         x_k: lanes 1 and 2, round constants added
 *
 * By Cayley-Hamilton A^2 = t A - d (trace, determinant), so u x_{k+2} - t u x_{k+1} + d u x_k holds no x:
 *
 *   s_{k+3} = m y_{k+2} + (u b - t m) y_{k+1} + (d m + u (A - t) b) y_k + t s_{k+2} - d s_{k+1} + const_k
 *
 * Five products and one reduction a round, instead of nine products for the matrix. The coefficients are
 * the same in every round. (The usual optimisation factors sparse matrices: five products, three
 * reductions, and other coefficients each round.)
 */
import { inverse, toField } from './field.js'
import { FULL_ROUNDS, PARTIAL_ROUNDS, WIDTH, poseidonConstants } from './poseidon-constants.js'

type Vector = readonly [bigint, bigint]
type Matrix = readonly [Vector, Vector]

const dot = (a: Vector, b: Vector): bigint => toField(a[0] * b[0] + a[1] * b[1])
const add = (a: Vector, b: Vector): Vector => [toField(a[0] + b[0]), toField(a[1] + b[1])]
const scale = (a: Vector, k: bigint): Vector => [toField(a[0] * k), toField(a[1] * k)]
const apply = (m: Matrix, x: Vector): Vector => [dot(m[0], x), dot(m[1], x)]
const times = (a: Matrix, b: Matrix): Matrix => {
  const column = (j: 0 | 1): Vector => [b[0][j], b[1][j]]
  return [
    [dot(a[0], column(0)), dot(a[0], column(1))],
    [dot(a[1], column(0)), dot(a[1], column(1))],
  ]
}
/** Row vector times matrix. */
const applyRow = (x: Vector, m: Matrix): Vector => [
  toField(x[0] * m[0][0] + x[1] * m[1][0]),
  toField(x[0] * m[0][1] + x[1] * m[1][1]),
]
const invert = (m: Matrix): Matrix => {
  const k = inverse(m[0][0] * m[1][1] - m[0][1] * m[1][0])
  return [
    [toField(m[1][1] * k), toField(-m[0][1] * k)],
    [toField(-m[1][0] * k), toField(m[0][0] * k)],
  ]
}

/** A linear form: coefficients, and a constant that is added. */
export interface Form {
  readonly factors: readonly bigint[]
  readonly constant: bigint
}

export interface PoseidonRounds {
  /** roundConstants[r][lane] of full rounds. */
  readonly roundConstant: (round: number, lane: number) => bigint
  readonly matrix: readonly (readonly bigint[])[]
  /** From the three lanes after the S-boxes of the last full round of the first half: s_0, p1, p2. */
  readonly enter: readonly [Form, Form, Form]
  /** s_1 = p1 + factors . (y_0); s_2 = p2 + factors . (y_0, y_1). */
  readonly second: readonly bigint[]
  readonly third: readonly bigint[]
  /** s_{k+3} = factors . (y_k, y_{k+1}, y_{k+2}, s_{k+1}, s_{k+2}) + constants[k]. */
  readonly recurrence: readonly bigint[]
  readonly recurrenceConstants: readonly bigint[]
  /** Lanes 1 and 2 before the S-boxes of the first full round of the second half, from (y_55, y_56, s_56, s_57). */
  readonly leave: readonly [Form, Form]
}

/** Derives the coefficients; some milliseconds. */
export function poseidonRounds(): PoseidonRounds {
  const { round, matrix } = poseidonConstants()
  const FIRST = FULL_ROUNDS / 2
  const roundConstant = (index: number, lane: number): bigint => round[index * WIDTH + lane]!
  /** Constants of partial round k; k = PARTIAL_ROUNDS is the full round behind them. */
  const c = (k: number): bigint => roundConstant(FIRST + k, 0)
  const g = (k: number): Vector => [roundConstant(FIRST + k, 1), roundConstant(FIRST + k, 2)]
  const m = matrix[0]![0]!
  const u: Vector = [matrix[0]![1]!, matrix[0]![2]!]
  const b: Vector = [matrix[1]![0]!, matrix[2]![0]!]
  const A: Matrix = [
    [matrix[1]![1]!, matrix[1]![2]!],
    [matrix[2]![1]!, matrix[2]![2]!],
  ]
  const t = toField(A[0][0] + A[1][1])
  const d = toField(A[0][0] * A[1][1] - A[0][1] * A[1][0])
  const uA = applyRow(u, A)
  const uAt = add(uA, scale(u, -t))

  /** Coefficients of (row . x_0) + constant over the lanes after the S-boxes of the round before. */
  const overLanes = (row: Vector, constant: bigint): Form => ({
    factors: [0, 1, 2].map((lane) => dot(row, [matrix[1]![lane]!, matrix[2]![lane]!])),
    constant: toField(constant + dot(row, g(0))),
  })
  // s_1 = m y_0 + u x_0 + c_1;  s_2 = m y_1 + u (A x_0 + b y_0 + g_1) + c_2.
  const enter: PoseidonRounds['enter'] = [
    { factors: matrix[0]!, constant: c(0) },
    overLanes(u, c(1)),
    overLanes(uA, c(2) + dot(u, g(1))),
  ]
  const recurrenceConstants = Array.from({ length: PARTIAL_ROUNDS - 2 }, (_, k) =>
    toField(c(k + 3) - t * c(k + 2) + d * c(k + 1) + dot(uAt, g(k + 1)) + dot(u, g(k + 2))),
  )

  // x_N from the last two observations, N = PARTIAL_ROUNDS: with n = N - 2,
  // u x_n = s_{n+1} - m y_n - c_{n+1},  uA x_n = s_{n+2} - m y_{n+1} - c_{n+2} - u b y_n - u g_{n+1}.
  const n = PARTIAL_ROUNDS - 2
  const observe = invert([u, uA])
  const A2 = times(A, A)
  const leaveAt = (yn: bigint, yn1: bigint, sn1: bigint, sn2: bigint, withConstants: bigint): Vector => {
    const first = toField(sn1 - m * yn - withConstants * c(n + 1))
    const second = toField(sn2 - m * yn1 - dot(u, b) * yn - withConstants * (c(n + 2) + dot(u, g(n + 1))))
    const x = apply(observe, [first, second])
    const driven = add(apply(A, add(scale(b, yn), scale(g(n + 1), withConstants))), scale(b, yn1))
    return add(apply(A2, x), add(driven, scale(g(n + 2), withConstants)))
  }
  const unit = [0, 1, 2, 3].map((one) => {
    const at = (index: number): bigint => (index === one ? 1n : 0n)
    return leaveAt(at(0), at(1), at(2), at(3), 0n)
  })
  const constants = leaveAt(0n, 0n, 0n, 0n, 1n)
  const leaveLane = (lane: 0 | 1): Form => ({
    factors: unit.map((vector) => vector[lane]),
    constant: constants[lane],
  })
  return {
    roundConstant,
    matrix,
    enter,
    second: [m],
    third: [dot(u, b), m],
    recurrence: [toField(d * m + dot(uAt, b)), toField(dot(u, b) - t * m), m, toField(-d), t],
    recurrenceConstants,
    leave: [leaveLane(0), leaveLane(1)],
  }
}
