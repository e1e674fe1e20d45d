import type { ServerResponse } from 'node:http'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { Answer, TaskKey } from '../../src/domain/delivery.ts'
import { planStart } from '../../src/domain/plan.ts'
import { poll } from '../../src/polling/poll.ts'
import type { PollDeps } from '../../src/polling/poll-delays.ts'
import { createWorkerScope } from '../../src/polling/worker-scope.ts'
import { createWriteBreaker } from '../../src/polling/write-breaker.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { computeDigest } from '../../src/store/erase-people.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { createWorkerRegistry } from '../../src/store/worker-registry.ts'
import { aClient, anApi, anApp, poll as ask, type Handler, json, RESULT, startServer } from '../dingtalk/support.ts'
import { aDatabase, aSession, type Sql } from '../intake/support.ts'
import { GRANTED, notes, SENT, TIMING } from '../polling/support.ts'
import { answersOf, dice } from './support/answers.ts'
import { anyText, SEED } from './support/values.ts'

/** What a server may do with a request, besides answering it. */
interface Reply {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly body: Uint8Array
  readonly end: 'whole' | 'cut' | 'reset' | 'no HTTP'
}

const printable = fc.string({ unit: fc.constantFrom(...' !#$%&()*+-./09:;<=>?@AZ[]^_az{|}~'.split('')) })

const aReply: fc.Arbitrary<Reply> = fc.record({
  status: fc.oneof({ weight: 3, arbitrary: fc.constant(200) }, fc.integer({ min: 200, max: 599 })),
  headers: fc.array(
    fc.tuple(fc.constantFrom('content-type', 'content-encoding', 'retry-after', 'location', 'x-acs-request-id', 'set-cookie'), printable),
    { maxLength: 3 },
  ),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    anyText.map((text) => new TextEncoder().encode(text)),
    fc.json().map((text) => new TextEncoder().encode(text)),
    fc
      .constantFrom('{"errcode":0,"send_result":{', '{"errcode":0}', '[', '{}', 'null', '\ufeff{"errcode":0}')
      .map((text) => new TextEncoder().encode(text)),
  ),
  end: fc.constantFrom('whole', 'whole', 'whole', 'cut', 'reset', 'no HTTP'),
})

function send(reply: Reply, response: ServerResponse): void {
  if (reply.end === 'reset') return void response.socket?.resetAndDestroy()
  if (reply.end === 'no HTTP') return void response.socket?.end(reply.body)
  const headers = reply.headers.flatMap(([name, value]) => [name, value.trim()])
  if (reply.end === 'whole') return void response.writeHead(reply.status, headers).end(reply.body)
  response.writeHead(reply.status, [...headers, 'content-length', String(reply.body.length + 10)])
  response.write(reply.body, () => response.socket?.end())
  // Nothing of an empty body is written, so nobody would say that it ends here.
  response.flushHeaders()
}

const REPLIES = fc.sample(aReply, { numRuns: 300, seed: SEED })

function textsOf(answer: Answer): Array<string | null> {
  return answer.kind === 'refused' ? [answer.code, answer.message, answer.requestId] : []
}

test('whatever bytes come, the client has an answer, and its texts can be stored', async () => {
  let reply: Reply | undefined
  const handler: Handler = (_, response) => {
    if (reply !== undefined) send(reply, response)
  }
  const { api } = await aClient(handler, { http: { deadlineMs: 2_000 } })
  const kinds = new Set<string>()
  for (reply of REPLIES) {
    const answer = await ask(api)
    kinds.add(answer.kind === 'refused' ? answer.code.replace(/_\d+$/, '') : answer.kind)
    for (const text of textsOf(answer))
      expect([text, text?.isWellFormed() ?? true, text?.includes('\u0000') ?? false]).toEqual([text, true, false])
  }
  expect([...kinds]).toEqual(expect.arrayContaining(['NETWORK', 'NOT_JSON', 'NO_CODE', 'HTTP', 'empty']))
})

/** The worker's use case on the real database and client; the day passes as fast as the polls are made. */
async function aWorker(handler: Handler) {
  const databaseUrl = await aDatabase()
  const database = openDatabase(databaseUrl)
  onTestFinished(() => database.close())
  const store = createDeliveryStore(database)
  const limiter = createRateLimiter(database)
  const server = await startServer()
  server.on(RESULT, handler)
  const events = notes()
  const permits: PollDeps['permits'] = { take: async () => GRANTED }
  const deps: Omit<PollDeps, 'now' | 'api' | 'worker' | 'writes'> = {
    ...{ store, digest: computeDigest, limiter, scopes: limiter, events, timing: TIMING, permits },
  }

  /** Every poll of a task, to its end. Each has a clock of its own. */
  async function wholeDay(key: TaskKey): Promise<void> {
    const clock = { now: SENT }
    const now = (): Date => clock.now
    const api = anApi(anApp(server, { kind: 'fixed', accessToken: 'token' }), { now, http: { deadlineMs: 2_000 } })
    const registry = createWorkerRegistry(database)
    const worker = createWorkerScope({
      ...{ workerId: key.taskId, apps: ['default'], registry, timing: TIMING, now, events, heartbeatMs: 1_000, probeLeaseMs: 1_000 },
    })
    const writes = createWriteBreaker({ now, onFailed: () => undefined })
    let at: Date | null = SENT
    while (at !== null) {
      clock.now = at
      const result = await poll({ ...deps, now, api, worker, writes }, key, new AbortController().signal)
      at = result.kind === 'snooze' ? result.until.at : null
    }
  }
  return { store, server, events, wholeDay, sql: await aSession(databaseUrl) }
}

const USERS = ['ann', '036', '__proto__']

/** Tasks that were sent at {@link SENT} and have their plan. */
async function tracked(store: Awaited<ReturnType<typeof aWorker>>['store'], count: number): Promise<TaskKey[]> {
  const keys = Array.from({ length: count }, (_, i) => ({ app: 'default', taskId: String(i + 1) }))
  await store.track(keys.map((key, i) => ({ ...key, agentId: '1', campaign: null, sentAt: SENT, userIds: i % 2 === 0 ? USERS : null })))
  await store.schedule((task) => planStart(task, SENT, TIMING), count)
  return keys
}

const GOOD = { errcode: 0, send_result: { read_user_id_list: USERS } }

test('a day of garbage is a day of failed polls, and one good answer still ends a task', async () => {
  const roll = dice(SEED)
  // What could be taken for an answer is no garbage.
  const garbage = REPLIES.filter(({ body }) => !Buffer.from(body).includes('errcode'))
  const looksAt = new Map<string, number>()
  const { store, server, sql, events, wholeDay } = await aWorker((request, response) => {
    const taskId = new URLSearchParams(request.body).get('task_id') ?? ''
    const nth = (looksAt.get(taskId) ?? 0) + 1
    looksAt.set(taskId, nth)
    const isGood = Number(taskId) > 4 && nth > 10
    if (isGood) json(GOOD)(request, response)
    else send(garbage[Math.floor(roll(garbage.length))]!, response)
  })
  await Promise.all((await tracked(store, 8)).map(wholeDay))

  expect(await sql.query('SELECT status, count(*)::integer FROM delivery_task GROUP BY status ORDER BY status')).toEqual([
    { status: 'complete', count: 4 },
    { status: 'expired', count: 4 },
  ])
  expect(await sql.query('SELECT DISTINCT task_pk <= 4 AS expired, state FROM delivery_recipient ORDER BY state')).toEqual([
    { expired: true, state: 'pending' },
    { expired: false, state: 'read' },
  ])
  await expectRecorded(sql, server.received(RESULT).length)
  expect(events.lines.filter((line) => line.startsWith('failed') || line.includes('stale'))).toEqual([])
})

test('a day of answers that are wrong anywhere is stored whole, and every task ends', async () => {
  const nextAnswer = answersOf(SEED)
  const { store, server, sql, wholeDay } = await aWorker((request, response) => json(nextAnswer())(request, response))
  await Promise.all((await tracked(store, 20)).map(wholeDay))
  expect(await sql.query("SELECT FROM delivery_task WHERE status = 'tracking'")).toEqual([])
  await expectRecorded(sql, server.received(RESULT).length)
})

/** Each poll has its row, good or failed; the figures of a task are those of its people; states are entered upwards. */
async function expectRecorded(sql: Sql, polls: number): Promise<void> {
  expect(polls).toBeGreaterThan(100)
  expect(await sql.query('SELECT count(*)::integer AS polls FROM delivery_poll')).toEqual([{ polls }])
  const wrong = await sql.query(`
    SELECT task.task_id FROM delivery_task AS task
    WHERE poll_no <> (SELECT count(*) FROM delivery_poll WHERE task_pk = task.id)
      OR ARRAY[pending, invalid, failed, forbidden, unread, read]::bigint[] <> (
        SELECT ARRAY[${['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read'].map((state) => `count(*) FILTER (WHERE state = '${state}')`).join(', ')}]
        FROM delivery_recipient WHERE task_pk = task.id)
    UNION ALL
    SELECT user_id FROM delivery_transition AS change
    WHERE NOT EXISTS (SELECT FROM delivery_recipient AS person WHERE (person.task_pk, person.user_id) = (change.task_pk, change.user_id))`)
  expect(wrong).toEqual([])
}
