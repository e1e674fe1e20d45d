import { Socket } from 'node:net'
import { clientConfig } from '../lib/postgres-client.ts'

/** BullMQ's own namespace in the database. */
export const POSTGRES_SCHEMA = 'bullmq'

export interface PostgresTimeouts {
  /** The server stops a statement that runs for longer. */
  readonly statementMs: number
  /** The client drops the connection when a statement has no answer after this time. */
  readonly queryMs: number
}

/** @param max number of connections */
export function postgresOptions(url: string, max: number, { statementMs, queryMs }: PostgresTimeouts) {
  return {
    ...clientConfig(url),
    max,
    schema: POSTGRES_SCHEMA,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementMs,
    query_timeout: queryMs,
  }
}

/** `pg` has no code for a server that did not answer within `query_timeout`. */
export function isQueryTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** The sockets of one pool. `pg` ends a pool only after each server has closed its side, which a server that is away never does. */
export interface Sockets {
  /** For `pg`, as its option `stream`. */
  readonly open: () => Socket
  destroy(): void
  /** After every caller's timeout. Until then the sockets keep no process alive. */
  destroyLater(): void
}

const DESTROY_AFTER_MS = 40_000

export function openSockets(): Sockets {
  const open = new Set<Socket>()
  const destroy = (): void => open.forEach((socket) => socket.destroy())
  return {
    open() {
      const socket = new Socket()
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      return socket
    },
    destroy,
    destroyLater() {
      for (const socket of open) socket.unref()
      setTimeout(destroy, DESTROY_AFTER_MS).unref()
    },
  }
}
