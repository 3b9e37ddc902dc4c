/** Three kills of a loaded venue in CI; fifty in long mode: npm run crash. */
import { runCrashTest } from './crash.js'

describe('crash', () => {
  test('kill -9 of the whole venue under load: nothing acknowledged is lost, nothing doubled', async () => {
    const report = await runCrashTest({ rounds: 3, seed: 7, traders: 4 })
    expect(report.kills).toBe(3)
    expect(report.acknowledged).toBeGreaterThan(20)
    expect(report.fillsSeen).toBeGreaterThan(5)
  })

  test('loss of power under load: what was acknowledged had been synced, names and bytes', async () => {
    const report = await runCrashTest({ rounds: 3, seed: 8, traders: 4, losesPower: true })
    expect(report.kills).toBe(3)
    expect(report.acknowledged).toBeGreaterThan(20)
  })
})
