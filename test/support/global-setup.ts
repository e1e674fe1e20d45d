import { chmod, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts'
import { type RedisServer, redisAvailable, startRedis } from './redis-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server's own database, from which the others are made. Use `createTestDatabase`. */
    postgresUrl: string
    /** With the rights of a worker, on queues of any name; null where the machine has no Redis. What stops it, or looks at all of it, starts one of its own. */
    redisUrl: string | null
    /** A folder that lives as long as the run. */
    runDirectory: string
  }
}

interface Run {
  readonly postgres: EmbeddedPostgres
  readonly redis: RedisServer | null
  readonly directory: string
}

interface Shared {
  users: number
  run: Promise<Run>
}

const KEY = Symbol.for('dingtalk-delivery-tracker.test-run')

/** Every project evaluates this module for itself, all in one process: what they share hangs on the global object. */
const shared = globalThis as typeof globalThis & { [KEY]?: Shared }

/** Started for the first project that asks, stopped after the last. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared[KEY] ??= { users: 0, run: start() }
  const mine = shared[KEY]
  mine.users += 1
  const { postgres, redis, directory } = await mine.run
  project.provide('postgresUrl', postgres.url)
  project.provide('redisUrl', redis?.url ?? null)
  project.provide('runDirectory', directory)
  return async () => {
    mine.users -= 1
    if (mine.users > 0) return
    delete shared[KEY]
    await stop(await mine.run)
  }
}

/** What lies in memory there: a database is made in a tenth of the time. */
const MEMORY = '/dev/shm'
/** Several times what the databases of a run and their log take at one time. */
const ENOUGH_BYTES = 2 ** 31

async function start(): Promise<Run> {
  if (!(await hasMemory())) return startIn(tmpdir())
  // A folder in memory may forbid what a disk allows, such as running a program.
  return startIn(MEMORY).catch(() => startIn(tmpdir()))
}

async function hasMemory(): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(MEMORY)
    return bavail * bsize > ENOUGH_BYTES
  } catch {
    return false
  }
}

async function startIn(parent: string): Promise<Run> {
  const directory = await mkdtemp(join(parent, 'dingtalk-delivery-tests-'))
  // As root, PostgreSQL runs as another user.
  await chmod(directory, 0o711)
  try {
    const postgres = await startEmbeddedPostgres({
      directory: join(directory, 'postgres'),
      durable: false,
      settings: { max_connections: '300', max_wal_size: '256MB' },
    })
    const redis = redisAvailable() ? await startRedis({ users: true, dir: directory }) : null
    return { postgres, redis, directory }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

async function stop({ postgres, redis, directory }: Run): Promise<void> {
  await redis?.stop()
  await postgres.close()
  await rm(directory, { recursive: true, force: true })
}
