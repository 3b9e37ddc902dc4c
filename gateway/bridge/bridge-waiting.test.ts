/** What waits for room in a bridge's ring: a dead gateway process takes its own requests with it, and nothing else. */
import { createServer, connect, type Server, type Socket } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RIG_DEPLOYMENT } from '../../bench/support/gateway-rig.js'
import { CancelReason, CommandKind } from '../../engine/codes.js'
import { ControlBlock, Failure, createControl } from '../../engine/rings/control.js'
import { CancelAllCmd, Cmd } from '../../engine/layout.js'
import { INBOUND_HEADER_WORDS } from '../../engine/messages.js'
import { RingReader, RingWriter, createRing } from '../../engine/rings/ring.js'
import { jsonFrame } from './bridge-frames.js'
import { Bridge } from './bridge.js'

const MESSAGE_BYTES = 64

test('cancels of a dead gateway process outlive the next one, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gb-'))
  const path = join(folder, 's')
  const inbound = createRing(4096)
  // The engine takes nothing: no room is left.
  const filler = new RingWriter(inbound)
  let fillers = 0
  while (filler.tryClaim(MESSAGE_BYTES) >= 0) fillers++
  filler.commit()
  const control = createControl()
  const bridge = new Bridge({
    link: { producer: 0, inbound, outbound: createRing(4096), control },
    deployment: RIG_DEPLOYMENT,
  })

  const server: Server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const process = async (): Promise<{ outside: Socket; gone: Promise<unknown> }> => {
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    const outside = connect(path)
    const inside = await accepted
    const gone = new Promise((resolve) => inside.once('close', resolve))
    bridge.connect(inside)
    return { outside, gone }
  }
  const first = await process()
  const told = new Promise<void>((resolve) => {
    let text = ''
    first.outside.on('data', (data: Buffer) => {
      text += data.toString('latin1')
      if (text.includes('guarded')) resolve()
    })
  })
  first.outside.write(jsonFrame({ type: 'guard', ticket: 1, account: 7, connections: 1 }))
  await told
  first.outside.destroy()
  await first.gone
  const second = await process()
  second.outside.destroy()
  await second.gone

  // There is room again.
  const reader = new RingReader(inbound)
  for (; fillers > 0; fillers--) {
    expect(reader.peek()).toBeGreaterThanOrEqual(0)
    reader.release()
  }
  let at = -1
  for (let waited = 0; at < 0 && waited < 2000; waited += 5) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    at = reader.peek()
  }
  const record = reader.words.subarray(at / 4 + INBOUND_HEADER_WORDS)
  expect(at).toBeGreaterThanOrEqual(0)
  expect([record[Cmd.KIND], record[Cmd.ACCOUNT], record[CancelAllCmd.REASON]]).toEqual([
    CommandKind.CancelAll,
    7,
    CancelReason.Disconnect,
  ])
  new ControlBlock(control).fail(Failure.Engine, 'the test is over')
  await bridge.ended
  server.close()
  rmSync(folder, { recursive: true, force: true })
})
