import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'
import { describeWithCa } from '../support/company-ca.ts'
import { startCompanyProxy } from '../support/company-proxy.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { runCli, startCli } from '../support/process.ts'
import { redisAvailable, startRedis } from '../support/redis-server.ts'
import { blocksOf, codeIn, OWN_TESTS, PAGES, ROOT, textOf } from './support/pages.ts'
import { storeSample } from './support/sample.ts'
import { runShell } from './support/shell.ts'

const NETWORK = 'docs/network.md'
const PERFORMANCE = 'docs/performance.md'
const SIMULATOR = 'docs/simulator.md'
const README = 'README.md'
const DINGTALK = 'docs/dingtalk-setup.md'

/** The app of the pages, and what their examples stand for. */
const APP = { appKey: 'dingxxxxxxxx', appSecret: 'xxxxxxxx', agentId: '836390886' }
const DATABASE_URL = 'postgres://tracker:secret@db:5432/tracker'
const QUEUE_URL = 'redis://redis:6379'
const SERVER_URL = 'http://127.0.0.1:8080'

const curl = spawnSync('curl', ['--version']).status === 0
if (!curl && process.env['CI'] === 'true') throw new Error('curl is not installed, and with CI=true nothing is skipped')
if (!curl) process.stderr.write('\nTHE LINES WITH curl ARE SKIPPED: it is not installed.\n\n')

/** Each page whose commands a reader can paste where the set-up of the README is done; also those that its text names are run. */
const PAGES_OF_USERS = [
  README,
  'docs/commands.md',
  'docs/dashboard.md',
  'docs/enqueue.md',
  'docs/operations.md',
  'docs/people.md',
  'docs/personal-data.md',
  'docs/problems.md',
  'docs/read-rates.md',
  'docs/schedule.md',
  'docs/senders.md',
]

test('the pages with commands are those that are run here', () => {
  const pages = PAGES.filter((page) => scriptOf(page) !== '' && (page === 'docs/senders.md' || !(page in OWN_TESTS)))
  expect(pages.toSorted()).toEqual([...PAGES_OF_USERS, DINGTALK, NETWORK, PERFORMANCE, SIMULATOR].toSorted())
})

/** Each command is a process of its own, and a page has up to a dozen: on a busy machine that is minutes. */
const PAGE_TIMEOUT_MS = 400_000

test.each(PAGES_OF_USERS)('the commands of %s, one after another', { timeout: PAGE_TIMEOUT_MS }, async (page) => {
  const { said, stdout, script, commands } = await runPage(page)
  expect(new Set(commands.map(({ command }) => command)), 'and every other command that it names').toEqual(commandsNamedIn(script))
  for (const [command, text] of Object.entries(ANSWERS[page] ?? {})) {
    if (command !== 'curl') expect(said(command), command).toMatch(text)
    else if (curl) expect(stdout).toMatch(text)
  }
})

/** What a page's commands answer about the people of the sample; of a command that stands there twice the first. */
const ANSWERS: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  [README]: {
    report: /payroll-11 .* 50\.0%/,
    unread: /^(?:.*,){3}user_id,.*\r\n(?:.*,){3}carol,.*\r\n(?:.*,){3}late-reader,.*\r\n$/,
    curl: /"campaign":"payroll-11".*"read":2/,
  },
  'docs/commands.md': { forecast: /^30 tasks, about [\d,]+ calls/, schedule: /Bracket/ },
  'docs/enqueue.md': { track: /^tracking\n$/, curl: /\{"app":"default","taskId":"256271667530","status":"tracking","duplicate":false,/ },
  'docs/operations.md': {
    resume: /^resumed; it is polled now\n$/,
    erase: /^erased in 1 task, 0 jobs of the queue and 0 rows of people\n$/,
  },
  'docs/people.md': {
    people: /^people\.csv \(CSV in UTF-8\): 2 people of the app default\n[^]*\n {2}new +2\n/,
    curl: /"created":1,"changed":0,"unchanged":1,"erased":0/,
  },
  'docs/personal-data.md': { erase: /^erased in 1 task, 0 jobs of the queue and 0 rows of people\n$/ },
  'docs/problems.md': { resume: /^resumed; it is polled now\n$/ },
  'docs/read-rates.md': {
    report: /payroll-11 .* 50\.0%/,
    show: /^Read +2 of 4 /m,
    unread: /carol,.*\r\n.*,late-reader,/,
    curl: /,payroll-11,carol,unread,.*\r\n.*,late-reader,unread,/,
  },
  'docs/schedule.md': {
    forecast: /^30 tasks, about [\d,]+ calls/,
    schedule: /Bracket/,
  },
  'docs/senders.md': { curl: /"taskId":"256271667550","status":"tracking","duplicate":false/ },
}

/** Against a database with the sample, a queue, a server and the simulator. */
async function runPage(page: string) {
  const simulator = await aSimulator({ apps: [APP], directory: { people: 40 } })
  simulator.createTask({ taskId: '256271667526', recipients: [{ userId: 'manager4220' }] })
  const database = await aDatabase()
  const queue = await aQueue(database)
  const script = [scriptOf(page), ...commandsInText(page)].join('\n')
  const real = { [DATABASE_URL]: database, [QUEUE_URL]: queue, ...(curl && { [SERVER_URL]: await aServer(database) }) }
  const { stdout, commands } = await runShell(withReal(curl ? script : withoutCurl(script), real), {
    ...{ DATABASE_URL: database, QUEUE_URL: queue, PORT: '0', HEALTH_PORT: '0' },
    ...{ DINGTALK_APP_KEY: APP.appKey, DINGTALK_APP_SECRET: APP.appSecret, DINGTALK_AGENT_ID: APP.agentId },
    ...{ DINGTALK_OAPI_URL: simulator.url, DINGTALK_API_URL: simulator.url },
  })
  return { stdout, script, commands, said: (command: string) => commands.find((run) => run.command === command)?.stdout }
}

describe.skipIf(!curl)('the first send', () => {
  test('the page on DingTalk sends, asks and tracks', async () => {
    const simulator = await aSimulator({ apps: [APP] })
    const database = await anEmptyDatabase()
    const { commands } = await runShell(withReal(scriptOf(DINGTALK), { [DATABASE_URL]: database }), {
      ...{ QUEUE_URL: await aQueue(database), DINGTALK_OAPI_URL: simulator.url, DINGTALK_API_URL: simulator.url },
    })
    expect(commands.map(({ command }) => command)).toEqual(['doctor', 'doctor', 'track'])
    expect(commands.at(-1)?.stdout).toBe('tracking\n')
    const { stdout } = await runCli(['show', commands.at(-1)?.args[0] ?? '', '--json'], { env: { DATABASE_URL: database } })
    expect(JSON.parse(stdout)).toMatchObject({ status: 'tracking', targeted: 1, sentAtGiven: true })
  })
})

// Three benches, one after the other.
test('the commands of the page on performance, with few tasks', { timeout: 300_000 }, async () => {
  const script = withReal(scriptOf(PERFORMANCE), { 'node bench/': `node ${ROOT}/bench/`, '--tasks 200': '--tasks 20' })
  const { stdout } = await runShell(script, { DATABASE_URL: inject('postgresUrl') })
  expect(stdout).toContain('\nits curve: medianMs ')
  expect(stdout).toContain('"trackMany20x10"')
})

describeWithCa('behind a proxy that inspects TLS', (ca) => {
  test('the commands of the page on the network', async () => {
    const app = { appKey: 'dingxxxxxxxx', appSecret: 'secret-of-the-page', agentId: '836390886' }
    const simulator = await aSimulator({ apps: [app] })
    simulator.createTask({ taskId: '256271667526', recipients: [{ userId: 'ann' }] })
    const proxy = await startCompanyProxy({ inspect: { ...ca.issue('oapi.dingtalk.com', 'api.dingtalk.com'), upstream: simulator.url } })
    const secretFile = `${ca.file()}.secret`
    await writeFile(secretFile, `${app.appSecret}\n`)
    const script = withReal(scriptOf(NETWORK), {
      'http://proxy.example.com:3128': proxy.url,
      '/etc/ssl/certs/company-ca.pem': ca.file(),
      '/run/secrets/dingtalk_app_secret': secretFile,
    })
    const { commands } = await runShell(script, {})
    expect(commands.map(({ stdout }) => stdout)).toEqual([expect.stringContaining('permission, agent id and task fit')])
    expect(new Set(proxy.targets)).toEqual(new Set(['oapi.dingtalk.com:443', 'api.dingtalk.com:443']))
  })
})

describe.skipIf(!curl)('with curl', () => {
  test('the commands of the page on the simulator, one after another', async () => {
    const simulator = await aSimulator({ timeScale: 1440, seed: 7, attention: 'office', clockStart: 'Tue 10:00' })
    const script = withReal(scriptOf(SIMULATOR), {
      ...{ 'http://127.0.0.1:8090': simulator.url, '--port 8090': '--port 0' },
      ...{ 'http://127.0.0.1:8091': simulator.url, '--port 8091': '--port 0' },
    })
    const { stdout, commands } = await runShell(script, {})
    expect(commands.map(({ command }) => command)).toEqual(['simulator', 'simulator'])
    expect(commands[1]?.stderr).toMatch(/^CLOCK_START=2026-11-03T10:00@/m)
    expect(stdout, 'every call of the API is a success').not.toMatch(/"errcode":[^0]/)
    expect(stdout).toContain('"task_id":256271667526')
    const fates = simulator.truth('256271667526')?.recipients.map(({ userId, fate }) => [userId, fate])
    expect(fates).toEqual(expect.arrayContaining([['bob-never', 'never']]))
    expect(simulator.truth('9007199254740993123')?.recipients).toHaveLength(3)
  })
})

/** All blocks of a page, as one session: what one exports, the next ones have. */
function scriptOf(page: string): string {
  return blocksOf(page)
    .filter(({ language }) => language === 'sh')
    .map(({ text }) => text)
    .join('\n')
}

/** Commands that stand in the running text, about the sample. */
function commandsInText(page: string): string[] {
  const commands = codeIn(textOf(page).replace(/^```.*?^```$/gms, '')).filter((code) => /^npx \S+ \w/.test(code))
  return commands.map((command) => command.replace('TASK_ID', '256271667526').replace('NAME', 'default'))
}

function commandsNamedIn(script: string): Set<string> {
  return new Set([...script.matchAll(/npx dingtalk-delivery (\w+)/g)].map((match) => match[1] ?? ''))
}

/** A line may go on in the next. */
function withoutCurl(script: string): string {
  return script.replaceAll(/^curl (?:.*\\\n)*.*\n/gm, '')
}

async function aServer(databaseUrl: string): Promise<string> {
  const server = startCli(['serve'], { env: { DATABASE_URL: databaseUrl, PORT: '0' } })
  const line = await server.waitForLine(/^Dashboard:/)
  return /http:\/\/[\w.:]+/.exec(line)?.[0] ?? line
}

/** The addresses of the pages are examples; these are real. */
function withReal(script: string, addresses: Readonly<Record<string, string>>): string {
  return Object.entries(addresses).reduce((text, [example, real]) => text.replaceAll(example, real), script)
}

async function aSimulator(options: SimulatorOptions): Promise<Simulator> {
  const simulator = await startSimulator(options)
  onTestFinished(() => simulator.close())
  return simulator
}

async function aDatabase(): Promise<string> {
  const url = await anEmptyDatabase()
  await storeSample(url)
  return url
}

async function anEmptyDatabase(): Promise<string> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  return database.url
}

/** Without a Redis, the page's own words hold: the queue may live in PostgreSQL. */
async function aQueue(databaseUrl: string): Promise<string> {
  if (!redisAvailable()) {
    await migrateQueueSchema(databaseUrl)
    return databaseUrl
  }
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  return redis.url
}
