import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server's own database, from which the others are made. Use `createTestDatabase`. */
    postgresUrl: string
    /** A folder that lives as long as the run. */
    runDirectory: string
  }
}

interface Run {
  readonly postgres: EmbeddedPostgres
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
  const { postgres, directory } = await mine.run
  project.provide('postgresUrl', postgres.url)
  project.provide('runDirectory', directory)
  return async () => {
    mine.users -= 1
    if (mine.users > 0) return
    delete shared[KEY]
    await stop(await mine.run)
  }
}

async function start(): Promise<Run> {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-tests-'))
  // As root, PostgreSQL runs as another user.
  await chmod(directory, 0o711)
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, 'postgres'),
    durable: false,
    settings: { max_connections: '300' },
  }).catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true })
    throw error
  })
  return { postgres, directory }
}

async function stop({ postgres, directory }: Run): Promise<void> {
  await postgres.close()
  await rm(directory, { recursive: true, force: true })
}
