import type { PostgresAddress, ServerName } from './postgres-address.ts'
import { WrongServer } from './postgres-connect-error.ts'
import { AddressFault, type TargetSession } from './postgres-parameters.ts'
import { type Encryption, encryptionsOf } from './postgres-tls.ts'

/** One way to one server, and what the server must be. */
export interface Way extends ServerName {
  readonly encryption: Encryption
  readonly wanted: TargetSession
}

/** Every way of an address, in the order in which they are tried. */
export function waysTo(address: PostgresAddress): readonly Way[] {
  const { servers, tls, target, isBalanced } = address
  const ordered = isBalanced ? shuffled(servers) : servers
  const all = (wanted: TargetSession): Way[] =>
    ordered.flatMap((server) => {
      const encryptions = encryptionsOf(tls, server.host)
      const isPlain = PLAIN.get(address)?.has(nameOf(server)) === true
      return (isPlain ? encryptions.toReversed() : encryptions).map((encryption) => ({ ...server, encryption, wanted }))
    })
  return target === 'prefer-standby' ? [...all(target), ...all('any')] : all(target)
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}

/** `host:port`, or the path of a socket, for messages. */
export function nameOf({ host, port }: ServerName): string {
  if (host.startsWith('/')) return `${host.replace(/\/+$/, '')}/.s.PGSQL.${port}`
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * The servers of an address with sslmode=prefer that have said that they have no TLS. They are tried without it first, which saves a connection
 * each time. That is no weaker: prefer goes on without TLS anyway.
 */
const PLAIN = new WeakMap<PostgresAddress, Set<string>>()

export function rememberPlain(address: PostgresAddress, way: Way): void {
  const servers = PLAIN.get(address) ?? new Set()
  PLAIN.set(address, servers.add(nameOf(way)))
}

export function isWithoutTls(error: unknown): boolean {
  return error instanceof Error && error.message === 'The server does not support SSL connections'
}

/** Errors after which the same server is not tried with another encryption. */
const UNREACHABLE = /^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENOENT|EACCES|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/

/**
 * The server answered nothing, or broke off. It said nothing about encryption, so another one is no remedy: a sender that is closed in an outage
 * would wait for both.
 */
const SILENT: ReadonlySet<string> = new Set(['timeout expired', 'Connection terminated unexpectedly'])

/** What is still tried after a failure. As in libpq, a refused log-in is not repeated at another server. */
export function waysAfter(error: unknown, { host, port }: Way, others: readonly Way[]): readonly Way[] {
  if (error instanceof AddressFault) return []
  const isSame = (way: Way): boolean => way.host === host && way.port === port
  const [next] = others
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const message = error instanceof Error ? error.message : ''
  // By pg_hba.conf: the rule may be for connections with TLS, or without.
  if (code === '28000') return next !== undefined && isSame(next) ? [next] : []
  if (/^(28|3D)/.test(code) || /^SASL|channel binding/.test(message)) return []
  const isServerDone = error instanceof WrongServer || UNREACHABLE.test(code) || SILENT.has(message)
  return isServerDone && next !== undefined && isSame(next) ? others.slice(1) : others
}
