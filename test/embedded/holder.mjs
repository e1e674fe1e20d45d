// Runs the embedded PostgreSQL as a program of its own, to be killed. Arguments: the built module, then its options as JSON.
// With `forgets` it ends at once, without closing. Writes `ready <url>`, or `refused <message>`. On SIGINT it uses the database once more, says `still here`, and closes.
const [, , module, json] = process.argv
const { forgets, umask, ...options } = JSON.parse(json)
if (umask !== undefined) process.umask(umask)
const { startEmbeddedPostgres } = await import(module)

const started = await startEmbeddedPostgres({ ...options, onLog: (line) => console.error(line) }).catch((error) => {
  console.log(`refused ${error.message}`)
  process.exit(1)
})
console.log(`ready ${started.url}`)
const alive = forgets ? undefined : setInterval(() => undefined, 60_000)

process.once('SIGINT', () => void finish())

async function finish() {
  const { Client } = await import('pg')
  const client = new Client(started.url)
  await client.connect()
  await client.query('SELECT 1')
  await client.end()
  console.log('still here')
  await started.close()
  clearInterval(alive)
}
