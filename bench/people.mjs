/**
 * Measures `people import`: a first import, the same file again, and one in which each tenth person has moved, as CSV and as a workbook. Needs
 * `npm run build`.
 *
 *   node bench/people.mjs [--people 100000] [--departments 1000] [--json FILE]
 *
 * Without DATABASE_URL it starts its own PostgreSQL, durable as in production. With it, it uses the database dingtalk_delivery_people on that
 * server. Fails when a person is not stored. Each run is a process of its own: its time includes the start, and its memory is the process's.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { migrate } from '../dist/store/migrate.js'
import { readOptions, runBench } from './support/bench.mjs'
import { connect, ownDatabase, ownDirectory, startPostgres } from './support/database.mjs'
import { CLI } from './support/process.mjs'
import { writeWorkbook } from './support/workbook.mjs'

const DATABASE = 'dingtalk_delivery_people'
const options = readOptions({ people: 100_000, departments: 1_000 })
const { people, departments } = options

await runBench(options, async (closers) => {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  const url = await ownDatabase(closers, server, DATABASE, { anew: true })
  await migrate(url)
  const directory = await ownDirectory(closers)
  const [first, moved, workbook] = ['first.csv', 'moved.csv', 'people.xlsx'].map((name) => join(directory, name))
  await writeFile(first, csv(0))
  await writeFile(moved, csv(1))
  await writeWorkbook(workbook, rows(0))
  const seconds = {
    firstCsv: await measure(`${people} new people, CSV`, url, first),
    again: await measure('the same again', url, first),
    tenthMoved: await measure('each tenth has moved', url, moved),
    workbook: await measure('moved back, .xlsx', url, workbook),
  }
  const client = await connect(closers, url)
  const { rows: stored } = await client.query('SELECT count(*)::int AS people, count(DISTINCT name)::int AS names FROM delivery_person')
  if (stored[0].people !== people || stored[0].names !== people) throw new Error(`stored are ${JSON.stringify(stored[0])}`)
  return { peopleImport: { people, seconds } }
})

/** @param {number} shift of the departments of each tenth person */
function rows(shift) {
  const titles = ['user_id', 'name', 'department', 'manager_user_id']
  return [
    titles,
    ...Array.from({ length: people }, (_, i) => {
      const department = (i + (i % 10 === 0 ? shift : 0)) % departments
      const path = `总部/事业部${department % 20}/部门${department}`
      return [userId(i), `员工${i}`, i % 7 === 0 ? `${path};总部/项目组${i % 50}` : path, userId(i % departments)]
    }),
  ]
}

/** @param {number} i */
function userId(i) {
  return `0366325231631${String(i).padStart(5, '0')}`
}

/** @param {number} shift */
function csv(shift) {
  return rows(shift)
    .map((cells) => `${cells.join(',')}\n`)
    .join('')
}

/**
 * @param {string} name
 * @param {string} url
 * @param {string} file
 */
async function measure(name, url, file) {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [CLI, 'people', 'import', file], {
    env: { ...process.env, DATABASE_URL: url, QUEUE_URL: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (more) => (said += more))
  await once(child, 'close')
  const seconds = (performance.now() - startedAt) / 1_000
  process.stdout.write(`${name}: ${seconds.toFixed(1)} s, ${said.trim().split('\n').at(-1)}\n`)
  if (child.exitCode !== 0) throw new Error(`${name} failed`)
  return seconds
}
