// Runs the benches by name, one after the other, and fails where one of them does. Their files say what is measured, and take options of their own.
//   npm run bench [-- --only calls,xlsx] [--list] [--json FILE]
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BENCHES } from './benches.mjs'

const ROOT = join(import.meta.dirname, '..')
const { values } = parseArgs({ options: { only: { type: 'string' }, list: { type: 'boolean', default: false }, json: { type: 'string' } } })
const names = values.only?.split(',') ?? Object.keys(BENCHES)
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name))
if (values.list) {
  for (const [name, { about }] of Object.entries(BENCHES)) console.log(`${name.padEnd(16)}${about}`)
} else if (unknown.length > 0) {
  console.error(
    `--only ${JSON.stringify(values.only)}: there is no bench ${unknown.join(', ')}. Give one or more of: ${Object.keys(BENCHES).join(', ')}`,
  )
  process.exitCode = 2
} else if (
  spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' }).status !== 0
) {
  process.exitCode = 1
} else await main()

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const results = []
  try {
    for (const name of names) for (const step of BENCHES[name].steps) results.push({ bench: name, ...(await run(step, directory)) })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  for (const { command, code, seconds } of results) console.log(`${code === 0 ? 'ok    ' : 'failed'}  ${command}  (${seconds} s)`)
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, null, 2))
  if (results.some(({ code }) => code !== 0)) process.exitCode = 1
}

/**
 * One file in a process of its own. What it prints is shown, and kept.
 * @param {{ file: string, args?: string[], json?: true }} step
 * @param {string} directory
 */
async function run({ file, args = [], json }, directory) {
  const figuresFile = join(directory, 'figures.json')
  const command = ['node', `bench/${file}`, ...args].join(' ')
  console.log(`\n▸ ${command}`)
  const started = Date.now()
  const child = spawn(process.execPath, [join('bench', file), ...args, ...(json ? ['--json', figuresFile] : [])], {
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
