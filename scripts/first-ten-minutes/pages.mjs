// The lines of the pages as a reader pastes them, one page after another, in an app and in a clone.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { binOf, freePort, makeFolder, ROOT, readersEnv, run, startRedis, startUntil } from './support.mjs'

/** Pages whose lines are for this machine. Those for a cluster, a proxy or a system service have tests of their own in test/docs. */
const PAGES = ['README.md', 'docs/install.md', 'docs/personal-data.md', 'docs/problems.md', 'docs/simulator.md'].filter((page) =>
  existsSync(join(ROOT, page)),
)
const APP = { appKey: 'dingxxxxxxxx', appSecret: 'xxxxxxxx', agentId: '836390886' }
/** What is no command of Node: another program, or the way into the folder in which the lines run. */
const OTHER_PROGRAMS = /^(docker|kubectl|sudo|systemctl|git|cd|psql|helm)\b/
const FOR_A_CLONE = /^(npm (ci|test|run)\b|node (bench|scripts)\/)/
const FOR_AN_APP = /^npm install\b/

/**
 * Runs the lines in `folder`, in which the package is installed (`app`) or is (`clone`).
 */
export async function runPages(folder, { kind, tarball = '', databases, say }) {
  for (const page of PAGES) {
    const own = []
    try {
      const { ran, left } = await runPage(folder, page, { kind, tarball, databases, closers: own })
      if (ran > 0) say(`${page}: ${ran} lines${left.length > 0 ? `, without ${left.join(', ')}` : ''}`)
    } finally {
      for (const close of own.reverse()) await close()
    }
  }
}

async function runPage(folder, page, { kind, tarball, databases, closers }) {
  const { lines: own, left } = linesOf(page, kind)
  const lines = withSample(own)
  if (own.length === 0) return { ran: 0, left }
  const [port, simulatorPort] = [await freePort(), await freePort()]
  const { env, servers } = await world(folder, page, { tarball, databases, closers, port })
  const text = lines
    .join('\n')
    // Servers of the reader; the pages name them by hosts that are nowhere.
    .replaceAll(/postgres(?:ql)?:\/\/[^\s'"]*@(?!127|localhost)[^\s'"]+/g, () => servers.DATABASE_URL)
    .replaceAll(/rediss?:\/\/(?!127|localhost)[^\s'"]+/g, () => servers.QUEUE_URL)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:8090', `127.0.0.1:${simulatorPort}`)
    .replaceAll('--port 8090', `--port ${simulatorPort}`)
  // A server that refuses is a failure of the page.
  const prelude = 'set -eu\ncurl() { command curl --fail-with-body --no-progress-meter "$@"; }\n'
  await run('sh', ['-c', prelude + text], { cwd: folder, env })
  return { ran: own.length, left }
}

/** The lines of all `sh` blocks, each whole where it goes on in the next; and the names of what is not for this folder. */
function linesOf(page, kind) {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const all = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => logicalLines(block))
  const isOther = (line) => OTHER_PROGRAMS.test(line) || (kind === 'app' ? FOR_A_CLONE : FOR_AN_APP).test(line)
  return {
    lines: all.filter((line) => !isOther(line)),
    left: [...new Set(all.filter(isOther).map((line) => line.split(' ').slice(0, 2).join(' ')))],
  }
}

/** A line goes on after a backslash, and inside quotes. */
function logicalLines(block) {
  const lines = []
  for (const line of block.trimEnd().split('\n')) {
    const last = lines.at(-1)
    const isOpen = last !== undefined && (last.endsWith('\\') || (last.replace(/#.*$/gm, '').match(/'/g) ?? []).length % 2 === 1)
    if (isOpen) lines[lines.length - 1] = `${last}\n${line}`
    else lines.push(line)
  }
  return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'))
}

/** What the pages presume: servers, and a DingTalk. */
async function world(folder, page, { tarball, databases, closers, port }) {
  const reader = makeFolder(closers, 'reader')
  writeFileSync(join(reader, 'up.json'), '{}')
  closers.push(() => stopAll(reader))
  for (const name of ['npx', 'npm']) {
    writeFileSync(join(reader, name), `#!/bin/sh\nexec node '${join(import.meta.dirname, 'reader.mjs')}' ${name} "$@"\n`)
    chmodSync(join(reader, name), 0o755)
  }
  const real = dirname(process.execPath)
  const env = readersEnv(undefined, { READER: reader, REAL: real, TARBALL: tarball, PROJECT: ROOT, PORT: String(port), HEALTH_PORT: '0' })
  env.PATH = `${reader}:${env.PATH}`
  const [databaseUrl, queueUrl] = [await databases.create(), await startRedis(closers)]
  const servers = { DATABASE_URL: databaseUrl, QUEUE_URL: queueUrl || databaseUrl }
  await run('npx', ['dingtalk-delivery', 'migrate'], { cwd: folder, env: { ...readersEnv(), ...servers } })
  // The README begins without servers, and names them later.
  const given = page === 'README.md' ? await dingTalk(folder, closers) : servers
  return { env: { ...env, ...given }, servers }
}

/** A campaign that was sent, for the lines that ask for one; after `doctor`, which would call its polls overdue while no worker runs yet. */
function withSample(lines) {
  const users = '--user 036632523163121146 --user manager4220'
  const sample = `npx dingtalk-delivery track 256271667526 ${users} --campaign payroll-11 --sent-at "$(date +%s000)" >&2`
  const after = lines.findLastIndex((line) => line.includes('dingtalk-delivery doctor')) + 1
  const isNamed = lines.some((line) => line.includes('256271667526') || line.includes('payroll-11'))
  return isNamed ? lines.toSpliced(after, 0, sample) : lines
}

async function dingTalk(folder, closers) {
  const app = `${APP.appKey}:${APP.appSecret}:${APP.agentId}`
  const { found, stop } = await startUntil('npx', ['dingtalk-delivery', 'simulator', '--port', '0', '--app', app], {
    cwd: folder,
    until: /http:\/\/[\d.:]+/,
  })
  closers.push(stop)
  return { DINGTALK_OAPI_URL: found, DINGTALK_API_URL: found }
}

async function stopAll(reader) {
  for (const pid of Object.values(JSON.parse(readFileSync(join(reader, 'up.json'), 'utf8')))) {
    try {
      process.kill(-pid, 'SIGINT')
      for (let tries = 0; tries < 300; tries += 1) {
        process.kill(-pid, 0)
        await sleep(100)
      }
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}

/** Every command that any page names exists, with every option that it is given there. */
export async function checkCommands(folder) {
  const docs = readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)
  const text = ['README.md', ...docs.filter((name) => name.endsWith('.md'))]
    .map((page) => readFileSync(join(ROOT, page), 'utf8'))
    .join('\n')
  const named = [...text.matchAll(/npx dingtalk-delivery(?:-tracker)? ([a-z]+)((?: [^`\n|&;#]+)?)/g)]
  const commands = [...new Set(named.map(([, command = '']) => command))]
  const helpOf = async (command) => (await run(binOf(folder, 'dingtalk-delivery'), [command, '--help'], { cwd: folder })).stdout
  const help = Object.fromEntries(await Promise.all(commands.map(async (command) => [command, await helpOf(command)])))
  const unknown = named.flatMap(([, command = '', rest = '']) =>
    (rest.match(/(?<= )--[a-z-]+/g) ?? []).filter((option) => !help[command].includes(option)).map((option) => `${command} ${option}`),
  )
  assert.deepEqual(unknown, [], 'pages name options that the installed commands do not have')
  return named.length
}
