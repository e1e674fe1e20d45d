import { join } from 'node:path'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { startSimulator } from '../../src/simulator/simulator.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'
import { type Block, sharedBlocksIn } from './support/pages.ts'
import { compile, createUserProject, type UserProject } from './support/project.ts'
import { storeSample } from './support/sample.ts'

/** Each snippet, known by its page and by what it alone has. One that is not here fails below. */
const SNIPPETS = {
  send: ['README.md', 'createTracker('],
  track: ['docs/enqueue.md', 'createTracker('],
  queue: ['docs/enqueue.md', 'new Queue('],
  worker: ['docs/configuration.md', "kind: 'function'"],
  customSchedule: ['docs/configuration.md', "schedule: 'custom'"],
  rates: ['docs/read-rates.md', 'createRates('],
  simulator: ['docs/simulator.md', 'startSimulator('],
} as const
type Snippet = keyof typeof SNIPPETS
/** The other way that a comment of `track` names. */
const THROUGH_QUEUE = 'trackThroughQueue'

let project: UserProject
let database: TestDatabase

beforeAll(async () => {
  project = await createUserProject()
  const files = NAMES.map((name) => [`${name}.ts`, asUsersHaveIt(textOfSnippet(name))] as const)
  await compile(project, Object.fromEntries([...files, [`${THROUGH_QUEUE}.ts`, throughQueue()]]))
  database = await createTestDatabase({ migrated: true })
  await migrateQueueSchema(database.url)
})
afterAll(async () => {
  await database.drop()
  await project.remove()
})

const NAMES = Object.keys(SNIPPETS).filter((name): name is Snippet => name in SNIPPETS)

test.each(sharedBlocksIn('ts').map((block) => [block.at, block]))('%s is a snippet that is run here', (_, block) => {
  expect(NAMES.filter((name) => isSnippet(name, block))).toHaveLength(1)
})

test('the first snippet sends through DingTalk, and what was sent is tracked with the time of the send', async () => {
  const simulator = await startSimulator({ apps: [{ appKey: 'k', appSecret: 's', agentId: '836390886' }] })
  onTestFinished(() => simulator.close())
  const sentTo = await createTestDatabase({ migrated: true })
  onTestFinished(() => sentTo.drop())
  await runSnippet('send', { DATABASE_URL: sentTo.url, DINGTALK_OAPI_URL: simulator.url, ACCESS_TOKEN: await fetchToken(simulator.url) })
  const tasks = await query(sentTo.url, 'SELECT task_id, targeted, campaign, sent_at_given FROM delivery_task_rates ORDER BY targeted DESC')
  expect(tasks).toEqual([
    { task_id: '256271667526', targeted: 2, campaign: 'payroll-11', sent_at_given: true },
    { task_id: '256271667527', targeted: 1, campaign: 'payroll-11', sent_at_given: true },
  ])
  expect(simulator.truth('256271667526')?.recipients.map(({ userId }) => userId)).toEqual(['036632523163121146', 'manager4220'])
})

test('the first snippet repeats while the database is away, and does not repeat a mistake', async () => {
  const simulator = await startSimulator({ apps: [{ appKey: 'k', appSecret: 's', agentId: '836390886' }] })
  onTestFinished(() => simulator.close())
  const sentTo = await createTestDatabase({ migrated: true })
  onTestFinished(() => sentTo.drop())
  const proxy = await startProxy(Number(new URL(sentTo.url).port))
  onTestFinished(() => proxy.close())
  await proxy.mode('refuse')
  const url = Object.assign(new URL(sentTo.url), { port: String(proxy.port), hostname: '127.0.0.1' }).href
  const env = { DINGTALK_OAPI_URL: simulator.url, ACCESS_TOKEN: await fetchToken(simulator.url) }
  const away = startNode(join(project.folder, 'send.js'), { cwd: project.folder, env: { ...env, DATABASE_URL: url } })
  await until(() => simulator.truth('256271667527') !== undefined, { what: 'both messages were sent' })
  await proxy.mode('pass')
  expect(await away.exit, away.stderr()).toMatchObject({ code: 0 })
  expect(await query(sentTo.url, 'SELECT task_id FROM delivery_task')).toHaveLength(2)
  const wrong = startNode(join(project.folder, 'send.js'), { cwd: project.folder, env: { ...env, DATABASE_URL: 'redis://127.0.0.1:1' } })
  expect((await wrong.exit).code).toBe(1)
  expect(wrong.stderr()).toContain('INVALID_CONFIG')
})

test('the way to enqueue with a database commits the task', async () => {
  await runSnippet('track', { DATABASE_URL: database.url })
  expect(await query(database.url, 'SELECT task_id, campaign, targeted FROM delivery_task_rates')).toEqual([
    { task_id: '256271667526', campaign: 'payroll-11', targeted: 2 },
  ])
})

test.each(['worker', 'customSchedule'] as const)('%s runs inside a program, and ends with it', async (snippet) => {
  const { stderr: log } = await runSnippet(snippet, { DATABASE_URL: database.url, MY_ACCESS_TOKEN: 'token' })
  expect(log).toContain('worker ready')
})

test('the rates of the page are those of its people', async () => {
  const sample = await createTestDatabase({ migrated: true })
  await storeSample(sample.url)
  const { stdout } = await runSnippet('rates', { DATABASE_URL: sample.url })
  await sample.drop()
  expect(stdout).toMatch(/read: 2,\s+delivered: 4,\s+readRate: 0\.5/)
  expect(stdout).toContain("unread: [ 'carol', 'late-reader' ]")
  expect(stdout).toMatch(/half: \{\s+share: 0\.5,\s+afterMs: \d+,\s+beforeMs: \d+/)
})

test('the simulator is started by a test, and does not say a word', async () => {
  expect(await runSnippet('simulator', {})).toEqual({ stdout: '', stderr: '' })
})

describeRedis('with Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  test.each([
    ['queue', '256271667527'],
    [THROUGH_QUEUE, '256271667526'],
  ] as const)('what %s of the page hands over is a job named track', async (snippet, taskId) => {
    await runSnippet(snippet, { QUEUE_URL: redis.url })
    expect(await jobsIn(redis.url)).toContainEqual({ name: 'track', taskId, campaign: 'payroll-11' })
  })
})

function isSnippet(name: Snippet, { page, text }: Block): boolean {
  const [wanted, call] = SNIPPETS[name]
  return page === wanted && text.includes(call)
}

function textOfSnippet(name: Snippet): string {
  const [block, ...others] = sharedBlocksIn('ts').filter((each) => isSnippet(name, each))
  if (block === undefined || others.length > 0) throw new Error(`there must be one snippet ${name}`)
  return block.text
}

function throughQueue(): string {
  const text = textOfSnippet('track')
  const changed = text.replace(/createTracker\(\{ databaseUrl.*\}\)\s*\/\/ or (\{.*\})$/m, 'createTracker($1)')
  expect(changed, 'the page names both ways').not.toBe(text)
  return changed
}

/** The page of the simulator speaks to who has the sources; `src` is the build here. */
function asUsersHaveIt(text: string): string {
  return text.replace(/'(\.\/src\/.+)\.ts'/, "'$1.js'")
}

async function fetchToken(simulatorUrl: string): Promise<string> {
  const response = await fetch(`${simulatorUrl}/v1.0/oauth2/accessToken`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ appKey: 'k', appSecret: 's' }),
  })
  return z.object({ accessToken: z.string() }).parse(await response.json()).accessToken
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

/** Runs the compiled snippet to its end, which must be a good one, and gives what it wrote. */
async function runSnippet(
  name: Snippet | typeof THROUGH_QUEUE,
  env: Readonly<Record<string, string>>,
): Promise<{ stdout: string; stderr: string }> {
  const snippet = startNode(join(project.folder, `${name}.js`), { cwd: project.folder, env })
  const { code } = await snippet.exit
  expect(code, snippet.stderr()).toBe(0)
  return { stdout: snippet.stdout(), stderr: snippet.stderr() }
}

async function jobsIn(url: string): Promise<unknown[]> {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const queue = new Queue<{ taskId: string; campaign: string }>('dingtalk-delivery', { connection })
  try {
    const jobs = await queue.getJobs(['waiting', 'delayed', 'prioritized'])
    return jobs.map(({ name, data }) => ({ name, taskId: data.taskId, campaign: data.campaign }))
  } finally {
    await queue.close()
    connection.disconnect()
  }
}
