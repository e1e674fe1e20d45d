import { createRequire } from 'node:module'

/** Tracks through a queue that is not there, and prints the CommonJS files that were loaded for it. */
const [tracker] = process.argv.slice(2)
const { createTracker } = await import(tracker)
const sender = createTracker({ queueUrl: 'redis://127.0.0.1:1' })
await sender.track({ taskId: '1' }).catch(() => undefined)
await sender.close()
process.stdout.write(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)), () => process.exit(0))
