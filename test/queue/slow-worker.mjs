// A worker whose looks never end, to be killed in the middle of one. Arguments: the built look-worker.js, the queue's address as JSON, the lock in ms.
const [modulePath, address, lockMs] = process.argv.slice(2)
const { startLookWorker } = await import(modulePath)

startLookWorker({
  address: JSON.parse(address),
  concurrency: 1,
  lockMs: Number(lockMs),
  look: () => {
    process.stdout.write('looking\n')
    return new Promise(() => undefined)
  },
  track: async () => undefined,
  now: () => new Date(),
  journal: { failed: () => undefined },
})
