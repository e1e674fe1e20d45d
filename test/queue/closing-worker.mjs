// A worker and a queue that are closed on SIGTERM; then nothing may keep the process alive.
// Arguments: the built worker.js and connection.js, the queue's address as JSON.
const [workerPath, connectionPath, address] = process.argv.slice(2)
const { startPollWorker } = await import(workerPath)
const { openQueue } = await import(connectionPath)

const worker = startPollWorker({
  address: JSON.parse(address),
  concurrency: 5,
  lockMs: 30_000,
  poll: async () => ({ kind: 'done' }),
  track: async () => process.stdout.write('ready\n'),
  now: () => new Date(),
  events: { failed: () => undefined },
})
const queue = openQueue(JSON.parse(address), 'consumer', () => undefined)
process.once('SIGTERM', () => {
  void close()
})
await queue.it.add('track', { taskId: '1' }, {})

async function close() {
  await worker.close()
  await queue.close()
  process.stdout.write('closed\n')
}
