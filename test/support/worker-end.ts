/** In each process that runs suites: when it has been let go and does not end, it says what is open. */
const SAY_AFTER_MS = 10_000

process.once('disconnect', () => {
  const say = (): void => {
    const counts = new Map<string, number>()
    for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    const open = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
    console.error(`open ${SAY_AFTER_MS / 1000} s after the last suite: ${open}`)
  }
  // It does not keep the process itself.
  setTimeout(say, SAY_AFTER_MS).unref()
})

export {}
