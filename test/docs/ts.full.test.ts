import { join } from 'node:path'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { startNode } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { type Block, blocksIn } from './support/pages.ts'
import { compile, createUserProject, type UserProject } from './support/project.ts'
import { storeSample } from './support/sample.ts'

/** How each snippet is known: by what it calls first. A snippet that none of them knows fails below. */
const CALLS = ['createTracker(', 'new Queue(', 'createWorker(', 'createRates(', 'startSimulator('] as const

let project: UserProject
let database: TestDatabase

beforeAll(async () => {
  project = await createUserProject()
  const files = snippets().map(({ block, call }) => [fileOf(call), asUsersHaveIt(block)] as const)
  await compile(project, Object.fromEntries([...files, [fileOf('queueUrl'), throughQueue()]]))
  database = await createTestDatabase({ migrated: true })
  await migrateQueueSchema(database.url)
})
afterAll(async () => {
  await database.drop()
  await project.remove()
})

/** The page of the database has a test of its own. */
const BLOCKS = blocksIn('ts').filter(({ page }) => page !== 'docs/database.md')

test.each(BLOCKS.map(({ at, text }) => [at, text]))('%s is a snippet that is run here', (_, text) => {
  expect(CALLS.filter((call) => text.includes(call))).toHaveLength(1)
})

test('the door for a database commits the task', async () => {
  await runSnippet('createTracker(', { DATABASE_URL: database.url })
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query('SELECT task_id, campaign, targeted FROM delivery_task_rates')
  await client.end()
  expect(rows).toEqual([{ task_id: '256271667526', campaign: 'payroll-11', targeted: 2 }])
})

test('the worker runs inside a program, and ends with it', async () => {
  const { stderr: log } = await runSnippet('createWorker(', { DATABASE_URL: database.url, MY_ACCESS_TOKEN: 'token' })
  expect(log).toContain('worker ready')
})

test('the rates of the page are those of its people', async () => {
  const sample = await createTestDatabase({ migrated: true })
  await storeSample(sample.url)
  const { stdout } = await runSnippet('createRates(', { DATABASE_URL: sample.url })
  await sample.drop()
  expect(stdout).toMatch(/read: 2,\s+delivered: 4,\s+readRate: 0\.5/)
  expect(stdout).toContain("unread: [ 'carol', 'late-reader' ]")
  expect(stdout).toMatch(/half: \{\s+share: 0\.5,\s+afterMs: \d+,\s+beforeMs: \d+/)
})

test('the simulator is started by a test, and does not say a word', async () => {
  expect(await runSnippet('startSimulator(', {})).toEqual({ stdout: '', stderr: '' })
})

describeRedis('with Redis', () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  test.each([
    ['new Queue(', '256271667527'],
    ['queueUrl', '256271667526'],
  ] as const)('what %s of the page hands over is a job named track', async (snippet, taskId) => {
    await runSnippet(snippet, { QUEUE_URL: redis.url })
    expect(await jobsIn(redis.url)).toContainEqual({ name: 'track', taskId, campaign: 'payroll-11' })
  })
})

function snippets(): Array<{ readonly block: Block; readonly call: string }> {
  return CALLS.flatMap((call) => BLOCKS.filter(({ text }) => text.includes(call)).map((block) => ({ block, call })))
}

/** The other way that the comment behind the line names. */
function throughQueue(): string {
  const text = snippets().find(({ call }) => call === 'createTracker(')?.block.text ?? ''
  const changed = text.replace(/createTracker\(\{ databaseUrl.*\}\)\s*\/\/ or (\{.*\})$/m, 'createTracker($1)')
  expect(changed, 'the page names both ways').not.toBe(text)
  return changed
}

/** The page of the simulator speaks to who has the sources; `src` is the build here. */
function asUsersHaveIt({ text }: Block): string {
  return text.replace(/'(\.\/src\/.+)\.ts'/, "'$1.js'")
}

function fileOf(call: string): string {
  return `${call.replace(/\W/g, '')}.ts`
}

/** Runs the compiled snippet to its end, which must be a good one, and gives what it wrote. */
async function runSnippet(call: string, env: Readonly<Record<string, string>>): Promise<{ stdout: string; stderr: string }> {
  const snippet = startNode(join(project.folder, fileOf(call).replace('.ts', '.js')), { cwd: project.folder, env })
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
