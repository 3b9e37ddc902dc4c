/** Waiting for what happens beside a test. */
const WAIT_MS = 180_000
const POLL_MS = 2

/** Polls until `condition` holds. Throws after `waitMs`, which is long: a machine may be slow. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  waitMs = WAIT_MS,
): Promise<void> {
  const end = performance.now() + waitMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
