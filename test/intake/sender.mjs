// A sender's program. Arguments: the built index.js, the tracker's options as JSON (none: it only imports), the task ids.
// It ends by itself: nothing calls process.exit.
const [modulePath, options, ...taskIds] = process.argv.slice(2)
const { createTracker } = await import(modulePath)

if (options !== undefined) {
  const tracker = createTracker(JSON.parse(options))
  for (const taskId of taskIds) {
    const said = await tracker.track({ taskId }).then(JSON.stringify, (error) => error.code)
    process.stdout.write(`${said}\n`)
  }
  await tracker.close()
  process.stdout.write('closed\n')
}
