/**
 * A child process of the disk tests: an exchange whose one producer sends deposits as fast as they are
 * answered. Prints `started SEQ` and then `acked SEQ` for what passed the durable gate; ends with 0 when
 * it has sent all, with 1 and the reason on standard error when the exchange halts.
 *
 *   node flood.js DIR COUNT SEGMENT_BYTES
 */
import { CommandKind } from '../../engine/codes.js'
import { ControlBlock } from '../../engine/rings/control.js'
import { startExchange } from '../../engine/runtime/exchange.js'
import { GatedReader } from '../../engine/rings/gated-reader.js'
import { COMMAND_WORDS, Cmd, DepositCmd } from '../../engine/layout.js'
import { INBOUND_HEADER_WORDS, Inbound, InboundType, Outbound } from '../../engine/messages.js'
import { RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbellAsync } from '../../engine/rings/ring.js'

const COMMANDS_A_MESSAGE = 64
const [dataDir = '', count = '0', segmentBytes = '0'] = process.argv.slice(2)

const handles = await startExchange({
  dataDir,
  genesis: {
    assets: [{ id: 0, symbol: 'A' }],
    markets: [],
    capacities: { ordersMax: 16, levelsMax: 16, accountsMax: 16, sessionsMax: 4 },
  },
  gateways: 1,
  segmentBytes: Number(segmentBytes),
  snapshotEvery: 0,
}).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
handles.onFailure((_failure, reason) => {
  process.stderr.write(`exchange halted: ${reason}\n`)
  process.exit(1)
})
process.stdout.write(`started ${handles.seq}\n`)

const control = new ControlBlock(handles.control)
const writer = new RingWriter(handles.inbound[0]!, control.engineDoorbell)
const reader = new GatedReader(handles.outbound[0]!, control)
const bell = control.producerDoorbell(0)

function send(): void {
  const at = writer.tryClaim((INBOUND_HEADER_WORDS + COMMANDS_A_MESSAGE * COMMAND_WORDS) * 4)
  if (at < 0) throw new Error('the inbound ring is full with one message in it')
  const word = at / 4
  writer.words.fill(0, word, word + INBOUND_HEADER_WORDS + COMMANDS_A_MESSAGE * COMMAND_WORDS)
  writer.words[word + Inbound.TYPE] = InboundType.Commands
  writer.words[word + Inbound.COUNT] = COMMANDS_A_MESSAGE
  for (let index = 0; index < COMMANDS_A_MESSAGE; index++) {
    const from = word + INBOUND_HEADER_WORDS + index * COMMAND_WORDS
    writer.words[from + Cmd.KIND] = CommandKind.Deposit
    writer.words[from + DepositCmd.ACCOUNT] = 1 + (index % 8)
    writer.floats[from / 2 + DepositCmd.UNITS_F64] = 1
  }
  writer.commit()
}

/** Waits for the answer to the message sent last and tells its seq. */
async function answered(): Promise<void> {
  for (;;) {
    const at = reader.poll()
    if (at < 0) {
      const seen = armDoorbell(bell)
      if (reader.poll() >= 0) disarmDoorbell(bell)
      else await sleepOnDoorbellAsync(bell, seen, 1000)
      continue
    }
    const isOwn = reader.words[at / 4 + Outbound.CONNECTION]! >= 0
    const isLast = reader.words[at / 4 + Outbound.MORE] === 0
    const seq = reader.floats[at / 8 + Outbound.SEQ_F64]!
    reader.release()
    if (!isOwn || !isLast) continue
    process.stdout.write(`acked ${seq}\n`)
    return
  }
}

for (let sent = 0; sent < Number(count); sent += COMMANDS_A_MESSAGE) {
  send()
  await answered()
}
await handles.stop()
process.stdout.write(`stopped ${control.durableSeq}\n`)
