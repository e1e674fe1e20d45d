import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { planExpiry, planStart } from '../../src/domain/plan.ts'
import { sqlStateOf } from '../../src/lib/postgres-errors.ts'
import { retrying } from '../../src/store/database-errors.ts'
import { createDeliveryStore, type PostgresDeliveryStore } from '../../src/store/delivery-store.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { startProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { aDelay, aRequest, aTask, loaded, lookAt, planFor, SENT, TIMING } from './support/polls.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore({ max: 4 })
})
afterAll(() => db.close())

/** Ends every session of the store, as a restart of the server does. */
async function cutConnections(): Promise<void> {
  const client = new Client({ connectionString: db.url })
  await client.connect()
  await client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  await client.end()
}

test('connections that the server ended are replaced without anybody noticing', async () => {
  const task = await aTask(db.store, { userIds: ['ann'] })
  await cutConnections()
  expect(await db.store.apply(planFor(task, { unread: ['ann'] }, 5))).toBe('stored')
  await cutConnections()
  expect(await db.store.load(task.key)).toMatchObject({ pollNo: 1 })
})

describe('a reply that is lost after the commit', () => {
  let proxy: TcpProxy
  let through: PostgresDeliveryStore
  let database: Database
  beforeAll(async () => {
    const url = new URL(db.url)
    proxy = await startProxy(Number(url.port))
    url.port = String(proxy.port)
    // One connection, and it is there: the next reply is that of the statement under test.
    database = openDatabase(url.href, { max: 1 })
    through = createDeliveryStore(database)
  })
  afterAll(async () => {
    await database.close()
    await proxy.close()
  })

  test('a poll is stored, not stale', async () => {
    const task = await aTask(db.store, { userIds: ['ann'] })
    await through.load(task.key)
    await proxy.mode('dropOneReply')
    expect(await through.apply(planFor(task, { unread: ['ann'] }, 5))).toBe('stored')
    expect(await db.store.load(task.key)).toMatchObject({ pollNo: 1 })
  })

  test('an end is stored, not stale', async () => {
    const task = await aTask(db.store, { userIds: ['ann'] })
    await through.load(task.key)
    await proxy.mode('dropOneReply')
    expect(await through.end(task.key, { pollNo: 0 }, planExpiry(task, TIMING))).toBe('stored')
  })

  test('a poll of another worker that came first stays stale', async () => {
    const task = await aTask(db.store, { userIds: ['ann'] })
    await through.load(task.key)
    await lookAt(db.store, task.key, { unread: ['ann'] }, 4)
    await proxy.mode('dropOneReply')
    expect(await through.apply(planFor(task, { unread: ['ann'] }, 5))).toBe('stale')
  })
})

test('polls and other writers that lock in any order do not fail each other', async () => {
  const requests = Array.from({ length: 40 }, () => aRequest({ userIds: ['ann', 'bob'] }))
  await db.store.track(requests)
  const rival = createDeliveryStore(openRival())
  const tasks = await Promise.all(requests.map((request) => loaded(db.store, request)))
  const results = await Promise.all([
    ...tasks.map((task) => db.store.apply(planFor(task, { unread: ['ann'] }, 5))),
    ...tasks.toReversed().map((task) => rival.apply(planFor(task, { unread: ['bob'] }, 6))),
    ...[1, 2, 3].map(() => rival.schedule((task) => planStart(task, SENT, TIMING), 100).then(() => 'scheduled')),
  ])
  expect(results.filter((result) => result === 'stored')).toHaveLength(40)
  expect(results.filter((result) => result === 'stale')).toHaveLength(40)
})

test('a deadlock is tried again', async () => {
  let attempts = 0
  const result = await retrying(async () => {
    attempts++
    if (attempts < 3) await db.prisma.$executeRaw`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01', MESSAGE = 'deadlock'; END $$`
    return 'done'
  })
  expect([result, attempts]).toEqual(['done', 3])
})

test('a mistake in a statement is not tried again, and stays what it is', async () => {
  let attempts = 0
  const failure = retrying(async () => {
    attempts++
    await db.prisma.$executeRaw`SELECT 1 / 0`
  }).catch((error: unknown) => error)
  expect(sqlStateOf(await failure)).toBe('22012')
  expect(attempts).toBe(1)
})

test('a database that is away is named as such, by every method, within seconds', async () => {
  const away = openDatabase('postgres://someone:hunter2@127.0.0.1:1/nothing')
  const store = createDeliveryStore(away)
  const task = await aTask(db.store)
  const errors = await Promise.all(
    [
      store.load(task.key),
      store.track([aRequest()]),
      store.apply(planFor(task, { read: ['ann'] }, 5)),
      store.delay(task.key, { pollNo: 0 }, aDelay(SENT)),
      store.overdue(SENT, 1, null),
      store.cancel(task.key),
      store.exclusively(async () => 1),
    ].map((result) => Promise.resolve(result).catch((error: unknown) => error)),
  )
  for (const error of errors) expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.not.stringContaining('hunter2') })
  await away.close()
})

test('a full pool says so instead of waiting for ever', async () => {
  const small = openDatabase(db.url, { max: 1, connectionTimeoutMs: 1_500 })
  const store = createDeliveryStore(small)
  const key = { app: 'default', taskId: '1' }
  const only = await small.pool.connect()
  await expect(store.load(key)).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' })
  only.release()
  expect(await store.load(key)).toBeNull()
  await small.close()
  await small.close()
})

test("the lease keeps no connection: what is done under it has the pool's only one", async () => {
  const small = openDatabase(db.url, { max: 1, connectionTimeoutMs: 15_000 })
  const store = createDeliveryStore(small)
  expect(await store.exclusively(async () => [await store.load({ app: 'default', taskId: '1' })])).toEqual([null])
  await small.close()
})

test('a worker whose connections broke keeps its lease, and gives it back', async () => {
  const rival = createDeliveryStore(openRival())
  const result = await db.store.exclusively(async () => {
    expect(await rival.exclusively(async () => 'never')).toBeNull()
    await cutConnections()
    return 'finished'
  })
  expect(result).toBe('finished')
  await expect.poll(() => rival.exclusively(async () => 'mine')).toBe('mine')
})

test('the repeated poll of a poisoned batch is not counted twice', async () => {
  const [good, bad] = [await aTask(db.store), await aTask(db.store)]
  const poison = planFor(bad, { read: ['ann'] }, 5)
  const [stored, refused] = await Promise.allSettled([
    db.store.apply(planFor(good, { read: ['ann'] }, 5)),
    db.store.apply({ ...poison, poll: { ...poison.poll, message: 'a\u0000b' } }),
  ])
  expect(stored).toEqual({ status: 'fulfilled', value: 'stored' })
  expect(refused.status).toBe('rejected')
  expect(await loaded(db.store, good.key)).toMatchObject({ pollNo: 1 })
  await lookAt(db.store, bad.key, { read: ['ann'] }, 6)
})

const rivals: Array<{ close(): Promise<void> }> = []
afterAll(() => Promise.all(rivals.map((database) => database.close())))

function openRival() {
  const database = openDatabase(db.url, { max: 4 })
  rivals.push(database)
  return database
}
