import { TrackerError } from '../domain/errors.ts'

/** Addresses of Redis with several servers. A plain `redis://` or `rediss://` is the client's own form and is not read here. */

export interface RedisHost {
  readonly host: string
  readonly port: number
}

interface Common {
  /** The sentinels, or the nodes of the cluster that are asked first. */
  readonly hosts: readonly RedisHost[]
  readonly username: string | null
  readonly password: string | null
  /** TLS to the servers that hold the queue. */
  readonly tls: boolean
  /** 4 or 6: only addresses of this version of IP. Null: both. */
  readonly family: 4 | 6 | null
}

export interface SentinelAddress extends Common {
  readonly kind: 'sentinel'
  /** What the sentinels call the group of servers. */
  readonly master: string
  readonly database: number
  readonly sentinelUsername: string | null
  readonly sentinelPassword: string | null
  readonly sentinelTls: boolean
}

export interface ClusterAddress extends Common {
  readonly kind: 'cluster'
}

// User and password stand before the first host. The forms leave them out: a log would take them for real ones and hide them.
const SENTINEL_FORM = 'redis+sentinel://HOST[:26379],HOST,…/MASTER[/DATABASE]'
const CLUSTER_FORM = 'redis+cluster://HOST[:6379],HOST,…'
export const REDIS_SCHEMES = ['redis://', 'rediss://'] as const

const KINDS = {
  sentinel: { form: SENTINEL_FORM, port: 26_379, parameters: ['sentinel_username', 'sentinel_password', 'sentinel_tls', 'family'] },
  cluster: { form: CLUSTER_FORM, port: 6379, parameters: ['family'] },
} as const

/** More sentinels or nodes than anyone has; each is asked in turn. */
const MAX_HOSTS = 50

/**
 * Null where the text is no address of sentinels or of a cluster.
 * @throws {Error} with what is wrong as a sentence without its subject ("names no host …"), and never a part that may be a secret
 */
export function parseSeveralRedis(text: string): SentinelAddress | ClusterAddress | null {
  const [, secure = '', kind = '', rest = ''] = /^redis(s?)\+(sentinel|cluster):\/\/(.*)$/s.exec(text) ?? []
  if (kind !== 'sentinel' && kind !== 'cluster') {
    if (namesSeveralHosts(text)) throw new Error(`names several hosts. Several sentinels: ${SENTINEL_FORM}; a cluster: ${CLUSTER_FORM}.`)
    return null
  }
  const { hosts, userInfo, path, parameters } = splitAddress(rest, kind)
  const common = {
    ...{ hosts: parseHosts(hosts, kind), ...parseUserInfo(userInfo), tls: secure === 's' },
    family: oneOfWords(parameters, 'family', { '4': 4, '6': 6 } as const, null),
  }
  if (kind === 'sentinel') return { kind, ...common, ...parseMaster(path), ...parseSentinels(parameters, common.tls) }
  if (!/^\/?0?$/.test(path)) throw new Error(`has a path, and a cluster has database 0 only. ${formOf(kind)}`)
  return { kind, ...common }
}

function splitAddress(rest: string, kind: keyof typeof KINDS) {
  const parts = /^(?:([^@/?#]*)@)?([^@/?#]*)(\/[^@?#]*)?(?:\?([^@#]*))?$/.exec(rest)
  if (parts === null)
    throw new Error(`has an "@", "/", "?" or "#" in the user or password. Write it as %40, %2F, %3F or %23. ${formOf(kind)}`)
  const [, userInfo = '', hosts = '', path = '', query = ''] = parts
  return { userInfo, hosts, path, parameters: parseParameters(query, kind) }
}

function parseSentinels(parameters: ReadonlyMap<string, string>, tls: boolean) {
  return {
    sentinelUsername: parameters.get('sentinel_username') ?? null,
    sentinelPassword: parameters.get('sentinel_password') ?? null,
    sentinelTls: oneOfWords(parameters, 'sentinel_tls', { yes: true, no: false }, tls),
  }
}

const formOf = (kind: keyof typeof KINDS): string => `Accepted: ${KINDS[kind].form}.`

function namesSeveralHosts(text: string): boolean {
  const [, authority = ''] = /^rediss?:\/\/([^/?#]*)/.exec(text) ?? []
  return authority.slice(authority.lastIndexOf('@') + 1).includes(',')
}

/** An empty text is null: `redis+sentinel://:password@…` has no user. */
function parseUserInfo(text: string): Pick<Common, 'username' | 'password'> {
  const colon = text.indexOf(':')
  const [username, password] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return { username: decode(username, 'user') || null, password: decode(password, 'password') || null }
}

function parseHosts(text: string, kind: keyof typeof KINDS): RedisHost[] {
  if (text === '') throw new Error(`names no host. ${formOf(kind)}`)
  const hosts = text.split(',')
  if (hosts.length > MAX_HOSTS) throw new Error(`names ${hosts.length} hosts. Accepted: ${MAX_HOSTS} at most.`)
  return hosts.map((host, i) => parseHost(host.trim(), i + 1, kind))
}

function parseHost(text: string, place: number, kind: keyof typeof KINDS): RedisHost {
  const [, six, name, port] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? []
  const host = six ?? name
  const number = Number(port ?? KINDS[kind].port)
  if (host === undefined || number < 1 || number > 65_535)
    throw new Error(`has no host name, or no port from 1 to 65535, at place ${place} of its hosts. ${formOf(kind)}`)
  return { host, port: number }
}

function parseMaster(path: string): Pick<SentinelAddress, 'master' | 'database'> {
  const [, name = '', database = '0', ...more] = path.split('/')
  if (name === '') throw new Error(`lacks the name of the master that the sentinels watch. ${formOf('sentinel')}`)
  const master = decode(name, 'name of the master')
  // The characters that a sentinel accepts in the name.
  if (!/^[\w.-]{1,200}$/.test(master))
    throw new Error('has a name of the master with other characters than letters, digits, "_", "-" and "."')
  if (!/^\d{0,5}$/.test(database) || more.length > 0)
    throw new Error(`has something else than the number of a database after the name of the master. ${formOf('sentinel')}`)
  return { master, database: Number(database) }
}

function parseParameters(query: string, kind: keyof typeof KINDS): ReadonlyMap<string, string> {
  const known: readonly string[] = KINDS[kind].parameters
  const found = new Map<string, string>()
  for (const pair of query.split('&').filter((each) => each !== '')) {
    const [name = '', ...value] = pair.split('=')
    if (!known.includes(name)) {
      // A name may be a piece of a password with an unescaped "?".
      const shown = /^[a-z_]{2,32}$/i.test(name) ? ` "${name}"` : ''
      throw new Error(`has an unknown parameter${shown}. Accepted: ${known.join(', ')}.`)
    }
    if (found.has(name)) throw new Error(`has the parameter "${name}" twice.`)
    found.set(name, decode(value.join('='), `parameter "${name}"`))
  }
  return found
}

function oneOfWords<T, F>(parameters: ReadonlyMap<string, string>, name: string, words: Readonly<Record<string, T>>, fallback: F): T | F {
  const given = parameters.get(name)
  if (given === undefined) return fallback
  const value = Object.hasOwn(words, given) ? words[given] : undefined
  if (value === undefined) throw new Error(`has another "${name}" than ${Object.keys(words).join(' or ')}.`)
  return value
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(`has a "%" in the ${what} that begins no escape. Write it as %25.`)
  }
}

/** Redis Cluster keeps keys with the same tag on one node: what stands between the first "{" and the next "}", unless that is nothing. */
export function hasHashTag(prefix: string): boolean {
  return /^[^{]*\{[^}]+\}/.test(prefix)
}

/**
 * The prefix as a cluster needs it: all keys of a queue have to be on one node. `bull` becomes `{bull}`.
 * @throws {TrackerError} `INVALID_CONFIG` where a brace at the beginning makes that impossible
 */
export function clusterPrefix(prefix: string): string {
  const tagged = hasHashTag(prefix) ? prefix : `{${prefix}}`
  if (!hasHashTag(tagged)) {
    const message = `QUEUE_PREFIX "${prefix}" begins with "}", so it cannot be a hash tag of Redis Cluster. Give another one, such as bull.`
    throw new TrackerError('INVALID_CONFIG', message)
  }
  return tagged
}
