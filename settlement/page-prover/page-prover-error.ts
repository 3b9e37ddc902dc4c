/** A circuit, a string, a key or a tool is absent, damaged or of no use: the message says which and why. */
export class PageProverError extends Error {
  override readonly name = 'PageProverError'
}

/** The job breaks a constraint of its circuit: there is no proof of it. */
export class NoPageWitness extends Error {
  override readonly name = 'NoPageWitness'
}
