/** What history tells a client of its account's fills, in the form of `JournalAudit.fillsOf`. */
import type { Client } from '../../sdk/index.js'

/** All fills that history tells, oldest first. */
export async function historyOf(client: Client): Promise<{ complete: boolean; fills: string[] }> {
  const fills: string[] = []
  let complete = true
  let after: { afterSeq: number; afterIndex?: number } = { afterSeq: 0 }
  for (let more = true; more;) {
    const page = await client.fillsPage({ ...after, limit: 500 })
    fills.push(...page.fills.map(({ seq, orderId, ticks, lots }) => `${seq}/${orderId}/${ticks}/${lots}`))
    complete &&= page.complete
    more = page.more
    const last = page.fills.at(-1)
    if (last === undefined) break
    after = { afterSeq: last.seq, afterIndex: last.index }
  }
  return { complete, fills }
}
