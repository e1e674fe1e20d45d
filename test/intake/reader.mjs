// A program that asks for rates. Arguments: the built rates.js, the options as JSON (none: it only imports), a task id.
// It ends by itself: nothing calls process.exit.
const [modulePath, options, taskId] = process.argv.slice(2)
const { createRates } = await import(modulePath)

if (options !== undefined) {
  const rates = createRates(JSON.parse(options))
  const said = await rates.task(taskId).then(
    ({ targeted }) => `${targeted} targeted`,
    (error) => error.code,
  )
  process.stdout.write(`${said}\n`)
  await rates.close()
  process.stdout.write('closed\n')
}
