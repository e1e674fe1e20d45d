import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TrackerError, type TrackerErrorCode } from '../../src/index.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { inTime } from '../support/in-time.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisServer, redisAvailable } from '../support/redis-server.ts'
import type { ProxyMode } from '../support/tcp-proxy.ts'
import { until } from '../support/wait.ts'
import { aTaker, DOORS, type Door, type DoorName, type Sender } from './senders.ts'
import { aDatabase, aPool, aRedis, aSession, type Finished, proxied, type Sql } from './support.ts'

const TWO_SECONDS_MS = 2_000
const SECRET = 'hunter2'
/** Some remedy. A server that is slow as well may keep from saying which; what it says in the end is asked for where that is known. */
const ADVICE = /[Cc]heck |[Gg]ive |[Ss]et |Load |Run |overloaded|Try again/

let databaseUrl = ''
let redis: RedisServer
let stored: Sql
let chatterPort = 0
const ends: Array<() => Promise<void>> = []

/** One database and one Redis for all that break only the way to them. */
beforeAll(async () => {
  const finished: Finished = (end) => void ends.push(end)
  databaseUrl = await aDatabase({ migrated: true }, finished)
  await migrateQueueSchema(databaseUrl)
  chatterPort = await startChatter(finished)
  stored = aPool(databaseUrl, finished)
  aTaker(databaseUrl, queueAt(databaseUrl), finished)
  if (!redisAvailable()) return
  redis = await aRedis(finished)
  aTaker(databaseUrl, queueAt(redis.url), finished)
  // What is loaded when it is first used is loaded here.
  for (const door of Object.values(DOORS)) {
    const sender = await door.open(urlOf(door))
    await sender.track([aTask()])
    await sender.close()
  }
})
afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

/** Answers whatever it hears, but neither as Redis does nor as PostgreSQL. */
async function startChatter(finished: Finished): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write('220 mail.example.com ESMTP\r\n')
    socket.on('data', () => socket.write('502 what?\r\n'))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  finished(async () => void server.close())
  return (server.address() as AddressInfo).port
}

const queueAt = (url: string) => ({ url, name: 'dingtalk-delivery', prefix: 'bull' })
const urlOf = (door: Door): string => (door.server === 'redis' ? redis.url : databaseUrl)

let lastTaskId = 0
const aTask = () => ({ taskId: String(++lastTaskId), userIds: ['036632523163121146', 'b'] })
type Task = ReturnType<typeof aTask>

const inTwoSeconds = <T>(work: () => Promise<T>): Promise<T> => inTime(TWO_SECONDS_MS, work)

/** One and many: each is taken, or refused with what to do. Gives those that were taken. */
async function trying(sender: Sender, door: Door): Promise<readonly Task[]> {
  const attempts = [[aTask()], [aTask()], [aTask(), aTask()]]
  const outcomes = await Promise.all(attempts.map((tasks) => inTwoSeconds(() => outcomeOf(sender, tasks))))
  for (const outcome of outcomes) if (outcome !== 'taken') expectRefusal(outcome, door.unavailable)
  return attempts.flatMap((tasks, i) => (outcomes[i] === 'taken' ? tasks : []))
}

const outcomeOf = (sender: Sender, tasks: readonly Task[]): Promise<unknown> =>
  sender.track(tasks).then(
    () => 'taken',
    (error: unknown) => error,
  )

/** A server that refuses for want of a right says so with a code of its own. */
function eitherOf(code: TrackerErrorCode): unknown {
  return expect.stringMatching(new RegExp(`^(?:${code}|NOT_PERMITTED)$`))
}

function expectRefusal(error: unknown, code: TrackerErrorCode): void {
  expect(error).toBeInstanceOf(TrackerError)
  expect(error).toMatchObject({ code: eitherOf(code), message: expect.stringMatching(ADVICE) })
  expect(String(error)).not.toContain(SECRET)
}

async function expectSaid(sender: Sender, code: TrackerErrorCode, remedy: RegExp): Promise<void> {
  const says = async (): Promise<true> => {
    expect(await inTwoSeconds(() => outcomeOf(sender, [aTask()]))).toMatchObject({
      code: eitherOf(code),
      message: expect.stringMatching(remedy),
    })
    return true
  }
  await until(says, { what: `a refusal says ${remedy}` })
}

/** All of them, and each once, without anybody's help but the worker's. */
async function expectStored(sql: Sql, tasks: readonly Task[]): Promise<void> {
  const ids = tasks.map(({ taskId }) => taskId)
  await until(
    async () => {
      const rows = await sql.query<{ task_id: string; people: number }>(
        `SELECT task_id, (SELECT count(*)::integer FROM delivery_recipient WHERE task_pk = task.id) AS people
         FROM delivery_task AS task WHERE task_id = ANY($1) ORDER BY task_id::bigint`,
        [ids],
      )
      return JSON.stringify(rows) === JSON.stringify(ids.map((taskId) => ({ task_id: taskId, people: 2 })))
    },
    { what: `tasks ${ids.join(', ')} are stored, each once` },
  )
}

/** Works again, with the same tracker; what is tracked again is still one task. Gives what was taken. */
async function healed(sender: Sender, again: readonly Task[]): Promise<readonly Task[]> {
  const tasks = [...again, aTask()]
  await until(async () => (await outcomeOf(sender, tasks)) === 'taken', { what: 'tasks are taken again' })
  return tasks
}

interface Outage {
  readonly door: Door
  readonly url: string
  /** The fault begins before the first task. */
  readonly fromTheStart?: boolean
  begin(): Promise<unknown>
  end(): Promise<unknown>
  /** Starts what empties a queue of the test's own. */
  readonly drain?: () => void
  /** What the refusals tell to do. */
  readonly remedy?: RegExp
  /** Between the two, with the sender that suffers. */
  readonly meanwhile?: (sender: Sender) => Promise<unknown>
  /** Where the tasks must be in the end. */
  readonly sql?: Sql
}

/** A sender's life around one outage: in time always, never wrong, and well again by itself. */
async function expectSurvived({
  door,
  url,
  fromTheStart = false,
  begin,
  end,
  remedy,
  meanwhile,
  drain,
  sql = stored,
}: Outage): Promise<void> {
  if (fromTheStart) await begin()
  const sender = await door.open(url)
  const before = fromTheStart ? [] : await healed(sender, [])
  if (!fromTheStart) await begin()
  const taken = await trying(sender, door)
  await meanwhile?.(sender)
  if (remedy !== undefined) await expectSaid(sender, door.unavailable, remedy)
  const takenLater = await trying(sender, door)
  await end()
  const after = await healed(sender, [])
  await begin()
  const pending = outcomeOf(sender, [aTask()])
  await inTwoSeconds(() => sender.close())
  await inTwoSeconds(() => pending)
  await end()
  drain?.()
  await expectStored(sql, [...before, ...taken, ...takenLater, ...after])
}

const NETWORK: ReadonlyArray<readonly [name: string, mode: ProxyMode, fromTheStart: boolean]> = [
  ['refuses from the start', 'refuse', true],
  ['resets from the start', 'reset', true],
  ['swallows everything from the start', 'blackhole', true],
  ['refuses', 'refuse', false],
  ['resets', 'reset', false],
  ['swallows everything', 'blackhole', false],
  ['has lost its connections and did not say so', 'halfOpen', false],
  ['loses one reply', 'dropOneReply', false],
  ['cuts one reply', { truncateTo: 5 }, false],
  ['is 300 ms away', { latencyMs: 300 }, false],
]
const intakes = (Object.keys(DOORS) as DoorName[]).filter((name) => redisAvailable() || DOORS[name].server === 'postgres')

describe.for(intakes)('%s: a network that', { concurrent: true }, (name) => {
  test.concurrent.for(NETWORK)('%s', async ([, mode, fromTheStart], { onTestFinished }) => {
    const door = DOORS[name]
    const { url, proxy } = await proxied(urlOf(door), onTestFinished)
    await expectSurvived({ door, url, fromTheStart, begin: () => proxy.mode(mode), end: () => proxy.mode('pass') })
  })
})

interface ServerFault {
  readonly name: string
  /** What the refusal tells to do. */
  readonly remedy: RegExp
}

interface RedisFault extends ServerFault {
  readonly fromTheStart?: boolean
  begin(server: RedisServer, admin: Redis): Promise<unknown>
  end(server: RedisServer, admin: Redis): Promise<unknown>
}

const REDIS: readonly RedisFault[] = [
  { name: 'is killed', begin: (server) => server.kill('SIGKILL'), end: (server) => server.restart(), remedy: /QUEUE_URL/ },
  {
    name: 'is not there yet',
    fromTheStart: true,
    begin: (server) => server.kill('SIGKILL'),
    end: (server) => server.restart(),
    remedy: /ECONNREFUSED.*QUEUE_URL/,
  },
  { name: 'hangs', begin: (server) => server.kill('SIGSTOP'), end: (server) => server.kill('SIGCONT'), remedy: /QUEUE_URL/ },
  {
    name: 'is full',
    begin: (_, admin) => admin.config('SET', 'maxmemory', '1'),
    end: (_, admin) => admin.config('SET', 'maxmemory', '0'),
    remedy: /more memory \(maxmemory\)/,
  },
  {
    name: 'became a replica',
    begin: (_, admin) => admin.call('REPLICAOF', '127.0.0.1', '1'),
    end: (_, admin) => admin.call('REPLICAOF', 'NO', 'ONE'),
    remedy: /give the primary/,
  },
  {
    name: 'takes back a right',
    begin: (_, admin) => admin.call('ACL', 'SETUSER', 'default', '-@write'),
    end: (_, admin) => admin.call('ACL', 'SETUSER', 'default', '+@all'),
    remedy: /deploy\/redis\/users\.acl/,
  },
]

describeRedis('library, queue on Redis: a server that', () => {
  test.concurrent.for(REDIS)('$name', async ({ fromTheStart = false, begin, end, remedy }, { onTestFinished }) => {
    const server = await aRedis(onTestFinished)
    const admin = new Redis(server.url, { maxRetriesPerRequest: null })
    admin.on('error', () => undefined)
    onTestFinished(() => admin.disconnect())
    await expectSurvived({
      ...{ door: DOORS['library, queue on Redis'], url: server.url, fromTheStart, remedy },
      begin: () => begin(server, admin),
      end: () => end(server, admin),
      drain: () => aTaker(databaseUrl, queueAt(server.url), onTestFinished),
    })
  })
})

interface PostgresFault extends ServerFault {
  /** @param session of the test's own, in that database */
  begin(session: Sql, database: string): Promise<unknown>
  end(session: Sql, database: string): Promise<unknown>
}

const hangUp = (database: string): Promise<unknown> =>
  stored.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database])

const POSTGRES: readonly PostgresFault[] = [
  {
    name: 'is locked',
    begin: (session) => session.query('BEGIN; LOCK TABLE delivery_task, bullmq.job IN ACCESS EXCLUSIVE MODE'),
    end: (session) => session.query('ROLLBACK'),
    remedy: /overloaded, or a session has locked/,
  },
  {
    name: 'may only be read',
    async begin(_, database) {
      await stored.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
      await hangUp(database)
    },
    async end(_, database) {
      await stored.query(`ALTER DATABASE ${database} RESET default_transaction_read_only`)
      await hangUp(database)
    },
    remedy: /give the primary/,
  },
  {
    name: 'hangs up and lets nobody in',
    async begin(_, database) {
      await stored.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS false`)
      await hangUp(database)
    },
    end: (_, database) => stored.query(`ALTER DATABASE ${database} ALLOW_CONNECTIONS true`),
    remedy: /not currently accepting connections/,
  },
]
const MANY = 40

describe.for(intakes.filter((name) => DOORS[name].server === 'postgres'))('%s: a database that', { concurrent: true }, (name) => {
  test.concurrent.for(POSTGRES)('$name', async ({ begin, end, remedy }, { onTestFinished }) => {
    const url = await aDatabase({ migrated: true }, onTestFinished)
    await migrateQueueSchema(url)
    const session = await aSession(url, onTestFinished)
    const database = new URL(url).pathname.slice(1)
    const door = DOORS[name]
    await expectSurvived({
      ...{ door, url, sql: aPool(url, onTestFinished) },
      begin: () => begin(session, database),
      end: () => end(session, database),
      // What the API tells a stranger is less.
      ...(name !== 'POST /v1/tasks' && { remedy }),
      async meanwhile(sender) {
        // More than there are connections: whoever waits for one is answered in time as well.
        await Promise.all(Array.from({ length: MANY }, () => inTwoSeconds(() => outcomeOf(sender, [aTask()]))))
        const waiting = "SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
        await until(async () => (await stored.query<{ n: number }>(waiting, [database]))[0]?.n === 0, {
          what: 'nothing that was given up still waits in the database',
          timeoutMs: 10_000,
        })
      },
      drain: () => aTaker(url, queueAt(url), onTestFinished),
    })
  })
})

interface Wrong {
  readonly name: string
  readonly said: RegExp
  readonly code?: TrackerErrorCode
  /** Undefined: this cannot be wrong with that server. */
  readonly url: (url: URL, door: Door) => string | undefined | Promise<string | undefined>
}

const but = (url: URL, change: Partial<Pick<URL, 'hostname' | 'password' | 'username' | 'pathname' | 'port' | 'search'>>): string =>
  Object.assign(new URL(url), change).href

const WRONG: readonly Wrong[] = [
  { name: 'a host that does not exist', said: /ENOTFOUND|EAI_AGAIN|no answer/, url: (url) => but(url, { hostname: 'nowhere.invalid' }) },
  { name: 'a wrong password', said: /user and password/, url: (url) => but(url, { username: 'postgres', password: SECRET }) },
  {
    name: 'a database that does not exist',
    said: /name of the database|DB index/,
    url: (url, door) => but(url, { pathname: door.server === 'redis' ? '/99' : '/nowhere' }),
  },
  {
    name: 'TLS where there is none',
    said: /SSL|TLS|no answer|ETIMEDOUT/,
    url: (url, door) => (door.server === 'redis' ? url.href.replace('redis:', 'rediss:') : but(url, { search: '?sslmode=verify-full' })),
  },
  { name: 'a server that talks about something else', said: /URL/, url: (url) => but(url, { port: String(chatterPort) }) },
  {
    name: 'a database without tables',
    said: /Run: npx dingtalk-delivery migrate/,
    code: 'SCHEMA_MISMATCH',
    url: (_, door) => (door.server === 'redis' ? undefined : aDatabase({ migrated: false }, (end) => void ends.push(end))),
  },
  {
    name: 'a user without rights',
    said: /deploy\/postgres\/roles\.sql/,
    code: 'NOT_PERMITTED',
    async url(url, door) {
      if (door.server === 'redis') return undefined
      await stored.query(`CREATE ROLE stranger LOGIN PASSWORD '${SECRET}'`).catch(() => undefined)
      return but(url, { username: 'stranger', password: SECRET })
    },
  },
]

describe.for(intakes)('%s: an address of', { concurrent: true }, (name) => {
  test.concurrent.for(WRONG)('$name', async ({ said, code, url }) => {
    const door = DOORS[name]
    const wrong = await url(new URL(urlOf(door)), door)
    if (wrong === undefined) return
    const sender = await door.open(wrong)
    await expectSaid(sender, code ?? door.unavailable, name === 'POST /v1/tasks' ? /Try again|migrate|roles\.sql/ : said)
    const again = await inTwoSeconds(() => outcomeOf(sender, [aTask()]))
    expect(again).toBeInstanceOf(TrackerError)
    expect(String(again)).not.toContain(SECRET)
    await inTwoSeconds(() => sender.close())
  })
})
