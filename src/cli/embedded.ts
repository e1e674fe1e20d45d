import { connect } from 'node:net'
import type { Config, QueueConfig } from '../app/config/config.ts'
import { TrackerError } from '../domain/errors.ts'
import type { Context } from './context.ts'

/** Where `start` keeps its own PostgreSQL, from the working directory. */
export const EMBEDDED_DIRECTORY = './.data/postgres'

/**
 * The configuration, with the database that `start` runs in this directory where no variable names another.
 * So `start` in one terminal and `report` in the next need no settings.
 */
export async function configWithEmbedded(context: Context): Promise<Config> {
  const config = context.config()
  if (config.databaseUrl !== null || config.queue !== null) return config
  const embedded = await embeddedAddress(context.resolvePath(EMBEDDED_DIRECTORY))
  if (embedded === null) return config
  if (!(await isListening(embedded.port))) {
    const remedy = 'Run that in this directory, or set DATABASE_URL to another database.'
    throw new TrackerError(
      'DATABASE_UNAVAILABLE',
      `The PostgreSQL of "npx dingtalk-delivery start" in ${EMBEDDED_DIRECTORY} is not running. ${remedy}`,
    )
  }
  return context.config({ DATABASE_URL: embedded.url })
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (listens: boolean) => {
      socket.destroy()
      resolve(listens)
    }
    socket.on('connect', () => answer(true)).on('error', () => answer(false))
  })
}

/** Where that database listens, or listened last; null where none was ever started. */
async function embeddedAddress(directory: string): Promise<{ readonly url: string; readonly port: number } | null> {
  const [{ readSettings }, { SUPERUSER }, { EMBEDDED_DATABASE }] = await Promise.all([
    import('../embedded/settings.ts'),
    import('../embedded/cluster.ts'),
    import('../embedded/postgres.ts'),
  ])
  const { password, port } = await readSettings(directory)
  return port === undefined ? null : { port, url: `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${EMBEDDED_DATABASE}` }
}

/** @throws {TrackerError} `INVALID_CONFIG` where a command cannot do without the database */
export function requireDatabase(config: Config): string {
  if (config.databaseUrl !== null) return config.databaseUrl
  const remedy =
    'Give the address of the PostgreSQL database, such as postgres://host:5432/dingtalk, or run "npx dingtalk-delivery start" in this directory.'
  throw new TrackerError('INVALID_CONFIG', `DATABASE_URL is not set. ${remedy}`)
}

/** @throws {TrackerError} `INVALID_CONFIG` where a command cannot do without the queue */
export function requireQueue(config: Config): QueueConfig {
  if (config.queue !== null) return config.queue
  throw new TrackerError('INVALID_CONFIG', 'QUEUE_URL is not set. Give the address of the queue that the worker uses.')
}
