// Senders that are caught by an outage and leave. Arguments: the built index.js, a list of trackers' options as JSON.
// Tracks once with each and says "warm"; then with each until it is refused, closes it, and says how long that took. It ends by itself.
const [modulePath, list] = process.argv.slice(2)
const { createTracker } = await import(modulePath)
const trackers = JSON.parse(list).map((options) => createTracker(options))

async function retrying(track) {
  for (;;) {
    try {
      return await track()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function untilRefused(tracker) {
  for (let taskId = 2; ; taskId++) {
    try {
      await tracker.track({ taskId })
      await new Promise((resolve) => setTimeout(resolve, 50))
    } catch (error) {
      return /** @type {{ code?: string }} */ (error).code
    }
  }
}

await Promise.all(trackers.map((tracker) => retrying(() => tracker.track({ taskId: 1 }))))
process.stdout.write('warm\n')
await Promise.all(
  trackers.map(async (tracker) => {
    const code = await untilRefused(tracker)
    const given = tracker.track({ taskId: 1 }).catch((error) => error.code)
    const began = performance.now()
    await tracker.close()
    process.stdout.write(`${code} ${Math.round(performance.now() - began)}\n`)
    await given
  }),
)
process.stdout.write('left\n')
