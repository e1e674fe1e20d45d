// Stands before npx and npm while the lines of a page run, as a reader with several terminals: what stays up is left up until the page is over, or
// until the same is started anew. Everything else is npx and npm themselves. In $READER: up.json, what is up. $REAL: where npx and npm are. $BIN: where
// the installed commands are that npx would find, which saves its second for each line; '': npx finds them.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const { READER: folder = '', REAL: real = '', BIN: bin = '', TARBALL: tarball = '', PROJECT: project = '' } = process.env
const UP = { start: /Working\./, worker: /worker ready/, serve: /Dashboard:/, simulator: /^http:/m, demo: /Still up until Ctrl-C/ }
/** They use the same port. */
const SAME = { start: 'server', serve: 'server', demo: 'server' }
const TIMEOUT_MS = 300_000

const [program = '', ...args] = process.argv.slice(2)
process.exitCode = program === 'npx' ? await npx(args) : await npm(args)

function npx(given) {
  const command = given[1] ?? ''
  return command in UP && !given.includes('--exit') && !given.includes('--help') ? stayUp('npx', given, command) : pass('npx', given)
}

async function npm([command = '', ...rest]) {
  if (command === 'run' && rest[0] === 'demo' && !rest.includes('--exit')) return stayUp('npm', [command, ...rest], 'demo')
  // Has run: the clone is there.
  if (command === 'ci') return 0
  // What takes minutes has its own step in CI: here it must exist.
  if (command === 'test' || command === 'run') {
    const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
    const script = command === 'test' ? 'test' : (rest.find((each) => !each.startsWith('-')) ?? '')
    return script in scripts ? 0 : fail(`package.json has no script ${script}`)
  }
  // The package is published later: what it would bring is the tarball.
  return pass('npm', [
    command,
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    ...rest.map((each) => (each === 'dingtalk-delivery-tracker' ? tarball : each)),
  ])
}

/** @returns {[command: string, args: string[]]} */
function commandLine(name, given) {
  const [command = '', ...rest] = given
  return name === 'npx' && bin !== '' && existsSync(join(bin, command)) ? [join(bin, command), rest] : [join(real, name), given]
}

function pass(name, given, attempts = 5) {
  const { status, stderr } = spawnSync(...commandLine(name, given), { stdio: ['inherit', 'inherit', 'pipe'], encoding: 'utf8' })
  process.stderr.write(stderr)
  // A sender waits two seconds at most. Where this machine is too busy for that, the reader does what the message says.
  const again = status !== 0 && attempts > 1 && /tracking it again is safe/.test(stderr)
  return again ? pass(name, given, attempts - 1) : (status ?? 1)
}

async function stayUp(name, given, command) {
  // One at each port.
  const kind = SAME[command] ?? [command, ...(given.includes('--port') ? [given[given.indexOf('--port') + 1]] : [])].join('-')
  await stop(kind)
  const log = join(folder, `${kind}.log`)
  const output = openSync(log, 'w')
  const child = spawn(...commandLine(name, given), { detached: true, stdio: ['ignore', output, output] })
  let ended = null
  child.on('close', (code, signal) => (ended = code ?? signal))
  save({ ...upNow(), [kind]: child.pid })
  const deadline = performance.now() + TIMEOUT_MS
  while (!UP[command].test(readFileSync(log, 'utf8'))) {
    if (ended !== null || performance.now() > deadline)
      return fail(`${name} ${given.join(' ')}: ${ended ?? 'not up'}\n${readFileSync(log, 'utf8')}`)
    await sleep(100)
  }
  child.unref()
  // The demo compares its figures with what the simulator knows.
  const wrong = command === 'demo' ? /^.*✗.*$/m.exec(readFileSync(log, 'utf8')) : null
  return wrong === null ? 0 : fail(`${name} ${given.join(' ')}: ${wrong[0]}`)
}

async function stop(kind) {
  const { [kind]: pid, ...others } = upNow()
  if (pid === undefined) return
  process.kill(-pid, 'SIGINT')
  while (isAlive(pid)) await sleep(100)
  save(others)
}

function isAlive(pid) {
  try {
    return process.kill(-pid, 0)
  } catch {
    return false
  }
}

function upNow() {
  return JSON.parse(readFileSync(join(folder, 'up.json'), 'utf8'))
}

function save(up) {
  writeFileSync(join(folder, 'up.json'), JSON.stringify(up))
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  return 1
}
