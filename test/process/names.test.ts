import pg from 'pg'
import { expect, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { everything } from '../store/support/personal-data.ts'
import { freePort } from '../support/free-port.ts'
import { everythingInRedis } from '../support/leaks.ts'
import { type NodeProcess, runCli, startCli } from '../support/process.ts'
import { urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'
import { backends, makeWorld, pageOf, type World } from '../support/world.ts'

/** Long enough for a slow machine to act in the middle of it; the test ends as soon as everybody has read. */
const DAY = { timeScale: 720, pollsPerTask: 400 }
const DAY_MS = 86_400_000 / DAY.timeScale
const PATIENCE = { timeoutMs: DAY_MS }
const TASK = '256271667526'
const CAMPAIGN = 'payroll-11'

/** Unlike anything else in a database, a queue or a log. */
const ERIN = 'erin-0366325231-zq'
const PEOPLE = [
  { userId: ERIN, name: '张 Zquirrel', departments: ['Zhead/Zlonely'], managerUserId: 'zmanager-77' },
  { userId: 'ann', name: 'Ann Zghost', departments: ['Zhead/Zsales'], managerUserId: ERIN },
]
const NAMES = ['Zquirrel', 'Zghost', 'Zhead', 'Zlonely', 'Zsales', 'zmanager-77']
/** Of the one who is erased. */
const OWN = [ERIN, 'Zquirrel', 'Zlonely', 'zmanager-77']
const TOKENS = { read: 'CANARY-of-a-reader-0001', 'read+names': 'CANARY-of-hr-who-sees-02' } as const

function expectNone(where: string, text: string, canaries: readonly string[]): void {
  for (const canary of canaries) {
    const forms = [canary, canary.toLowerCase(), encodeURIComponent(canary)]
    expect([where, canary, forms.some((form) => text.includes(form))]).toEqual([where, canary, false])
  }
}

test.concurrent.for(backends())(
  'names are in the database alone, and an erased person is nowhere, on %s',
  { timeout: 3 * DAY_MS },
  async (backend, { onTestFinished }) => {
    const world = await makeWorld(backend, DAY, onTestFinished, { env: { LOG_LEVEL: 'trace' } })
    const database = new pg.Client({ connectionString: world.databaseUrl })
    await database.connect()
    onTestFinished(() => database.end())
    const importAll = async () =>
      (await database.query<Record<string, number>>('SELECT * FROM delivery_put_people($1)', [JSON.stringify(PEOPLE)])).rows[0]
    expect(await importAll()).toMatchObject({ created: 2 })
    const readAll = await send(world)
    const worker = await world.start()
    const { serve, ask } = await startServer(world, onTestFinished)

    const state = async (): Promise<unknown> => (await database.query('SELECT unread, read FROM delivery_task_rates')).rows
    await until(async () => JSON.stringify(await state()) === '[{"unread":2,"read":0}]', { ...PATIENCE, what: 'both are delivered to' })
    await expectShownToThoseWhoMay(ask)
    readAll()
    await until(async () => JSON.stringify(await state()) === '[{"unread":0,"read":2}]', { ...PATIENCE, what: 'both have read' })

    await expectNamesNowhereElse(world, database, { worker, serve })

    const env = { DATABASE_URL: urlAs('worker', world.databaseUrl), QUEUE_URL: world.queueUrl }
    const erased = await runCli(['erase', '--user', ERIN], { env, onTestFinished })
    expect([erased.code, erased.stdout, erased.stderr]).toEqual([0, 'erased in 1 task, 0 jobs of the queue and 2 rows of people\n', ''])
    expect(await importAll()).toMatchObject({ created: 0, erased: 1 })
    await expectErased(world, database, ask)
    for (const child of [worker, serve]) child.kill('SIGTERM')
    await Promise.all([worker.exit, serve.exit])
    for (const [name, child] of Object.entries({ worker, serve })) expectNone(`the log of ${name}`, child.stdout() + child.stderr(), NAMES)
    // So that a log that has nothing does not pass.
    expect(worker.stderr()).toContain('poll stored')
  },
)

type Ask = (role: keyof typeof TOKENS, path: string) => Promise<{ readonly status: number; readonly text: string }>

/** @returns a function with which everybody reads */
async function send({ server, databaseUrl }: World): Promise<() => void> {
  const now = Date.now()
  const put = (readAt: number | null): void => {
    const people = PEOPLE.map(({ userId }) => ({ userId, fate: 'delivered' as const, listedAt: now, readAt }))
    server.add({ taskId: TASK, agentId: '836390886', sentAt: now, windowMs: DAY_MS, people })
  }
  put(null)
  const tracker = createTracker({ databaseUrl })
  await tracker.track({ taskId: TASK, userIds: PEOPLE.map(({ userId }) => userId), campaign: CAMPAIGN, sentAt: new Date(now) })
  await tracker.close()
  return () => put(Date.now())
}

async function startServer(
  world: World,
  onTestFinished: (close: () => Promise<void>) => void,
): Promise<{ readonly serve: NodeProcess; readonly ask: Ask }> {
  const port = await freePort()
  const env = {
    DATABASE_URL: urlAs('serve', world.databaseUrl),
    API_TOKEN: Object.entries(TOKENS)
      .map(([role, token]) => `${role}:${token}`)
      .join(','),
    PORT: String(port),
    LOG_LEVEL: 'trace',
  }
  const serve = startCli(['serve'], { env, onTestFinished })
  await serve.waitForLine(/^Dashboard:/, 60_000)
  return {
    serve,
    async ask(role, path) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        headers: { authorization: `Bearer ${TOKENS[role]}` },
        signal: AbortSignal.timeout(60_000),
      })
      return { status: answer.status, text: await answer.text() }
    },
  }
}

const LISTS = [
  `/v1/tasks/${TASK}/recipients`,
  `/v1/tasks/${TASK}/recipients?format=csv`,
  `/v1/campaigns/${CAMPAIGN}/recipients?format=csv`,
  `/v1/campaigns/${CAMPAIGN}/recipients?search=zQuirrel`,
  `/v1/tasks/${TASK}/people/${ERIN}`,
]

async function expectShownToThoseWhoMay(ask: Ask): Promise<void> {
  for (const path of LISTS) {
    const { status, text } = await ask('read+names', path)
    expect([path, status, text.includes('张 Zquirrel'), text.includes('Zhead/Zlonely')]).toEqual([path, 200, true, true])
    expectNone(`${path} for a reader`, (await ask('read', path)).text, NAMES)
  }
  // Refusals, each with a name in the question.
  const refused = [
    `/v1/tasks/${TASK}/recipients?state=bogus&search=Zquirrel`,
    `/v1/tasks/404/recipients?search=Zghost`,
    `/v1/campaigns/none/recipients?search=Zghost`,
    `/v1/tasks/${TASK}/people/nobody`,
  ]
  for (const path of refused) {
    for (const role of ['read', 'read+names'] as const) {
      const { status, text } = await ask(role, path)
      expect([path, status >= 400 && status < 500]).toEqual([path, true])
      expectNone(`the refusal of ${path}`, text, NAMES)
    }
  }
}

async function expectNamesNowhereElse(
  world: World,
  database: pg.Client,
  { worker, serve }: { readonly worker: NodeProcess; readonly serve: NodeProcess },
): Promise<void> {
  expect(await everything(database)).toContain('张 Zquirrel')
  const others = await everything(database, ['dingtalk.delivery_person'])
  // So that a scan that sees nothing does not pass.
  expect(others).toContain(ERIN)
  expectNone('the other tables, those of the queue included', others, NAMES)
  if (world.redis !== null) {
    const inRedis = await everythingInRedis(world.redis.adminUrl)
    expect(inRedis).toContain('dingtalk-delivery')
    expectNone('Redis', inRedis, NAMES)
  }
  for (const path of ['/metrics', '/readyz'] as const)
    expectNone(`${path} of the worker`, (await pageOf(worker, path)).text, [...NAMES, ERIN])
  for (const [name, child] of Object.entries({ worker, serve })) expectNone(`the log of ${name}`, child.stdout() + child.stderr(), NAMES)
}

async function expectErased(world: World, database: pg.Client, ask: Ask): Promise<void> {
  const stored = await everything(database)
  expect(stored).toContain('Ann Zghost')
  expect(stored).toContain('anonymous:')
  expectNone('the database', stored, OWN)
  if (world.redis !== null) expectNone('Redis', await everythingInRedis(world.redis.adminUrl), OWN)
  for (const path of LISTS.slice(0, 4)) {
    const { status, text } = await ask('read+names', path)
    expect([path, status]).toEqual([path, 200])
    expectNone(path, text, OWN)
  }
  expect((await ask('read+names', `/v1/tasks/${TASK}/people/${ERIN}`)).status).toBe(404)
  expectNone('/metrics of the server', (await ask('read', '/metrics')).text, [...NAMES, ERIN])
}
