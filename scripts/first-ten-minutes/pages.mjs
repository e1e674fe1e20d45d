// The lines of the pages as a reader pastes them, one page after another, in an app and in a clone.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { rolldown } from 'rolldown'
import { binOf, commandOf, freePort, makeFolder, ROOT, readersEnv, run, startRedis, startUntil } from './support.mjs'

/**
 * What a page presumes, besides a database and a queue, which the README names itself.
 * @typedef {{ namesServers?: boolean, hasSender?: boolean, dingTalk?: boolean, sample?: boolean, server?: boolean, says?: readonly RegExp[] }} Page
 * `hasSender`: its first `ts` block is a program that runs where it stands. `sample`: a campaign was sent. `server`: `serve` is up. `says`: what its lines print.
 */

/**
 * Pages whose lines are for this machine. Those for a cluster, a proxy, a system service or a copy of a database have tests of their own.
 * @type {Readonly<Record<string, Page>>}
 */
const PAGES = {
  'README.md': { namesServers: true, hasSender: true, dingTalk: true, says: [/^payroll-11 /m, /"campaign":"payroll-11".*"targeted":3/] },
  'docs/install.md': { says: [/^\d+\.\d+\.\d+/m] },
  'docs/dashboard.md': {},
  'docs/dingtalk-setup.md': { dingTalk: true, says: [/^tracking$/m] },
  'docs/enqueue.md': { server: true, says: [/"taskId":"256271667530","status":"tracking"/, /tracking\n$/] },
  'docs/operations.md': { dingTalk: true, sample: true, says: [/^resumed/m, /^erased in 1 task/m] },
  'docs/personal-data.md': { sample: true, says: [/^erased in 1 task/m] },
  'docs/problems.md': { sample: true, says: [/^resumed/m] },
  'docs/read-rates.md': { sample: true, server: true, says: [/^payroll-11 /m, /"campaign":"payroll-11".*"targeted":2/] },
  'docs/senders.md': { server: true, says: [/"taskId":"256271667550","status":"tracking"/] },
  'docs/simulator.md': { says: [/"task_id":256271667526/] },
}
/** In a clone it is the README that is read; its first line is the one that docs/install.md has for a clone. */
const PAGES_OF = { app: Object.keys(PAGES), clone: ['README.md'] }
const APP = { appKey: 'dingxxxxxxxx', appSecret: 'xxxxxxxx', agentId: '836390886' }
/** What is no command of Node: another program, or the way into the folder in which the lines run. */
const OTHER_PROGRAMS = /^(docker|kubectl|sudo|systemctl|git|cd|psql|helm)\b/
const FOR_A_CLONE = /^(npm (ci|test|run)\b|node (bench|scripts)\/)/
const FOR_AN_APP = /^npm install\b/
/** A page starts up to three servers, and a clone a simulated day. */
const PAGE_TIMEOUT_MS = 400_000

/**
 * Runs the lines in `folder`, in which the package is installed (`app`) or is (`clone`).
 */
export async function runPages(folder, { kind, tarball = '', databases, say }) {
  const migrated = await databases.create()
  await run(commandOf(folder), ['migrate'], { cwd: folder, env: readersEnv(undefined, { DATABASE_URL: migrated }) })
  for (const page of PAGES_OF[kind]) {
    const own = []
    try {
      const database = await databases.create(migrated)
      const { ran, left } = await runPage(folder, page, { kind, tarball, database, closers: own })
      say(`${page}: ${ran} lines${left.length > 0 ? `, without ${left.join(', ')}` : ''}`)
    } finally {
      for (const close of own.reverse()) await close()
    }
  }
}

async function runPage(folder, page, { kind, tarball, database, closers }) {
  const { lines, left } = await linesOf(folder, page, kind)
  assert.notEqual(lines.length, 0, `${page} has no line to paste`)
  const [port, simulatorPort, otherPort] = [await freePort(), await freePort(), await freePort()]
  const { env, servers } = await world(folder, page, { tarball, database, closers, port })
  const text = (PAGES[page]?.sample ? withSample(lines) : lines)
    .join('\n')
    // Servers of the reader; the pages name them by hosts that are nowhere.
    .replaceAll(/postgres(?:ql)?:\/\/[^\s'"]*@(?!127|localhost)[^\s'"]+/g, () => servers.DATABASE_URL)
    .replaceAll(/rediss?:\/\/(?!127|localhost)[^\s'"]+/g, () => servers.QUEUE_URL)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:8090', `127.0.0.1:${simulatorPort}`)
    .replaceAll('--port 8090', `--port ${simulatorPort}`)
    .replaceAll('127.0.0.1:8091', `127.0.0.1:${otherPort}`)
    .replaceAll('--port 8091', `--port ${otherPort}`)
  // A server that refuses is a failure of the page.
  const prelude = 'set -eu\ncurl() { command curl --fail-with-body --no-progress-meter "$@"; }\n'
  const { stdout } = await run('sh', ['-c', prelude + text], { cwd: folder, env, timeoutMs: PAGE_TIMEOUT_MS })
  for (const pattern of PAGES[page]?.says ?? []) assert.match(stdout, pattern, page)
  return { ran: lines.length, left }
}

/** The lines of all `sh` blocks, each whole where it goes on in the next, with the sender's program; and the names of what is not for this folder. */
async function linesOf(folder, page, kind) {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const blocks = [...text.matchAll(/^```(sh|ts)\n(.*?)^```$/gms)].map(([, language, block = '']) => ({ language, block }))
  const sender = PAGES[page]?.hasSender ? blocks.find(({ language }) => language === 'ts') : undefined
  const all = blocks
    .filter((each) => each.language === 'sh' || each === sender)
    .flatMap((each) => (each === sender ? ['node sender/send.mjs'] : logicalLines(each.block)))
  if (sender !== undefined) await compile(join(folder, 'sender'), sender.block)
  const isOther = (line) => OTHER_PROGRAMS.test(line) || (kind === 'app' ? FOR_A_CLONE : FOR_AN_APP).test(line)
  return {
    lines: all.filter((line) => !isOther(line)),
    left: [...new Set(all.filter(isOther).map((line) => line.split(' ').slice(0, 2).join(' ')))],
  }
}

/** To JavaScript, which the lowest Node runs too; test/docs/ts.full.test.ts checks the types. */
async function compile(folder, source) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'send.ts'), source)
  const bundle = await rolldown({ input: join(folder, 'send.ts'), external: (id) => !isAbsolute(id) && !id.startsWith('.') })
  await bundle.write({ file: join(folder, 'send.mjs'), format: 'esm' })
  await bundle.close()
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
async function world(folder, page, { tarball, database, closers, port }) {
  const reader = makeFolder(closers, 'reader')
  writeFileSync(join(reader, 'up.json'), '{}')
  closers.push(() => stopAll(reader))
  for (const name of ['npx', 'npm']) {
    writeFileSync(join(reader, name), `#!/bin/sh\nexec node '${join(import.meta.dirname, 'reader.mjs')}' ${name} "$@"\n`)
    chmodSync(join(reader, name), 0o755)
  }
  const real = dirname(process.execPath)
  // The README's lines are those of npx itself.
  const bin = page === 'README.md' ? '' : binOf(folder, '')
  const env = readersEnv(undefined, {
    READER: reader,
    REAL: real,
    TARBALL: tarball,
    PROJECT: ROOT,
    BIN: bin,
    PORT: String(port),
    HEALTH_PORT: '0',
  })
  env.PATH = `${reader}:${env.PATH}`
  const servers = { DATABASE_URL: database, QUEUE_URL: (await startRedis(closers)) || database }
  const { namesServers, dingTalk, server } = PAGES[page] ?? {}
  const given = { ...(!namesServers && servers), ...(dingTalk && (await startDingTalk(folder, closers))) }
  if (server) {
    const own = readersEnv(undefined, { ...servers, PORT: String(port) })
    closers.push((await startUntil(commandOf(folder), ['serve'], { cwd: folder, env: own, until: /Dashboard:/ })).stop)
  }
  return { env: { ...env, ...given }, servers }
}

/** A campaign that was sent, for the lines that ask for one; after `doctor`, which would call its polls overdue while no worker runs yet. */
function withSample(lines) {
  const users = '--user 036632523163121146 --user manager4220'
  const sample = `npx dingtalk-delivery track 256271667526 ${users} --campaign payroll-11 --sent-at "$(date +%s000)" >&2`
  return lines.toSpliced(lines.findLastIndex((line) => line.includes('dingtalk-delivery doctor')) + 1, 0, sample)
}

/** @returns where it is, the app, and a token as the sender has one */
async function startDingTalk(folder, closers) {
  const { appKey, appSecret, agentId } = APP
  const { found, stop } = await startUntil(commandOf(folder), ['simulator', '--port', '0', '--app', `${appKey}:${appSecret}:${agentId}`], {
    cwd: folder,
    until: /http:\/\/[\d.:]+/,
  })
  closers.push(stop)
  const answer = await fetch(`${found}/v1.0/oauth2/accessToken`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ appKey, appSecret }),
  })
  const { accessToken } = JSON.parse(await answer.text())
  const app = { DINGTALK_APP_KEY: appKey, DINGTALK_APP_SECRET: appSecret, DINGTALK_AGENT_ID: agentId }
  return { DINGTALK_OAPI_URL: found, DINGTALK_API_URL: found, ACCESS_TOKEN: accessToken, ...app }
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
  const named = [...text.matchAll(/npx dingtalk-delivery(?:-tracker)? (people [a-z]+|[a-z]+)((?: [^`\n|&;#]+)?)/g)]
  const commands = [...new Set(named.map(([, command = '']) => command))]
  const helpOf = async (command) =>
    (await run(binOf(folder, 'dingtalk-delivery'), [...command.split(' '), '--help'], { cwd: folder })).stdout
  const help = Object.fromEntries(await Promise.all(commands.map(async (command) => [command, await helpOf(command)])))
  const unknown = named.flatMap(([, command = '', rest = '']) =>
    (rest.match(/(?<= )--[a-z-]+/g) ?? []).filter((option) => !help[command].includes(option)).map((option) => `${command} ${option}`),
  )
  assert.deepEqual(unknown, [], 'pages name options that the installed commands do not have')
  return named.length
}
