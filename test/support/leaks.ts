import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import pg from 'pg'
import { assertNoLeak } from './canaries.ts'

/** All rows of all tables and views, in every schema but the server's own. */
export async function assertNoLeakInDatabase(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(`
      SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
      WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'`)
    for (const { name } of tables) {
      const { rows } = await client.query<{ content: string | null }>(
        `SELECT string_agg(each::text, E'\\n') AS content FROM ${name} AS each`,
      )
      assertNoLeak(`the table ${name}`, rows[0]?.content ?? '')
    }
  } finally {
    await client.end()
  }
}

/** All keys of all types. */
export async function assertNoLeakInRedis(url: string): Promise<void> {
  // A server that a test has ended holds nothing any more.
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  redis.on('error', () => undefined)
  try {
    if (
      !(await redis.ping().then(
        () => true,
        () => false,
      ))
    )
      return
    // A replica in a cluster shows its keys only then; any other server refuses.
    await redis.readonly().catch(() => undefined)
    for (const key of await redis.keys('*')) assertNoLeak(`the key ${key} of Redis`, `${key}\n${inspectAll(await contentOf(redis, key))}`)
  } finally {
    redis.disconnect()
  }
}

/** Every key with what is in it, of any type, as Redis would dump it and as it can be read. */
export async function everythingInRedis(url: string): Promise<string> {
  const redis = new Redis(url)
  try {
    const keys = await redis.keys('*')
    return JSON.stringify([keys, await Promise.all(keys.map((key) => contentOf(redis, key)))])
  } finally {
    redis.disconnect()
  }
}

async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key)
    case 'hash':
      return redis.hgetall(key)
    case 'list':
      return redis.lrange(key, 0, -1)
    case 'set':
      return redis.smembers(key)
    case 'zset':
      return redis.zrange(key, '0', '-1')
    case 'stream':
      return redis.xrange(key, '-', '+')
    default:
      return null
  }
}

/** What the probes of a process say; one that does not answer says nothing. */
export async function assertNoLeakInProbes(origin: string): Promise<void> {
  for (const path of ['/livez', '/readyz', '/metrics']) {
    const page = await fetch(`${origin}${path}`, { signal: AbortSignal.timeout(2_000) })
      .then((answer) => answer.text())
      .catch(() => '')
    assertNoLeak(`${path} of a worker`, page)
  }
}

/** Everything that a program can find in an error: whatever it logs of it must be fit to be seen. */
export function assertNoLeakInError(error: unknown): void {
  for (let each = error, depth = 0; each instanceof Error && depth < 10; each = each.cause, depth++)
    assertNoLeak(
      `an error (${each.name}, cause ${depth})`,
      [each.message, each.stack, String(each), JSON.stringify(each), inspectAll(each)].join('\n'),
    )
}

function inspectAll(value: unknown): string {
  return inspect(value, { depth: null, showHidden: true, maxArrayLength: null, maxStringLength: null })
}
