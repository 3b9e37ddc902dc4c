/** `node --import` of this in a process under test: all its threads keep the mirror that the environment names. */
import { Mirror } from './mirror.js'
import { watch } from './watch.js'

const { GLASSBOOK_POWER_ROOT: root, GLASSBOOK_POWER_MIRROR: folder, GLASSBOOK_POWER_SYNC_MS } = process.env
if (root !== undefined && folder !== undefined)
  watch(new Mirror(root, folder), { syncMs: Number(GLASSBOOK_POWER_SYNC_MS ?? 0) })
