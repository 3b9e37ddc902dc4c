import { BAR_CELLS } from '../limits.js'

/** A bar of `share`, from 0 to 1. */
export function bar(share: number): string {
  const filled = Math.round(Math.min(1, share) * BAR_CELLS)
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}]`
}
