// The first ten minutes of a new user, as a machine: an empty folder and a fresh clone, the packed package, npm and Node, and nothing else on PATH.
// `npm run first-ten-minutes` runs every part; `npm run first-ten-minutes -- app clone` runs these. Needs the npm registry, or npm's cache.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runApp } from './first-ten-minutes/app.mjs'
import { runClone } from './first-ten-minutes/clone.mjs'
import { runNestjs } from './first-ten-minutes/nestjs.mjs'
import { runNodes } from './first-ten-minutes/nodes.mjs'
import { runPasted } from './first-ten-minutes/pasted.mjs'
import { runRanges } from './first-ten-minutes/ranges.mjs'

/**
 * @typedef {{ setup: string, result: string, run: string }} Row a line of docs/compatibility.md
 * @typedef {(context: { closers: Array<() => unknown>, say: (line: string) => void, row: (row: Row) => void }) => Promise<void>} Part
 */

/** @type {Readonly<Record<string, { about: string, run: Part }>>} */
const PARTS = {
  app: { about: 'an empty folder: install, start, a day as ES modules and as CommonJS', run: runApp },
  pages: { about: 'an app: every line of the pages, pasted, and the sender of the README', run: runPasted },
  clone: { about: 'a fresh clone: npm ci, npx, every line of the README, its sender and the demo among them', run: runClone },
  nestjs: { about: 'a Nest application: CommonJS and its types, Jest 30, Nest 12', run: runNestjs },
  ranges: { about: 'an app that has the same packages: at the lowest and the highest of each range', run: runRanges },
  nodes: { about: 'the lowest releases of Node that are permitted, and the newest of the last line', run: runNodes },
}

/** A part mostly waits: for npm, and for a simulated day. */
const AT_ONCE = 2

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    built: { type: 'boolean', default: false, short: 'b' },
    rows: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
  },
})
/** What the parts under way have started: it ends with this, also by a signal. @type {Set<Array<() => unknown>>} */
const open = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void closeAll().finally(() => process.exit(1)))
}
/** By part: they end in any order. @type {Record<string, Row[]>} */
const rows = {}
const unknown = positionals.filter((name) => !(name in PARTS))
if (unknown.length > 0) {
  process.stderr.write(`unknown part ${unknown.join(', ')}. Known: ${Object.keys(PARTS).join(', ')}\n`)
  process.exit(2)
}
if (values.list) process.stdout.write(`${Object.keys(PARTS).join('\n')}\n`)
else process.exitCode = await runParts(positionals.length > 0 ? positionals : Object.keys(PARTS))

async function runParts(names) {
  if (!values.built) build()
  const begun = Date.now()
  const failed = []
  const waiting = [...names]
  const walk = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) if (!(await passes(name))) failed.push(name)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, walk))
  // For test/packaging/first-ten-minutes.full.test.ts, which holds docs/compatibility.md against them.
  if (values.rows !== '') writeFileSync(values.rows, JSON.stringify(names.flatMap((name) => rows[name] ?? [])))
  say(`the first ten minutes took ${seconds(begun)}`)
  say(`${names.length - failed.length} passed, ${failed.length} failed`)
  return failed.length > 0 ? 1 : 0
}

async function closeAll() {
  for (const close of [...open].flatMap((closers) => closers.toReversed())) await Promise.resolve(close()).catch(() => undefined)
}

async function passes(name) {
  const begun = Date.now()
  const { about, run } = PARTS[name]
  say(`▸ ${name}: ${about}`)
  const closers = []
  open.add(closers)
  const own = (rows[name] = [])
  try {
    await run({ closers, say: (line) => say(`  ${name}: ${line} (after ${seconds(begun)})`), row: (row) => own.push(row) })
    say(`✓ ${name}`)
    return true
  } catch (error) {
    say(`✗ ${name}: ${error instanceof Error ? error.message : String(error)}`)
    return false
  } finally {
    open.delete(closers)
    for (const close of closers.reverse()) await close()
    say(`  ${name} took ${seconds(begun)}`)
  }
}

function build() {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, 'build.mjs')], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}

function say(line) {
  process.stdout.write(`${line}\n`)
}
