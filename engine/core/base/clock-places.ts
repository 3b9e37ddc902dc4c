/** Places in the clock: seq of the command that is applied, engine time in ms. */
export const Clock = { SEQ: 0, TIME: 1 } as const
