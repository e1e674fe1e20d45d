import type { ClusterNode, ClusterOptions, RedisOptions } from 'ioredis'
import { TrackerError } from '../domain/errors.ts'
import { describeKind } from '../domain/quote.ts'
import { clusterPrefix } from '../lib/redis-address.ts'

/**
 * Redis as a program that uses ioredis already has it: a client, the options of one, or the nodes and options of a cluster. A client is duplicated
 * and never closed. Connection, log-in, TLS, DNS and address mapping are the program's. Time limits, retries and queues of commands are always
 * the tracker's, so that a sender fails within two seconds and a worker waits for its server.
 */
export type GivenRedis = RedisClient | RedisOptions | ClusterOfCaller

/** What is used of a `Redis` or `Cluster` of ioredis 5 or 6. */
export interface RedisClient {
  readonly options: object
  duplicate(...args: never[]): unknown
  defineCommand(...args: never[]): unknown
}

export interface ClusterOfCaller extends ClusterOptions {
  readonly nodes: readonly ClusterNode[]
}

export function isRedisClient(given: GivenRedis): given is RedisClient {
  return typeof Reflect.get(given, 'duplicate') === 'function' && typeof Reflect.get(given, 'defineCommand') === 'function'
}

export function isClusterOfCaller(given: GivenRedis): given is ClusterOfCaller {
  return Array.isArray(Reflect.get(given, 'nodes'))
}

const ACCEPTED = 'Accepted: a Redis or Cluster of ioredis, the options of one, or { nodes: […], ...options } for a cluster.'

/**
 * What is wrong with the option, as a sentence without its subject; null where nothing is.
 * BullMQ cannot work with `keyPrefix`: its scripts make keys that the client does not see.
 */
export function findRedisFault(given: unknown): string | null {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return `must be an object, not ${describeKind(given)}. ${ACCEPTED}`
  const isClient = isRedisClient(given)
  // Another client of Redis, such as node-redis or Bun's.
  if (!isClient && (typeof Reflect.get(given, 'sendCommand') === 'function' || typeof Reflect.get(given, 'send') === 'function'))
    return `is a client of another package than ioredis. ${ACCEPTED}`
  const options: unknown = isClient ? given.options : given
  if (findDeep(options, 'keyPrefix')) return 'has a keyPrefix, which BullMQ cannot use. Leave it out, and give queuePrefix.'
  if (isClient || !isClusterOfCaller(given)) return null
  if (given.nodes.length === 0) return `names no node. ${ACCEPTED}`
  return Reflect.get(given.redisOptions ?? {}, 'db') ? 'has a db, and a cluster has database 0 only.' : null
}

/** A cluster has the options of its connections one level deeper. */
function findDeep(options: unknown, name: string): boolean {
  if (typeof options !== 'object' || options === null) return false
  return [options, Reflect.get(options, 'redisOptions')].some(
    (each: unknown) => typeof each === 'object' && each !== null && Boolean(Reflect.get(each, name)),
  )
}

/**
 * @param name what the caller calls it
 * @throws {TrackerError} `INVALID_CONFIG`
 */
export function assertGivenRedis(name: string, given: unknown): asserts given is GivenRedis {
  const fault = findRedisFault(given)
  if (fault !== null) throw new TrackerError('INVALID_CONFIG', `${name} ${fault}`)
}

/** For logs and errors: hosts and ports, and nothing that is secret. */
export function describeGivenRedis(given: GivenRedis): string {
  const isCluster = Reflect.get(given, 'isCluster') === true || isClusterOfCaller(given)
  return isCluster ? 'redis+cluster://(given by the program)' : 'redis://(given by the program)'
}

/** Where Redis is. */
export interface RedisTarget {
  readonly url: string
  /** Instead of the URL. */
  readonly given?: GivenRedis | undefined
}

/**
 * As BullMQ is given it: a cluster needs all keys of a queue on one node.
 * @throws {TrackerError} `INVALID_CONFIG` where a cluster cannot have it
 */
export function prefixFor({ url, given, prefix }: RedisTarget & { readonly prefix: string }): string {
  const isOnCluster =
    given === undefined ? /^rediss?\+cluster:/.test(url) : Reflect.get(given, 'isCluster') === true || isClusterOfCaller(given)
  return isOnCluster ? clusterPrefix(prefix) : prefix
}
