/**
 * Messages on the rings between gateway threads, the engine thread and the journal thread. All are
 * 8-byte aligned and little-endian; offsets index an Int32Array view, *_F64 a Float64Array view of
 * the message.
 *
 *   inbound (gateway -> engine):  8-word header, `COUNT` command records, attachment bytes, padding
 *   outbound (engine -> gateway): 12-word header, `COUNT` event records (core events, then views),
 *                                 or the bytes of a query's answer
 *
 * The attachment is what proves consent (a signed frame, a wallet's approval). It goes to the journal
 * beside its commands and the engine never looks at it.
 */
export const INBOUND_HEADER_WORDS = 8
export const Inbound = {
  TYPE: 0,
  /** Connection of this gateway thread that asked; comes back in the answer. */
  CONNECTION: 1,
  /** The client's request id; comes back in the answer. */
  REQUEST: 2,
  COUNT: 3,
  ATTACHMENT_BYTES: 4,
  ATTACHMENT_KIND: 5,
  /** Query: what is asked (QueryKind), its session, slot or id. */
  QUERY_KIND: 3,
  QUERY_LOW: 4,
  QUERY_HIGH: 5,
  QUERY_SUBJECT: 6,
} as const
export const InboundType = { Commands: 1, Query: 2 } as const
export const AttachmentKind = {
  None: 0,
  FrameMsgpack: 1,
  FrameJson: 2,
  Approval: 3,
  Withdrawal: 4,
  Chain: 5,
  Revocation: 6,
  /** In the journal only: the GenesisConfig as UTF-8 JSON; a state hash of 32 bytes. */
  Genesis: 100,
  StateHash: 101,
} as const

const attachmentNames = new Map<number, string>(
  Object.entries(AttachmentKind).map(([name, kind]) => [kind, name]),
)

/** Name of an attachment kind, or its number as text. */
export const attachmentName = (kind: number): string => attachmentNames.get(kind) ?? String(kind)
/**
 * What the engine thread answers beside commands. Nothing that a client asks costs it more than a few
 * microseconds: gateways answer from what they keep themselves, and load that in bounded pieces.
 */
export const QueryKind = {
  /** For operators, tests and benchmarks: takes as long as the state is large. Never a client's. */
  StateHash: 5,
  /** Sessions, ended ones too, from place `subject` of the engine's table on (SessionPage). */
  SessionPage: 8,
  /**
   * What became of a frame: account `subject`; behind the header approval and nonce as doubles. {floor} alone when
   * it is not known: nonces + 1 up to it are forgotten, one above it was not taken. null = no such session.
   */
  FrameResults: 11,
  /**
   * What a Place command would answer: approval in QUERY_LOW and QUERY_HIGH (0 = no session), the command record
   * behind the header. A Reject.
   */
  TryPlace: 12,
  /** Live orders from slot `subject` on (OrderPage). */
  OrderPage: 15,
  /** Accounts from id `subject` on: owner, tier, balances (AccountPage). */
  AccountPage: 16,
  /** Markets from id `subject` on (MarketPage). */
  MarketPage: 17,
} as const

export const OUTBOUND_HEADER_WORDS = 12
export const Outbound = {
  TYPE: 0,
  /** Connection of the receiving gateway thread that caused it, or -1. */
  CONNECTION: 1,
  REQUEST: 2,
  COUNT: 3,
  /** Bytes of a query's answer (UTF-8 JSON of the shapes in types.ts; bigint as decimal string). */
  ANSWER_BYTES: 4,
  /** 1 = more messages of the same commands follow. */
  MORE: 5,
  /** Last seq that the message speaks of: held back until durableSeq has reached it. */
  SEQ_F64: 3,
  /** Seq of the first command of the inbound message that caused it. */
  FIRST_SEQ_F64: 4,
  TIME_MS_F64: 5,
} as const

/**
 *   journal ring (engine -> journal):  8-word header, `COUNT` command records, attachment bytes, padding
 */
export const JOURNAL_HEADER_WORDS = 8
export const JournalMessage = {
  TYPE: 0,
  COUNT: 1,
  ATTACHMENT_BYTES: 2,
  ATTACHMENT_KIND: 3,
  FIRST_SEQ_F64: 2,
  /** Index of the first command that the attachment covers: 1 when the sequencer put a Time command before. */
  ATTACHMENT_FIRST: 6,
} as const
/** Close: no commands, the state hash as attachment; the last message of an orderly stop. */
export const JournalMessageType = { Commands: 1, Close: 2 } as const

export const OutboundType = { Applied: 1, Answer: 2, Stop: 3 } as const
