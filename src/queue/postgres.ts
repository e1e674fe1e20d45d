import { Socket } from 'node:net'
import { DEFAULT_QUEUE_SCHEMA } from '../lib/database-schema.ts'
import { clientConfig } from '../lib/postgres-client.ts'

/** Of BullMQ's tables, where no other is chosen. */
export const POSTGRES_SCHEMA = DEFAULT_QUEUE_SCHEMA

export interface PostgresTimeouts {
  /** The server stops a statement that runs for longer. */
  readonly statementMs: number
  /** The client drops the connection when a statement has no answer after this time. */
  readonly queryMs: number
}

/**
 * @param max number of connections
 * @param schema of BullMQ's tables
 */
export function postgresOptions(url: string, max: number, { statementMs, queryMs }: PostgresTimeouts, schema = POSTGRES_SCHEMA) {
  return {
    ...clientConfig(withoutOptions(url)),
    max,
    schema,
    // BullMQ adds its search path behind them, and the last one counts. Options in the URL would replace both.
    ...optionsIn(url),
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementMs,
    query_timeout: queryMs,
  }
}

/** The settings of a session in an address: `?options=-c search_path=…`. */
function optionsIn(url: string): { readonly options?: string } {
  const given = new URLSearchParams(queryOf(url)).get('options')
  return given === null ? {} : { options: given }
}

function withoutOptions(url: string): string {
  const parameters = queryOf(url)
    .split('&')
    .filter((parameter) => !parameter.startsWith('options='))
  const address = url.slice(0, url.length - queryOf(url).length).replace(/\?$/, '')
  return parameters.length === 0 ? address : `${address}?${parameters.join('&')}`
}

/** Not by the class URL, which refuses an address with several hosts. */
function queryOf(url: string): string {
  return url.includes('?') ? url.slice(url.indexOf('?') + 1) : ''
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
