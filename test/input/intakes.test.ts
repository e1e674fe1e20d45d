import { expect, onTestFinished, test } from 'vitest'
import { InvalidInputError, TrackerError } from '../../src/domain/errors.ts'
import { createTracker, type Tracker, type TrackInput } from '../../src/index.ts'
import { createRates } from '../../src/rates.ts'
import { type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { BODY_LIMIT_BYTES } from '../../src/web/body.ts'
import { aDatabase, aSession, aTracker, type Sql, taskRows } from '../intake/support.ts'
import { aForeignQueue, aWorker, describeQueues } from '../queue/support.ts'
import { until } from '../support/wait.ts'
import { ask, post } from '../web/support/ask.ts'
import { aServer } from '../web/support/server.ts'
import { type Case, type Expected, everyCase, SENT_AT, type StoredTask, sameMoment } from './support/cases.ts'
import { HOSTILE_JSON, HOSTILE_TEXTS, HOSTILE_VALUES, hasControls } from './support/values.ts'

const CASES = everyCase()
const ACCEPTED = CASES.flatMap(({ expected }) => (expected.kind === 'accepted' ? [expected.row] : []))
/** Before anything came in. */
const PROTOTYPE = Object.getOwnPropertyNames(Object.prototype).join()

const inChunks = async <C extends Case>(cases: readonly C[], each: (one: C) => Promise<void>): Promise<void> => {
  for (let i = 0; i < cases.length; i += 40) await Promise.all(cases.slice(i, i + 40).map(each))
}

type Sayable = Case & { readonly json: string }
/** What JSON can say. The way to a refusal is one for all, so behind a network a part of what is refused in plain letters is enough. */
const SAYABLE = CASES.flatMap((each, i): Sayable[] => {
  if (each.json === null) return []
  const isOne = each.expected.kind === 'accepted' || /[^\0-\x7f]/.test(each.expected.message) || i % 5 === 0
  return isOne ? [{ ...each, json: each.json }] : []
})

const nameOf = ({ app, task_id }: Pick<StoredTask, 'app' | 'task_id'>): string => `${app}/${task_id}`

/** Just what was accepted is stored, value for value. */
async function expectStored(sql: Sql, accepted: readonly StoredTask[] = ACCEPTED): Promise<void> {
  const rows = await taskRows(sql)
  expect(rows.map(nameOf).toSorted()).toEqual(accepted.map(nameOf).toSorted())
  const byName = new Map(rows.map((row) => [nameOf(row), row]))
  for (const row of accepted) {
    const stored = byName.get(nameOf(row))
    expect(stored).toEqual({ ...row, sent_at: row.sent_at ?? stored?.sent_at })
    if (row.sent_at === null) expect(Date.now() - (stored?.sent_at.getTime() ?? 0)).toBeLessThan(60_000)
  }
}

async function toldBy(tracker: Tracker, input: unknown): Promise<Expected | null> {
  try {
    // A caller without types can say anything.
    await tracker.track(input as TrackInput)
    return null
  } catch (error) {
    // A busy machine may need longer than a sender's patience. Asking again is the same task.
    if (error instanceof TrackerError && error.code === 'QUEUE_UNAVAILABLE') return toldBy(tracker, input)
    expect(error).toMatchObject({ name: 'InvalidInputError' })
    const { code, field, message } = error as Error & { code: string; field: string }
    return { kind: 'refused', code, field, message: sameMoment(message) }
  }
}

async function expectTold({ name, input, expected }: Case, tracker: Tracker): Promise<void> {
  expect([name, await toldBy(tracker, input)]).toEqual([name, expected.kind === 'refused' ? expected : null])
}

test('a refusal names the field and a remedy, in few words and in text that every store holds', () => {
  const refused = CASES.flatMap(({ expected }) => (expected.kind === 'refused' ? [expected] : []))
  expect([refused.length > 500, ACCEPTED.length > 100]).toEqual([true, true])
  for (const { code, field, message } of refused) {
    const named = code === 'TOO_MANY_RECIPIENTS' ? 'recipients' : field === 'body' ? 'request' : field.replace(/\[.*/, '')
    expect(message).toContain(message.startsWith('Unknown field') ? JSON.stringify(field).slice(0, 70) : named)
    expect(message).toMatch(/must|Accepted:|Give |Leave |Send |Check |milliseconds/)
    expect([message, message.isWellFormed(), message.length < 500, hasControls(message)]).toEqual([message, true, true, false])
  }
})

test('the library on the database', async () => {
  const databaseUrl = await aDatabase()
  const tracker = aTracker({ databaseUrl })
  await inChunks(CASES, async (each) => expectTold(each, tracker))
  await expectStored(await aSession(databaseUrl))
})

test('the SQL function, for what its types can say', async () => {
  const sql = await aSession(await aDatabase())
  const said: StoredTask[] = []
  for (const { name, input, expected } of CASES) {
    const args = argumentsOf(input)
    if (args === null) continue
    const list = Object.keys(args).map((each, i) => `${each} => $${i + 1}`)
    const error = await sql.query(`SELECT track_delivery(${list.join(', ')})`, Object.values(args)).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    const message = error instanceof Error ? sameMoment(error.message) : null
    expect([name, message]).toEqual([name, expected.kind === 'refused' ? expected.message : null])
    if (expected.kind === 'accepted') said.push(expected.row)
  }
  expect(said.length).toBeGreaterThan(80)
  await expectStored(sql, said)
})

/** Null where SQL has no such value, or writes it in another way: half a surrogate pair becomes a replacement character. */
function argumentsOf(input: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return null
  const args = Object.entries(input).map(
    ([name, value]) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value] as const,
  )
  return args.every(([name, value]) => isSql(name, value)) ? Object.fromEntries(args) : null
}

function isSql(name: string, value: unknown): boolean {
  // A megabyte costs the server half a second to refuse, so one field of that size is enough.
  const isText = (text: unknown): boolean =>
    text === null ||
    (typeof text === 'string' && text.isWellFormed() && !text.includes('\u0000') && (text.length < 1_000 || name === 'app'))
  switch (name) {
    case 'sent_at':
      return value === SENT_AT || (value instanceof Date && value.getUTCFullYear() <= 9_999)
    case 'user_ids':
      return value === null || (Array.isArray(value) && Object.keys(value).length === value.length && value.every(isText))
    case 'task_id':
    case 'agent_id':
    case 'app':
    case 'campaign':
      return isText(value)
    default:
      return false
  }
}

test('POST /v1/tasks, for what JSON can say', async () => {
  const { url, databaseUrl, log } = await aServer({ enqueuesPerSecond: 100_000 })
  const accepted: StoredTask[] = []
  await inChunks(SAYABLE, async ({ name, json, expected }) => {
    const { status, text } = await ask(url, '/v1/tasks', post(json))
    if (Buffer.byteLength(json) > BODY_LIMIT_BYTES) return expect([name, status]).toEqual([name, 413])
    if (expected.kind === 'accepted') {
      accepted.push(expected.row)
      return expect([name, status]).toEqual([name, 202])
    }
    const { kind: _, ...told } = expected
    expect([name, status, sameMoment(text)]).toEqual([
      name,
      400,
      JSON.stringify({ error: { code: told.code, message: told.message, field: told.field } }),
    ])
  })
  expect(log.filter((line) => line.includes('"level":"error"'))).toEqual([])
  await expectStored(await aSession(databaseUrl), accepted)
})

describeQueues((backend) => {
  test('the library on the queue, and jobs of any other client', async () => {
    const address = backend.address()
    const { store, sql } = await aStore()
    const trouble: string[] = []
    const worker = aWorker(address, {
      concurrency: 50,
      track: async (request) => void (await store.track([request])),
      events: {
        lock: () => undefined,
        failed: ({ what, error }) => void trouble.push(...(error instanceof InvalidInputError ? [] : [`${what}: ${String(error)}`])),
      },
    })
    const queue = aForeignQueue(address)
    const isSettled = async (): Promise<boolean> =>
      (await queue.getJobCountByTypes('waiting', 'active', 'delayed', 'prioritized', 'waiting-children')) === 0

    const tracker = aTracker({ queueUrl: address.url, queueName: address.name, queuePrefix: address.prefix })
    await inChunks(
      CASES.filter(({ expected }) => expected.kind === 'accepted'),
      async (each) => expectTold(each, tracker),
    )
    await until(isSettled, { what: 'every request of the library is taken', timeoutMs: 60_000 })
    await expectStored(sql)
    await sql.query('DELETE FROM delivery_task')

    const accepted: StoredTask[] = []
    const jobs = SAYABLE.filter((each) => isSayableTo(backend.name, each))
    await Promise.all(jobs.map(async ({ json }, i) => queue.add('track', JSON.parse(json), { jobId: `job-${i}` })))
    await until(isSettled, { what: 'every job is done or refused', timeoutMs: 60_000 })
    for (const [i, { name, expected }] of jobs.entries()) {
      const reason = (await queue.getJob(`job-${i}`))?.failedReason
      expect([name, reason && sameMoment(reason)]).toEqual([name, expected.kind === 'refused' ? expected.message : undefined])
      if (expected.kind === 'accepted') accepted.push(expected.row)
    }
    await expectStored(sql, accepted)
    expect([worker.isRunning(), trouble]).toEqual([true, []])
  })
})

async function aStore() {
  const databaseUrl = await aDatabase()
  const database = openDatabase(databaseUrl)
  onTestFinished(() => database.close())
  return { store: createDeliveryStore(database), sql: await aSession(databaseUrl) }
}

/** PostgreSQL refuses NUL and halves of surrogate pairs in JSON when they are sent, and BullMQ takes null for {} there. */
function isSayableTo(backend: 'redis' | 'postgres', { json }: Sayable): boolean {
  return backend === 'redis' || (json !== 'null' && !/\\u0000|\\ud[89a-f]/.test(json))
}

test('a list of requests that is none, and one with a mistake in the middle, track nothing', async () => {
  const databaseUrl = await aDatabase()
  const tracker = aTracker({ databaseUrl })
  const many = async (inputs: unknown) => tracker.trackMany(inputs as TrackInput[])
  for (const inputs of [null, undefined, 'x', 5, {}, new Map(), { length: 1 }]) {
    await expect(many(inputs)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'inputs',
      message: expect.stringContaining('takes a list of requests'),
    })
  }
  const hole = [{ taskId: '1' }]
  hole[2] = { taskId: '3' }
  for (const inputs of [[{ taskId: '1' }, { taskId: 'x' }, { taskId: '3' }], hole, [null]]) {
    await expect(many(inputs)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  }
  expect(await many([])).toEqual([])
  expect(await taskRows(await aSession(databaseUrl))).toEqual([])
})

test.each([0, 65, 1.5, '2', null])('a tracker of %j queues is refused with what is accepted', (queueShards) => {
  const make = () => createTracker({ queueUrl: 'redis://127.0.0.1:1', queueShards: queueShards as number })
  expect(make).toThrow(/^queueShards .* is not accepted\. Accepted: a whole number from 1 to 64, as a number\.$/)
})

test('a tracker of several queues needs Redis, and as many queues as servers; each address is checked', () => {
  const make = (queueUrl: string, queueShards: number) => () => createTracker({ queueUrl, queueShards })
  expect(make('postgres://u:cAnArY@127.0.0.1:1/x', 2)).toThrow(/^queueShards: is 2, and the queue is in PostgreSQL\./)
  expect(make('redis://one redis://two', 1)).toThrow(/^queueUrl: names 2 servers/)
  expect(make('redis://one redis://:cAnArY@two/x', 2)).toThrow(/^queueUrl must be a URL .* none\.$/)
})

test('a tracker that cannot be is refused when it is made, and its addresses are not shown', () => {
  const url = 'postgres://u:cAnArY@127.0.0.1:1/x'
  for (const text of ['', 'a:b', 'a b', 'x'.repeat(101), 'a\u0000', '\ud800', null, 5, {}]) {
    for (const name of ['queueName', 'queuePrefix']) {
      if (name === 'queuePrefix' && text === 'a:b') continue
      const make = () => createTracker({ queueUrl: url, [name]: text })
      expect(make).toThrow(
        expect.objectContaining({
          code: 'INVALID_CONFIG',
          message: expect.stringMatching(new RegExp(`^${name} .* is not accepted. Accepted: 1 to`)),
        }),
      )
    }
  }
  for (const address of [
    '',
    'x',
    5,
    7n,
    Number.NaN,
    null,
    Symbol('cAnArY'),
    () => 'cAnArY',
    Object.create(null),
    {},
    [],
    'mysql://u:cAnArY@h',
    'postgres://u:cAnArY@h:x',
    'redis://u:cAnArY@h/db',
    'javascript:alert(1)',
  ]) {
    for (const name of ['queueUrl', 'databaseUrl']) {
      const make = () => createTracker({ [name]: address })
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.not.stringContaining('cAnArY') }))
    }
  }
})

test.each<[string, (options: never) => unknown]>([
  ['createTracker', createTracker],
  ['createRates', createRates],
])('%s refuses what is no object with options, and names that have no effect', (name, create) => {
  const make = (options: unknown) => () => create(options as never)
  for (const options of [undefined, null, 5, Number.NaN, 7n, 'postgres://u:cAnArY@127.0.0.1:1/x', [], () => 1, Symbol('x')]) {
    expect(make(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(`^${name} takes an object with options, not `) }),
    )
  }
  for (const misspelt of ['queueurl', 'databaseURL', 'queues', 'schemas', 'a\nb']) {
    expect(make({ databaseUrl: 'postgres://u:cAnArY@127.0.0.1:1/x', [misspelt]: 'cAnArY' })).toThrow(
      expect.objectContaining({
        code: 'INVALID_CONFIG',
        message: expect.stringMatching(`^${name} has no options .* Accepted: [a-zA-Z, ]+\\.$`),
      }),
    )
  }
})

const SIMULATOR_OPTIONS = [
  'port',
  'host',
  'timeScale',
  'seed',
  'now',
  'callsPerSecond',
  'penaltySeconds',
  'monthlyQuota',
  'tokenSeconds',
  'apps',
  'firstTaskId',
  'laws',
  'keepAnswers',
]

test.each(SIMULATOR_OPTIONS)('startSimulator refuses what cannot be as %s, by its name', async (name) => {
  const values: unknown[] = [...HOSTILE_JSON, ...HOSTILE_VALUES, ...HOSTILE_TEXTS.filter((text) => text.length < 1_000)]
  let refused = 0
  for (const value of name === 'host' || name === 'port' ? values.filter((each) => typeof each !== 'string' && each !== 1) : values) {
    const started = startSimulator({ [name]: value })
    const error: unknown = await started.then(
      (simulator) => simulator.close(),
      (thrown: unknown) => thrown,
    )
    if (error === undefined) continue
    refused += 1
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringMatching(`^${name}[.:]`) })
  }
  expect(refused).toBeGreaterThan(20)
})

test('startSimulator refuses what is no object with options', async () => {
  for (const options of [null, 5, 'x', [], () => 1]) {
    await expect(startSimulator(options as SimulatorOptions)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'options' })
  }
  await expect(startSimulator({ prot: 1 } as SimulatorOptions)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'prot' })
})

test('no object of the language has got anything new', () => {
  expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(PROTOTYPE)
})
