import { spawnSync } from 'node:child_process'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { startCli } from '../support/process.ts'
import { redisAvailable, startRedis } from '../support/redis-server.ts'
import { blocksOf, codeIn, PAGES, ROOT, tableUnder, textOf } from './support/pages.ts'
import { storeSample } from './support/sample.ts'
import { type CommandRun, runShell } from './support/shell.ts'

/** What a page's commands are run against; a page that is not here has none. */
const README = 'README.md'
const SIMULATOR = 'docs/simulator.md'
const PERFORMANCE = 'docs/performance.md'
const PERSONAL_DATA = 'docs/personal-data.md'
const PROBLEMS = 'docs/problems.md'
/** Its lines are npm's own: scripts/first-ten-minutes.mjs pastes them, in an app and in a clone, with the packed package. */
const INSTALL = 'docs/install.md'

const curl = spawnSync('curl', ['--version']).status === 0
if (!curl && process.env['CI'] === 'true') throw new Error('curl is not installed, and with CI=true nothing is skipped')
if (!curl) process.stderr.write('\nTHE LINES WITH curl ARE SKIPPED: it is not installed.\n\n')

test('the pages with commands are those that are run here', () => {
  expect(PAGES.filter((page) => scriptOf(page) !== '')).toEqual([README, INSTALL, PERFORMANCE, PERSONAL_DATA, PROBLEMS, SIMULATOR])
})

test('the commands of the README, one after another', async () => {
  const app = { appKey: 'dingxxxxxxxx', appSecret: 'xxxxxxxx', agentId: '836390886' }
  const simulator = await aSimulator({ apps: [app] })
  const database = await aDatabase()
  const script = [scriptOf(README), ...commandsInText(README)].join('\n')
  const { stdout, commands } = await runShell(
    withReal(curl ? script : withoutCurl(script), {
      'postgres://tracker:secret@db:5432/tracker': database,
      'redis://redis:6379': await aQueue(database),
      ...(curl && { 'http://127.0.0.1:8080': await aServer(database) }),
    }),
    { DINGTALK_OAPI_URL: simulator.url, DINGTALK_API_URL: simulator.url, PORT: '0', HEALTH_PORT: '0' },
  )
  if (curl) {
    expect(stdout).toContain('{"app":"default","taskId":"256271667530","status":"tracking","duplicate":false,')
    expect(stdout).toContain('"campaign":"payroll-11"')
    expect(stdout).toMatch(/,payroll-11,carol,unread,.*\r\n.*,late-reader,unread,/)
  }
  const said = (command: string): CommandRun | undefined => commands.find((run) => run.command === command)
  expect(said('report')?.stdout).toMatch(/payroll-11 .* 50\.0%/)
  expect(said('show')?.stdout).toMatch(/^Read +2 of 4 /m)
  expect(
    said('unread')
      ?.stdout.split('\r\n')
      .map((line) => line.split(',')[3]),
  ).toEqual(['user_id', 'carol', 'late-reader', undefined])
  expect(said('track')?.stdout).toBe('tracking\n')
  expect(new Set(commands.map(({ command }) => command)), 'and every other command that it names').toEqual(commandsNamedIn(script))
})

test('the commands of the page on performance, with few tasks', async () => {
  const script = withReal(scriptOf(PERFORMANCE), {
    'node bench/': `node ${ROOT}/bench/`,
    '--tasks 200 --runs 5': '--tasks 50 --runs 1',
    '--writes': '--writes --tasks 100 --runs 1',
  })
  const { stdout } = await runShell(script, { DATABASE_URL: inject('postgresUrl') })
  const figures = tableUnder('What was measured', PERFORMANCE).map(([figure = '']) => figure)
  expect(figures.filter((figure) => !stdout.includes(`\n${figure} `))).toEqual([])
})

test('the commands of the page on personal data', async () => {
  const database = await aDatabase()
  const { commands } = await runShell(scriptOf(PERSONAL_DATA), { DATABASE_URL: database, QUEUE_URL: await aQueue(database) })
  expect(commands.map(({ stdout }) => stdout)).toEqual(['erased in 1 task and 0 jobs of the queue\n', '{"tasks":0,"jobs":0}\n'])
})

test('the commands of the page on problems', async () => {
  const { commands } = await runShell(scriptOf(PROBLEMS), { DATABASE_URL: await aDatabase() })
  expect(commands.map(({ stdout }) => stdout)).toEqual(['resumed; it is polled now\n', expect.stringMatching(/^resumed app default; /)])
})

describe.skipIf(!curl)('with curl', () => {
  test('the commands of the page on the simulator, one after another', async () => {
    const simulator = await aSimulator({ timeScale: 1440, seed: 7 })
    const script = withReal(scriptOf(SIMULATOR), { 'http://127.0.0.1:8090': simulator.url, '--port 8090': '--port 0' })
    const { stdout, commands } = await runShell(script, {})
    expect(commands.map(({ command }) => command)).toEqual(['simulator'])
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

/** Commands that stand in the running text. */
function commandsInText(page: string): string[] {
  return codeIn(textOf(page).replace(/^```.*?^```$/gms, '')).filter((code) => /^npx \S+ \w/.test(code))
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

/** The addresses of the page are examples; these are real. */
function withReal(script: string, addresses: Readonly<Record<string, string>>): string {
  return Object.entries(addresses).reduce((text, [example, real]) => {
    expect(text, 'the page still has this example').toContain(example)
    return text.replaceAll(example, real)
  }, script)
}

async function aSimulator(options: SimulatorOptions): Promise<Simulator> {
  const simulator = await startSimulator(options)
  onTestFinished(() => simulator.close())
  return simulator
}

async function aDatabase(): Promise<string> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await storeSample(database.url)
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
