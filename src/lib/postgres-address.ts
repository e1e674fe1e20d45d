import { quote } from '../domain/quote.ts'
import { AddressFault, type Given, type Parameters, readParameters } from './postgres-parameters.ts'

/** One server of an address. */
export interface ServerName {
  /** A host name, an IP address without brackets, or the directory of a socket, which begins with "/". */
  readonly host: string
  readonly port: number
}

/** What an address of PostgreSQL says, with what the variables of libpq add to it. */
export interface PostgresAddress extends Parameters {
  /** In the order in which they are tried; one at least. */
  readonly servers: readonly [ServerName, ...ServerName[]]
}

/** The environment, of which libpq's variables are read. */
type Environment = Readonly<Record<string, string | undefined>>

/** user information up to the last "@" before the path, hosts, the path, the query. Unlike other URLs it has no fragment: "#" is no special character. */
const ADDRESS = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s

const HOSTS = /^(?:(?:\[[^\]]*\]|[^:,[]*)(?::\d*)?(?:,|$))*$/

/** The variables of libpq, by the parameter that each stands for. PGUSER, PGPASSWORD and PGDATABASE are read by `pg`. Source: PostgreSQL's manual, 34.15. */
const LIBPQ_VARIABLES: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  sslnegotiation: 'PGSSLNEGOTIATION',
  channel_binding: 'PGCHANNELBINDING',
  target_session_attrs: 'PGTARGETSESSIONATTRS',
  load_balance_hosts: 'PGLOADBALANCEHOSTS',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
}

/**
 * Reads an address as libpq does, and the parameters of Prisma. What the address leaves out is taken from libpq's variables.
 * @param text `postgres://…` or `postgresql://…`
 * @throws {AddressFault}
 */
export function parsePostgresAddress(text: string, env: Environment): PostgresAddress {
  const parts = ADDRESS.exec(text)
  if (parts === null) throw new AddressFault('is not postgres://user:password@host:port/database')
  const [, userInfo, authority = '', path, query] = parts
  // What follows may then be a part of a password, which no message may show.
  if (userInfo === undefined && (path?.includes('@') === true || (query?.includes('@') === true && !HOSTS.test(authority))))
    throw new AddressFault('has a "/" or "?" in the user or the password: write "/" as %2F and "?" as %3F')
  const separator = userInfo?.indexOf(':') ?? -1
  const user = separator < 0 ? userInfo : userInfo?.slice(0, separator)
  const inAddress: Given = new Map([
    ...present('user', user, 'the user'),
    ...present('password', separator < 0 ? undefined : userInfo?.slice(separator + 1), 'the password'),
    ...present('dbname', path, 'the name of the database'),
    ...splitAuthority(authority),
    ...readQuery(query),
  ])
  const given: Given = new Map([...fromEnvironment(env, inAddress), ...inAddress])
  const address = { ...readParameters(given), servers: readServers(given) }
  hide(address, 'password')
  hide(address.tls, 'keyPassword')
  return address
}

/** Copies by reference keep it, and nothing that prints an object shows it. */
function hide<T extends object>(owner: T, property: keyof T): void {
  Object.defineProperty(owner, property, { enumerable: false })
}

function fromEnvironment(env: Environment, inAddress: Given): Given {
  return new Map(
    Object.entries(LIBPQ_VARIABLES).flatMap(([name, variable]) => {
      const text = env[variable] ?? ''
      const isTaken = name === 'sslmode' && inAddress.has('ssl')
      return text === '' || isTaken ? [] : [[name, { text, label: variable }] as const]
    }),
  )
}

function present(name: string, encoded: string | undefined, label: string): Given {
  return encoded === undefined || encoded === '' ? new Map() : new Map([[name, { text: decode(encoded, label), label }]])
}

/** `h1:5432,[::1]:5433` as the parameters `host` and `port`, which libpq also gives for several servers. */
function splitAuthority(authority: string): Given {
  if (authority === '') return new Map()
  const servers = authority.split(',').map((server) => {
    const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::([^:]*))?$/.exec(server) ?? []
    if (host === undefined) throw new AddressFault(`names the server ${quote(server)}: an IPv6 address is written in brackets, [::1]:5432`)
    return { host: decode(host.replace(/^\[(.*)\]$/, '$1'), 'the host'), port: port ?? '' }
  })
  const list = (texts: readonly string[]) => texts.join(',')
  return new Map([
    ['host', { text: list(servers.map(({ host }) => host)), label: 'the host' }],
    ...(servers.some(({ port }) => port !== '')
      ? [['port', { text: list(servers.map(({ port }) => port)), label: 'the port' }] as const]
      : []),
  ])
}

function readQuery(query: string | undefined): Given {
  const pairs = (query ?? '').split('&').filter((pair) => pair !== '')
  return new Map(
    pairs.map((pair) => {
      const end = pair.indexOf('=')
      if (end < 0) throw new AddressFault('has a parameter without "=": write name=value, and "&" in a value as %26')
      const name = decode(pair.slice(0, end), 'the name of a parameter')
      // As programs write a space with URLSearchParams. Elsewhere a plus is a plus, as in libpq.
      const value = name === 'options' ? pair.slice(end + 1).replaceAll('+', '%20') : pair.slice(end + 1)
      return [name === 'database' ? 'dbname' : name, { text: decode(value, name), label: name }]
    }),
  )
}

function decode(encoded: string, label: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw new AddressFault(`has a "%" in ${label} that begins no code of a character: write "%" itself as %25`)
  }
}

function readServers(given: Given): PostgresAddress['servers'] {
  const hosts = (given.get('host')?.text ?? '').split(',').map((host) => host.trim())
  const ports = (given.get('port')?.text ?? '').split(',').map((port) => port.trim())
  if (hosts.every((host) => host === ''))
    throw new AddressFault('names no host: write …@host:5432/database, or ?host=/var/run/postgresql for a socket')
  if (ports.length > 1 && ports.length !== hosts.length)
    throw new AddressFault(`has ${hosts.length} hosts and ${ports.length} ports: give one port for all, or one for each`)
  const [first, ...others] = hosts.map((host, i) => {
    if (host === '') throw new AddressFault('has an empty name between its hosts: take the comma away, or write localhost')
    return { host, port: readPort(ports.length === 1 ? ports[0] : ports[i]) }
  })
  if (first === undefined) throw new TypeError('a text has one part at least')
  return [first, ...others]
}

const DEFAULT_PORT = 5432

function readPort(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_PORT
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new AddressFault(`has the port ${quote(text)}. Accepted: a whole number from 1 to 65535`)
}
