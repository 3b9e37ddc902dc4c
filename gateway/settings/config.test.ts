/** Settings: which source wins, and what is refused. Token buckets. The command line that prints settings. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { glassbook } from '../../app/command-line.js'
import { Budget } from '../limits/budgets.js'
import { ConfigError, gatewayConfig, loadGatewayConfig, settingNames } from './config.js'

describe('settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-config-'))
  const file = join(folder, 'config.json')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('a flag wins over the environment, that over the file, that over the default', () => {
    writeFileSync(file, JSON.stringify({ gateway: { port: 1, threads: 2, orderRate: { perSecond: 5 } } }))
    const environment = { GLASSBOOK_GATEWAY_PORT: '2', GLASSBOOK_GATEWAY_ORDER_RATE_BURST: '6', OTHER: 'x' }
    const config = loadGatewayConfig({
      file,
      environment,
      flags: { 'gateway-port': '3', data: 'x', 'gateway-allowed-origins': 'a,b' },
    })
    expect(config).toMatchObject({
      port: 3,
      threads: 2,
      orderRate: { perSecond: 5, burst: 6 },
      allowedOrigins: ['a', 'b'],
      requireSignedFrames: true,
    })
    expect(loadGatewayConfig({ environment }).port).toBe(2)
    expect(loadGatewayConfig({}).port).toBe(9001)
  })

  test.each([
    [() => gatewayConfig({ prot: 1 }), /prot/],
    [
      () => gatewayConfig({ port: 70_000 }),
      /gateway\.port: is 70000; it must be a whole number from 0 to 65535$/,
    ],
    [
      () => loadGatewayConfig({ flags: { 'gateway-threads': 'x' } }),
      /^--gateway-threads: is "x"; it must be a whole number from 1 to 32$/,
    ],
    [
      () => gatewayConfig({ requireSignedFrames: 'yes' }),
      /gateway\.requireSignedFrames: is "yes"; it must be true or false$/,
    ],
    [
      () => loadGatewayConfig({ environment: { GLASSBOOK_GATEWAY_HOST: '' } }),
      /^GLASSBOOK_GATEWAY_HOST is empty: give it a value, or unset it$/,
    ],
    [
      () => loadGatewayConfig({ environment: { GLASSBOOK_GATEWAY_PORT: 'x' } }),
      /^GLASSBOOK_GATEWAY_PORT: is "x"; it must be/,
    ],
    [
      () => loadGatewayConfig({ environment: { GLASSBOOK_GATEWAY_THREADS: '' } }),
      /^GLASSBOOK_GATEWAY_THREADS is empty: give it a value, or unset it$/,
    ],
    [
      () => loadGatewayConfig({ flags: { 'gateway-sockets': 'foo' } }),
      /^--gateway-sockets: is "foo", no such server; it must be one of auto, uws, ws$/,
    ],
    [
      () => loadGatewayConfig({ flags: { 'gateway-host': '' } }),
      /^--gateway-host: is empty; give an address/,
    ],
    [() => gatewayConfig({ orderRate: { burts: 1 } }), /orderRate\.burts.*gateway\.orderRate\.burst\?/],
    [
      () => loadGatewayConfig({ environment: { GLASSBOOK_GATEWAY_PROT: '9100' } }),
      /GLASSBOOK_GATEWAY_PROT: .*GLASSBOOK_GATEWAY_PORT\?/,
    ],
    [() => loadGatewayConfig({ file: join(folder, 'none.json') }), /no such file/],
    [() => gatewayConfig({ messageBytesMax: 1 << 20 }), /messageBytesMax/],
  ])('what cannot be used is named (%#)', (load, name) => {
    expect(load).toThrow(ConfigError)
    expect(load).toThrow(name)
  })

  test.each([
    [{ gatewya: { port: 9100 } }, /gatewya: no such section \(did you mean gateway\?\); allowed: gateway/],
    [{ gateway: { prot: 9100 } }, /gateway\.prot: no such setting \(did you mean gateway\.port\?\)/],
    [{ gateway: { ordrRate: {} } }, /gateway\.ordrRate: .*gateway\.orderRate\?/],
    [{ gateway: { orderRate: 5 } }, /gateway\.orderRate/],
    [{ gateway: 5 }, /gateway: not an object/],
    [{ gateway: [] }, /gateway: not an object/],
    [[], /not an object/],
    [null, /not an object/],
  ])('a file that says %j is refused by its name', (content, problem) => {
    writeFileSync(file, JSON.stringify(content))
    // A variable that would set a part of what is wrong does not hide it.
    const load = () => loadGatewayConfig({ file, environment: { GLASSBOOK_GATEWAY_ORDER_RATE_BURST: '6' } })
    expect(load).toThrow(ConfigError)
    expect(load).toThrow(file)
    expect(load).toThrow(problem)
  })

  test('every setting has its variable and flag', () => {
    const names = settingNames()
    expect(names).toContainEqual({
      setting: 'orderRate.burst',
      variable: 'GLASSBOOK_GATEWAY_ORDER_RATE_BURST',
      flag: '--gateway-order-rate-burst',
      about: 'orders placed and amended by one account: tokens at most',
    })
    expect(new Set(names.map(({ flag }) => flag)).size).toBe(names.length)
  })

  test('config print shows what a start would use', async () => {
    const written: string[] = []
    const { write } = process.stdout
    const complain = process.stderr.write
    process.stdout.write = ((text: string) => written.push(text) > 0) as never
    process.stderr.write = ((text: string) => written.push(text) > 0) as never
    try {
      expect(await glassbook(['config', 'print', '--gateway-port', '7'])).toBe(0)
      expect((JSON.parse(written.at(-1)!) as { gateway: { port: number } }).gateway.port).toBe(7)
      expect(await glassbook(['config', 'print', '--gateway-port', 'seven'])).toBe(2)
      expect(written.at(-1)).toContain('--gateway-port: is "seven"')
      expect(await glassbook(['config', 'print', '--port', '7'])).toBe(2)
      expect(await glassbook(['config', 'print', 'more'])).toBe(2)
      expect(await glassbook(['config', 'names', 'more'])).toBe(2)
      expect(await glassbook(['config', 'print', '--gateway-prot', '7'])).toBe(2)
      expect(written.at(-1)).toContain("unknown option '--gateway-prot'\n(Did you mean --gateway-port?)")
      expect(await glassbook(['config'])).toBe(2)
    } finally {
      process.stdout.write = write
      process.stderr.write = complain
    }
  })
})

describe('budget', () => {
  test('fills up by time, never beyond its burst, and says how long to wait', () => {
    const budget = new Budget<string>({ perSecond: 10, burst: 20 })
    expect(budget.take('a', 20, 0)).toBe(0)
    expect(budget.take('a', 1, 0)).toBe(100)
    expect(budget.take('a', 1, 100)).toBe(0)
    expect(budget.take('b', 20, 100)).toBe(0)
    expect(budget.take('a', 20, 100_000)).toBe(0)
    expect(budget.take('a', 1, 100_000)).toBe(100)
    expect(budget.left('a')).toBe(0)
  })
  test('forgets who would be full again', () => {
    const budget = new Budget<number>({ perSecond: 10, burst: 10 })
    for (let key = 0; key < 10_000; key++) budget.take(key, 1, key * 10)
    expect(budget.size).toBeLessThan(500)
  })
})
