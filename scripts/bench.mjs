// Runs benches by name, one after the other, and prints their figures as one JSON document, their minutes, and their budgets (budgets.mjs). Fails where a
// bench fails, and never for a figure. Without --only it runs those that take 12 minutes together. The files in bench/ say what is measured, and take
// options of their own.
//   npm run bench [-- --only calls,start] [--list] [--json FILE] [--markdown FILE] [--from FILE] [--smoke] [--built]
// --markdown: writes the table of figures into a page. --from: the document of an earlier run instead of a run. --smoke: so small that only errors
// show. --built: dist/ is up to date.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readOptions, runBench } from '../bench/support/bench.mjs'
import { budgetTable, markdownOf, minutesTable, putInto } from './bench-tables.mjs'
import { BENCHES } from './benches.mjs'

const ROOT = join(import.meta.dirname, '..')
const options = readOptions({ only: '', markdown: '', from: '', list: false, smoke: false, built: false })
const names = options.only === '' ? Object.keys(BENCHES).filter((name) => !BENCHES[name].aside) : options.only.split(',')
let postgres
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name))
if (options.list) {
  for (const [name, { about, aside }] of Object.entries(BENCHES))
    console.log(`${name.padEnd(16)}${about}${aside ? ' (only with --only)' : ''}`)
} else if (unknown.length > 0) {
  console.error(
    `--only ${JSON.stringify(options.only)}: there is no bench ${unknown.join(', ')}. Give one or more of: ${Object.keys(BENCHES).join(', ')}`,
  )
  process.exitCode = 2
} else if (options.from !== '') {
  report(JSON.parse(readFileSync(options.from, 'utf8')))
} else if (
  !options.built &&
  spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' }).status !== 0
) {
  process.exitCode = 1
} else await runBench(options, main)

/** @param {import('../bench/support/bench.mjs').Closers} closers */
async function main(closers) {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  closers.push(() => rmSync(directory, { recursive: true, force: true }))
  const document = {
    date: new Date().toISOString(),
    machine: await describeMachine(),
    load: { before: loadavg()[0], after: null },
    seconds: 0,
    runs: [],
  }
  const steps = names
    .flatMap((bench) => BENCHES[bench].steps.map((step) => ({ bench, step })))
    .filter(({ step: { smoke } }) => !options.smoke || smoke !== undefined)
  const started = Date.now()
  /** Steps that run beside the next one. */
  const beside = []
  for (const { bench, step } of steps) {
    const url = process.env.DATABASE_URL ?? (step.sharesPostgres ? await postgresOnce(closers) : undefined)
    const running = run(step, directory, { ...process.env, ...(url !== undefined && { DATABASE_URL: url }) }).then(
      ({ figures, ...done }) => {
        if (figures !== null) merge(document, typeof step.json === 'string' ? { [step.json]: figures } : figures)
        document.runs.push({ bench, ...done })
      },
    )
    if (step.beside) beside.push(running)
    else await Promise.all([running, ...beside.splice(0)])
  }
  await Promise.all(beside)
  document.seconds = Math.round((Date.now() - started) / 1_000)
  document.load.after = loadavg()[0]
  report(document)
  if (document.runs.some(({ code }) => code !== 0)) process.exitCode = 1
}

/** What the benches say of it is in the file only. */
function report({ runs, ...document }) {
  console.log(`\n${JSON.stringify(document, null, 2)}\n\n${budgetTable(document)}\n\n${minutesTable(runs, document.seconds)}`)
  const { json, markdown } = options
  if (json !== '') writeFileSync(json, JSON.stringify({ ...document, runs }, null, 2))
  if (markdown === '') return
  writeFileSync(markdown, putInto(existsSync(markdown) ? readFileSync(markdown, 'utf8') : null, markdownOf(document)))
}

/** One server for all that share it: what one of them has filled is there for the next. */
function postgresOnce(closers) {
  postgres ??= import('../bench/support/database.mjs').then(({ startPostgres, WITHOUT_CHECKPOINTS }) =>
    startPostgres(closers, WITHOUT_CHECKPOINTS),
  )
  return postgres
}

/**
 * One file in a process of its own. What it prints is shown with the minutes and seconds since its start, and kept.
 * @param {import('./benches.mjs').Step} step
 * @param {string} directory
 * @param {NodeJS.ProcessEnv} env
 */
async function run({ file, args = [], json, beside, smoke = [] }, directory, env) {
  const figuresFile = join(mkdtempSync(join(directory, 'figures-')), 'figures.json')
  const given = options.smoke ? smoke : args
  const command = ['node', `bench/${file}`, ...given].join(' ')
  console.log(`\n▸ ${command}`)
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1_000)
  const child = spawn(process.execPath, [join('bench', file), ...given, ...(json ? ['--json', figuresFile] : [])], {
    ...{ cwd: ROOT, env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const output = []
  createInterface(child.stdout).on('line', (line) => {
    output.push(line)
    console.log(
      `${beside ? `${file} ` : ''}${String(Math.floor(seconds() / 60)).padStart(2)}:${String(seconds() % 60).padStart(2, '0')}  ${line}`,
    )
  })
  const [code] = await once(child, 'close')
  const figures = json && code === 0 ? JSON.parse(readFileSync(figuresFile, 'utf8')) : null
  return { command, code, seconds: seconds(), output, figures }
}

/** Objects become one; anything else replaces what was there. */
function merge(into, figures) {
  const isObject = (it) => typeof it === 'object' && it !== null && !Array.isArray(it)
  for (const [key, value] of Object.entries(figures)) {
    if (isObject(value)) merge((into[key] = isObject(into[key]) ? into[key] : {}), value)
    else into[key] = value
  }
}

/** PostgreSQL is the embedded one, with which benches run; null where it or Redis is not installed. */
async function describeMachine() {
  const { nativeFolder } = await import('../dist/embedded/binaries.js')
  const versionBy = (program) => /\d+(\.\d+)+/.exec(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0] ?? null
  return {
    ...{ cpu: cpus()[0]?.model ?? null, cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30) },
    ...{ system: `${process.platform} ${release()}`, node: process.version },
    ...{ postgres: versionBy(join(nativeFolder(), 'bin', 'postgres')), redis: versionBy('redis-server') },
  }
}
