// A worker whose polls never end, to be killed in the middle of one. Arguments: the built worker.js, the queue's address as JSON, the lock in ms.
const [modulePath, address, lockMs] = process.argv.slice(2)
const { startPollWorker } = await import(modulePath)

startPollWorker({
  address: JSON.parse(address),
  concurrency: 1,
  lockMs: Number(lockMs),
  poll: () => {
    process.stdout.write('polling\n')
    return new Promise(() => undefined)
  },
  track: async () => undefined,
  now: () => new Date(),
  events: { failed: () => undefined },
})
