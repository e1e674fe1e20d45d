// Runs benches by name, one after the other, and prints their figures as one JSON document. Fails where one of them does. Without --only it
// runs those that take 12 minutes together. The files in bench/ say what is measured, and take options of their own.
//   npm run bench [-- --only calls,xlsx] [--list] [--json FILE] [--smoke] [--built]
// --smoke: so small that only errors show. --built: dist/ is up to date.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BENCHES } from './benches.mjs'

const ROOT = join(import.meta.dirname, '..')
const flag = /** @type {const} */ ({ type: 'boolean', default: false })
const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'string' }, list: flag, smoke: flag, built: flag } })
const names = values.only?.split(',') ?? Object.keys(BENCHES).filter((name) => !BENCHES[name].aside)
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name))
if (values.list) {
  for (const [name, { about, aside }] of Object.entries(BENCHES))
    console.log(`${name.padEnd(16)}${about}${aside ? ' (only with --only)' : ''}`)
} else if (unknown.length > 0) {
  console.error(
    `--only ${JSON.stringify(values.only)}: there is no bench ${unknown.join(', ')}. Give one or more of: ${Object.keys(BENCHES).join(', ')}`,
  )
  process.exitCode = 2
} else if (
  !values.built &&
  spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' }).status !== 0
) {
  process.exitCode = 1
} else await main()

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const document = { date: new Date().toISOString(), machine: await describeMachine(), load: { before: loadavg()[0], after: null } }
  const steps = names.flatMap((name) => BENCHES[name].steps.map((step) => ({ name, step })))
  const runs = []
  try {
    for (const { name, step } of steps.filter(({ step: { smoke } }) => !values.smoke || smoke !== undefined)) {
      const { figures, ...done } = await run(step, directory)
      if (figures !== null) merge(document, typeof step.json === 'string' ? { [step.json]: figures } : figures)
      runs.push({ bench: name, ...done })
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  document.load.after = loadavg()[0]
  console.log(`\n${JSON.stringify(document, null, 2)}`)
  for (const { command, code, seconds } of runs) console.log(`${code === 0 ? 'ok    ' : 'failed'}  ${command}  (${seconds} s)`)
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ ...document, runs }, null, 2))
  if (runs.some(({ code }) => code !== 0)) process.exitCode = 1
}

/**
 * One file in a process of its own. What it prints is shown, and kept.
 * @param {import('./benches.mjs').Step} step
 * @param {string} directory
 */
async function run({ file, args = [], json, smoke = [] }, directory) {
  const figuresFile = join(directory, 'figures.json')
  const given = values.smoke ? smoke : args
  const command = ['node', `bench/${file}`, ...given].join(' ')
  console.log(`\n▸ ${command}`)
  const started = Date.now()
  const child = spawn(process.execPath, [join('bench', file), ...given, ...(json ? ['--json', figuresFile] : [])], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (part) => {
    output += part
    process.stdout.write(part)
  })
  const [code] = await once(child, 'close')
  const figures = json && code === 0 ? JSON.parse(readFileSync(figuresFile, 'utf8')) : null
  return { command, code, seconds: Math.round((Date.now() - started) / 1_000), output: output.split('\n'), figures }
}

/** Objects become one; anything else replaces what was there. A key such as `lateness.p99Ms` names a place in one. */
function merge(into, figures) {
  for (const [path, given] of Object.entries(figures)) {
    const [key, ...rest] = path.split('.')
    const value = rest.length === 0 ? given : { [rest.join('.')]: given }
    const isObject = (it) => typeof it === 'object' && it !== null && !Array.isArray(it)
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
