import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { createRates, InvalidInputError, type Rates, TrackerError } from '../../src/rates.ts'
import { PrismaClient } from '../../src/store/generated/client.ts'
import { inTime } from '../support/in-time.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { aDatabase, aSession, aTracker, proxied, someRates } from './support.ts'

const SENT_AT = new Date(Date.now() - 3_600_000)
const TASK = { taskId: '9007199254740993123', userIds: ['ann', 'bob'], campaign: 'payroll-11', sentAt: SENT_AT }

const OTHER = 'payroll-10'
const PEOPLE = [
  { userId: 'ann', name: '安娜', departments: ['总部/销售部'], managerUserId: 'bob' },
  { userId: 'bob', name: 'Bob' },
]

/** One database with two tasks and two people; nobody changes it. */
let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  const tracker = createTracker({ databaseUrl: database.url })
  await tracker.trackMany([TASK, { taskId: '7', userIds: ['bob'], campaign: OTHER, sentAt: SENT_AT }])
  await tracker.close()
  const owner = new pg.Client({ connectionString: database.url })
  await owner.connect()
  await owner.query('SET search_path = dingtalk')
  await owner.query('SELECT delivery_put_people($1)', [JSON.stringify(PEOPLE)])
  await owner.query('GRANT SELECT ON delivery_people, delivery_department_rates TO test_read')
  await owner.end()
})
afterAll(() => database.drop())

/** Every question, with the arguments that a caller may leave out left out. */
const QUESTIONS: ReadonlyArray<readonly [string, (rates: Rates) => Promise<unknown>]> = [
  ['task', (rates) => rates.task(TASK.taskId)],
  ['tasks', (rates) => rates.tasks()],
  ['campaign', (rates) => rates.campaign(TASK.campaign)],
  ['campaigns', (rates) => rates.campaigns()],
  ['recipients', (rates) => rates.recipients(TASK.taskId)],
  ['campaignRecipients', (rates) => rates.campaignRecipients(TASK.campaign)],
  ['curve', (rates) => rates.curve(TASK.taskId)],
  ['campaignCurve', (rates) => rates.campaignCurve(TASK.campaign)],
  ['bounds of a task', (rates) => rates.bounds({ taskId: TASK.taskId })],
  ['bounds of a campaign', (rates) => rates.bounds({ campaign: TASK.campaign })],
  ['timeToRead of a task', (rates) => rates.timeToRead({ taskId: TASK.taskId })],
  ['timeToRead of a campaign', (rates) => rates.timeToRead({ campaign: TASK.campaign })],
  ['timeToRead of everything', (rates) => rates.timeToRead({})],
  ['forbidden of a task', (rates) => rates.forbidden({ taskId: TASK.taskId })],
  ['forbidden of a campaign', (rates) => rates.forbidden({ campaign: TASK.campaign })],
  ['stateAt', (rates) => rates.stateAt(TASK.taskId, new Date())],
  ['polls', (rates) => rates.polls(TASK.taskId)],
  ['explain', (rates) => rates.explain(TASK.taskId, 'ann')],
  ['person', (rates) => rates.person('ann')],
  ['personTasks', (rates) => rates.personTasks('ann')],
  ['people', (rates) => rates.people()],
  ['campaignDepartments', (rates) => rates.campaignDepartments(TASK.campaign)],
  ['compare', (rates) => rates.compare([TASK.campaign, OTHER])],
  ['apps', (rates) => rates.apps()],
  ['attention', (rates) => rates.attention()],
]

/** What a program without types asks. */
const ask = async (rates: Rates, method: keyof Rates, ...args: readonly unknown[]): Promise<unknown> =>
  await Promise.resolve(Reflect.apply(rates[method], rates, args))

describe('rates', () => {
  test('of a database by its URL are what was tracked', async () => {
    const rates = someRates({ databaseUrl: database.url })
    expect(await rates.task(TASK.taskId)).toMatchObject({ taskId: TASK.taskId, targeted: 2, pending: 2, readRate: null, sentAt: SENT_AT })
    expect(await rates.campaign(TASK.campaign)).toMatchObject({ tasks: 1, targeted: 2 })
    expect((await rates.recipients(TASK.taskId)).map(({ userId }) => userId)).toEqual(['ann', 'bob'])
    expect(await rates.recipients(TASK.taskId, { state: 'unread' })).toEqual([])
    expect(await rates.recipients(TASK.taskId, { search: 'B' })).toMatchObject([{ userId: 'bob' }])
    expect((await rates.campaignRecipients(TASK.campaign, { state: 'pending', limit: 1 })).items).toMatchObject([{ userId: 'ann' }])
    expect(await rates.timeToRead({ since: SENT_AT })).toMatchObject({ people: 0 })
  })

  test('of people have names and departments', async () => {
    const rates = someRates({ databaseUrl: database.url })
    expect(await rates.recipients(TASK.taskId, { department: '总部' })).toMatchObject([
      { userId: 'ann', name: '安娜', department: '总部/销售部' },
    ])
    expect(await rates.recipients(TASK.taskId, { search: '安' })).toMatchObject([{ userId: 'ann' }])
    expect(await rates.recipients(TASK.taskId, { search: '安', searchIn: 'userId' })).toEqual([])
    expect((await rates.campaignRecipients(TASK.campaign, { department: '' })).items).toMatchObject([{ userId: 'bob', department: null }])
    expect(await rates.person('ann')).toMatchObject([{ app: 'default', name: '安娜', departments: ['总部/销售部'], managerUserId: 'bob' }])
    expect(await rates.people({ department: '总部/销售部', search: 'AN', app: 'default', limit: 1 })).toMatchObject({
      ...{ items: [{ userId: 'ann' }], nextCursor: null },
    })
    const { items, nextCursor } = await rates.personTasks('bob', { limit: 1 })
    const rest = await rates.personTasks('bob', { cursor: nextCursor ?? '', app: 'default' })
    expect([...items, ...rest.items].map(({ campaign }) => campaign)).toEqual([TASK.campaign, OTHER])
    expect(await rates.campaignDepartments(TASK.campaign)).toMatchObject([
      { department: '总部', targeted: 1 },
      { department: '总部/销售部', targeted: 1, pending: 1, readRate: null },
      { department: null, targeted: 1 },
    ])
    expect(await rates.compare([OTHER, TASK.campaign], { app: 'default' })).toMatchObject([
      { campaign: { campaign: OTHER, targeted: 1 }, points: [], timeToRead: { people: 0 } },
      { campaign: { campaign: TASK.campaign } },
    ])
  })

  test.each(QUESTIONS)("by a program's own Prisma client are the same: %s", async (_name, question) => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) })
    onTestFinished(() => prisma.$disconnect())
    expect(await question(someRates({ prisma }))).toEqual(await question(someRates({ databaseUrl: database.url })))
  })

  test.each<[string, string | number | bigint]>([
    ['text', '9007199254740993123'],
    ['a bigint', 9_007_199_254_740_993_123n],
  ])('take a task id as %s, with every digit', async (_what, taskId) => {
    const rates = someRates({ databaseUrl: database.url })
    const whole = { taskId: TASK.taskId }
    expect([await rates.task(taskId), (await rates.explain(taskId, 'ann')).person]).toMatchObject([whole, whole])
    expect([await rates.timeToRead({ taskId }), await rates.bounds({ taskId }), await rates.forbidden({ taskId })]).toMatchObject([
      ...[{ people: 0 }, [], []],
    ])
  })

  test('take null for what is not asked, as JSON has it', async () => {
    const rates = someRates({ databaseUrl: database.url })
    const nothing = { app: null, since: null, until: null, limit: null, cursor: null, campaign: null }
    expect(await ask(rates, 'tasks', { ...nothing, taskId: null, status: null })).toEqual(await rates.tasks())
    expect(await ask(rates, 'campaigns', { ...nothing, search: null })).toEqual(await rates.campaigns())
    expect(await ask(rates, 'recipients', TASK.taskId, { app: null, state: null, search: null })).toEqual(
      await rates.recipients(TASK.taskId),
    )
  })

  test('of what is not there are an error, and never an empty list', async () => {
    const rates = someRates({ databaseUrl: database.url })
    await expect(rates.recipients('4')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    await expect(rates.task(TASK.taskId, { app: 'hr' })).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    await expect(rates.campaignRecipients('payrol')).rejects.toMatchObject({ code: 'CAMPAIGN_NOT_FOUND' })
    await expect(rates.explain(TASK.taskId, 'cid')).rejects.toMatchObject({ code: 'RECIPIENT_NOT_FOUND' })
    await expect(rates.person('cid')).rejects.toMatchObject({ code: 'RECIPIENT_NOT_FOUND' })
    await expect(rates.campaignDepartments('payrol')).rejects.toMatchObject({ code: 'CAMPAIGN_NOT_FOUND' })
    await expect(rates.compare([OTHER, 'payrol'])).rejects.toMatchObject({ code: 'CAMPAIGN_NOT_FOUND' })
    await expect(rates.task('4')).rejects.toBeInstanceOf(TrackerError)
  })

  test('of several apps need a name, and take one', async () => {
    const databaseUrl = await aDatabase()
    const tracker = aTracker({ databaseUrl })
    await tracker.trackMany([
      { ...TASK, app: 'hr' },
      { ...TASK, app: 'sales', userIds: ['ann'] },
    ])
    const rates = someRates({ databaseUrl })
    const message = `Several apps have task ${TASK.taskId}: hr, sales. Say which one in the question, as { app: '…' }.`
    await expect(rates.task(TASK.taskId)).rejects.toMatchObject({ code: 'SEVERAL_APPS', message })
    const app = 'sales'
    expect(await rates.task(TASK.taskId, { app })).toMatchObject({ app, targeted: 1 })
    expect(await rates.campaign(TASK.campaign, { app })).toMatchObject({ app, targeted: 1 })
    expect(await rates.recipients(TASK.taskId, { app })).toHaveLength(1)
    expect((await rates.campaignRecipients(TASK.campaign, { app })).items).toHaveLength(1)
    expect((await rates.tasks({ app, taskId: TASK.taskId, campaign: TASK.campaign, status: 'tracking' })).items).toHaveLength(1)
    expect((await rates.campaigns({ app, search: 'PAY' })).items).toHaveLength(1)
  })
})

describe('a question that is wrong is refused, naming the field and what to do', () => {
  const invalidDate = new Date('soon')
  const mistakes: ReadonlyArray<readonly [method: keyof Rates, args: readonly unknown[], field: string, message: string]> = [
    ['task', ['0123'], 'taskId', 'without leading zeros'],
    ['task', [undefined], 'taskId', 'Give the task_id that DingTalk returned'],
    ['task', [9_007_199_254_740_992], 'taskId', 'Give it as a string or a bigint'],
    ['recipients', ['x'], 'taskId', 'whole number'],
    ['curve', [''], 'taskId', 'whole number'],
    ['polls', [-1], 'taskId', 'whole number'],
    ['stateAt', ['x', new Date()], 'taskId', 'whole number'],
    ['explain', ['x', 'ann'], 'taskId', 'whole number'],
    ['tasks', [{ taskId: 'x' }], 'taskId', 'whole number'],
    ['bounds', [{ taskId: '1.5' }], 'taskId', 'whole number'],
    ['timeToRead', [{ taskId: null }], 'taskId', 'whole number'],
    ['forbidden', [{ taskId: {} }], 'taskId', 'whole number'],
    ['campaign', [''], 'campaign', '1 to 200 characters'],
    ['campaign', [11], 'campaign', '1 to 200 characters'],
    ['campaignRecipients', [' x'], 'campaign', 'without spaces around them'],
    ['campaignCurve', ['a\0b'], 'campaign', 'control characters'],
    ['bounds', [{}], 'campaign', '1 to 200 characters'],
    ['forbidden', [{ campaign: '' }], 'campaign', '1 to 200 characters'],
    ['timeToRead', [{ campaign: undefined }], 'campaign', '1 to 200 characters'],
    ['tasks', [{ campaign: '' }], 'campaign', '1 to 200 characters'],
    ['campaigns', [{ campaign: '' }], 'campaign', '1 to 200 characters'],
    ['task', ['1', { app: 'h r' }], 'app', "Use the name that the app has in the worker's configuration"],
    ['campaign', ['c', { app: '' }], 'app', '1 to 64 letters'],
    ['tasks', [{ app: 5 }], 'app', '1 to 64 letters'],
    ['recipients', ['1', { app: '-' }], 'app', '1 to 64 letters'],
    ['campaignRecipients', ['c', { app: '-' }], 'app', '1 to 64 letters'],
    ['timeToRead', [{ app: '-' }], 'app', '1 to 64 letters'],
    ['tasks', [{ since: invalidDate }], 'since', 'new Date("2026-11-23T01:00:00Z")'],
    ['tasks', [{ until: '2026-11-23' }], 'until', 'must be a Date'],
    ['campaigns', [{ since: 0 }], 'since', 'must be a Date'],
    ['timeToRead', [{ until: invalidDate }], 'until', 'must be a Date'],
    ['stateAt', ['1', invalidDate], 'at', 'must be a Date'],
    ['stateAt', ['1'], 'at', 'must be a Date'],
    ['tasks', [{ limit: 0 }], 'limit', '1 to 1000'],
    ['campaigns', [{ limit: 1_001 }], 'limit', '1 to 1000'],
    ['campaignRecipients', [TASK.campaign, { limit: '10' }], 'limit', '1 to 1000'],
    ['tasks', [{ cursor: 'x' }], 'cursor', 'Take nextCursor of the page before'],
    ['tasks', [{ cursor: 5 }], 'cursor', 'Take nextCursor of the page before'],
    ['tasks', [{ status: 'done' }], 'status', 'one of tracking, complete, expired, stopped, cancelled'],
    ['recipients', ['1', { state: 'opened' }], 'state', 'one of pending, invalid, failed, forbidden, unread, read'],
    ['campaignRecipients', ['c', { state: 'READ' }], 'state', 'not "READ"'],
    ['recipients', ['1', { search: 5 }], 'search', 'must be a string'],
    ['campaigns', [{ search: /x/ }], 'search', 'must be a string'],
    ['recipients', ['1', { department: '/Sales' }], 'department', 'such as "Headquarters/Sales"'],
    ['campaignRecipients', ['c', { department: 5 }], 'department', 'not 5'],
    ['campaignRecipients', ['c', { searchIn: 'name' }], 'searchIn', 'one of both, userId'],
    ['people', [{ department: 'a//b' }], 'department', 'not "a//b"'],
    ['people', [{ state: 'read' }], 'state', 'Accepted: app, search, department, limit, cursor'],
    ['people', [{ search: 5 }], 'search', 'must be a string'],
    ['people', [{ app: '-' }], 'app', '1 to 64 letters'],
    ['people', [{ limit: 0 }], 'limit', '1 to 1000'],
    ['person', [5], 'userId', 'loses leading zeros'],
    ['person', ['ann', { limit: 1 }], 'limit', 'Accepted: app.'],
    ['personTasks', [''], 'userId', '1 to 128 characters'],
    ['personTasks', ['ann', { state: 'read' }], 'state', 'Accepted: app, limit, cursor'],
    ['personTasks', ['ann', { cursor: 'x' }], 'cursor', 'Take nextCursor of the page before'],
    ['campaignDepartments', [''], 'campaign', '1 to 200 characters'],
    ['compare', [['a']], 'campaign', '2 to 6 times'],
    ['compare', [['a', 'b', 'a']], 'campaign', 'has "a" twice'],
    ['compare', [['a', '']], 'campaign', '1 to 200 characters'],
    ['compare', ['ab'], 'campaign', 'must be a list of names, not "ab"'],
    ['compare', [['a', 'b'], { since: 1 }], 'since', 'Accepted: app.'],
    ['explain', ['1', 5], 'userId', 'loses leading zeros'],
    ['explain', ['1', ''], 'userId', '1 to 128 characters'],
    // A misspelt filter would silently bring everybody.
    ['recipients', ['1', { status: 'unread' }], 'status', 'Accepted: app, state, search, department, searchIn.'],
    ['campaignRecipients', ['c', { page: 2 }], 'page', 'Accepted: app, state, search, department, searchIn, limit, cursor'],
    ['tasks', [{ from: new Date() }], 'from', 'Accepted: app, taskId'],
    ['campaigns', [{ status: 'tracking' }], 'status', 'Accepted: app, campaign, search'],
    ['task', ['1', { application: 'hr' }], 'application', 'Accepted: app.'],
    ['campaign', ['c', { application: 'hr' }], 'application', 'Accepted: app.'],
    ['bounds', [{ taskId: '1', application: 'hr' }], 'application', 'Accepted: app.'],
    ['timeToRead', [{ from: new Date() }], 'from', 'Accepted: app, since, until'],
  ]

  test.each(mistakes)('%s %j', async (method, args, field, message) => {
    const error = await ask(someRates({ databaseUrl: database.url }), method, ...args).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', field, message: expect.stringContaining(message) })
  })
})

describe('options that are wrong are refused at once', () => {
  test.each<[options: object, message: string]>([
    [{}, 'exactly one of databaseUrl and prisma'],
    [{ databaseUrl: undefined }, 'Is the environment variable set?'],
    [{ databaseUrl: 'postgres://a', prisma: { $queryRawUnsafe: () => Promise.resolve([]) } }, 'exactly one of databaseUrl and prisma'],
    [{ databaseUrl: '' }, 'What was given (0 characters) is none.'],
    [{ databaseUrl: 's3cret' }, 'What was given (6 characters) is none.'],
    [{ databaseUrl: 'redis://h:s3cret@a' }, 'databaseUrl must be a URL that begins with postgres:// or postgresql://.'],
    [{ prisma: {} }, 'prisma must be a client of Prisma'],
    [{ prisma: null }, 'prisma must be a client of Prisma'],
  ])('%j', (options, message) => {
    const create = (): unknown => Reflect.apply(createRates, null, [options])
    expect(create).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(message) }))
    expect(create).not.toThrow(/s3cret/)
  })
})

describe('closing', () => {
  test.each(QUESTIONS)('ends all questions: %s', async (_name, question) => {
    const rates = createRates({ databaseUrl: database.url })
    await rates.close()
    await expect(question(rates)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('may be done twice, and at once', async () => {
    const rates = createRates({ databaseUrl: database.url })
    await rates.task(TASK.taskId)
    await Promise.all([rates.close(), rates.close()])
    await expect(rates.close()).resolves.toBeUndefined()
  })

  test('waits for the questions that were asked before', async () => {
    const rates = createRates({ databaseUrl: database.url })
    const answer = rates.task(TASK.taskId)
    await rates.close()
    expect(await answer).toMatchObject({ taskId: TASK.taskId })
  })

  test('leaves no connection', async () => {
    const databaseUrl = await aDatabase()
    const sql = await aSession(databaseUrl)
    const connections = async () =>
      (await sql.query("SELECT FROM pg_stat_activity WHERE application_name = 'dingtalk-delivery rates' AND datname = current_database()"))
        .length
    const rates = createRates({ databaseUrl })
    expect(await connections()).toBe(0)
    await Promise.all(Array.from({ length: 20 }, () => rates.tasks()))
    expect(await connections()).toBeGreaterThan(0)
    expect(await connections()).toBeLessThanOrEqual(4)
    await rates.close()
    await expect.poll(connections).toBe(0)
  })

  test("leaves the caller's client open", async () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url }) })
    onTestFinished(() => prisma.$disconnect())
    const rates = createRates({ prisma })
    await rates.task(TASK.taskId)
    await rates.close()
    await expect(rates.task(TASK.taskId)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await prisma.$queryRawUnsafe('SELECT 1 AS one')).toEqual([{ one: 1 }])
    expect(await someRates({ prisma }).task(TASK.taskId)).toMatchObject({ taskId: TASK.taskId })
  })
})

describe('a database that cannot answer', () => {
  test('without the tables is told, with what to run', async () => {
    const rates = someRates({ databaseUrl: await aDatabase({ migrated: false }) })
    const answers = QUESTIONS.map(([, question]) => question(rates).catch((error: unknown) => error))
    for (const error of await Promise.all(answers)) {
      expect(error).toMatchObject({ code: 'SCHEMA_MISMATCH', message: expect.stringContaining('npx dingtalk-delivery migrate') })
    }
  })

  test('is told promptly, without the password', async () => {
    const rates = someRates({ databaseUrl: 'postgres://reader:hunter2@127.0.0.1:1/delivery' })
    const error = await inTime(2_000, () => rates.task('1').catch((reason: unknown) => reason))
    expect(error).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringMatching(/nothing listens at 127\.0\.0\.1:1 .*: check that PostgreSQL runs, and host and port in DATABASE_URL/),
    })
    expect(String(error)).not.toContain('hunter2')
  })

  test.each(['refuse', 'reset', 'blackhole'] as const)('is told (%s), and asked again when it is back', async (mode) => {
    const { url, proxy } = await proxied(database.url)
    const rates = someRates({ databaseUrl: url })
    await proxy.mode(mode)
    await expect(rates.task(TASK.taskId)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    await proxy.mode('pass')
    expect(await rates.task(TASK.taskId)).toMatchObject({ taskId: TASK.taskId })
  })

  test("is told through the caller's own client, too", async () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: 'postgres://reader:hunter2@127.0.0.1:1/delivery' }) })
    onTestFinished(() => prisma.$disconnect())
    const error = await someRates({ prisma })
      .task('1')
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
    expect(String(error)).not.toContain('hunter2')
  })

  test('without the role is told as such, and not asked again', async () => {
    const url = new URL(database.url)
    url.username = 'nobody_at_all'
    const error = await someRates({ databaseUrl: url.href })
      .task('1')
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('nobody_at_all') })
  })
})
