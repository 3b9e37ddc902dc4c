/** Thread of replay.ts that hashes fills roots: concatenated leaves in, root out. */
import { answerQuestions } from './beside.js'
import { fillsRoot } from '../batch/fills-root.js'

answerQuestions((leaves: Uint8Array) => fillsRoot(leaves))
