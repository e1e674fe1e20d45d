import { showAddress } from './redact.ts'

/** More than anyone has: a server of Redis keeps the timers of 10,000 polls a second. */
export const MAX_QUEUE_SHARDS = 64

/** Between two addresses. The hosts of one address are separated by commas, without spaces. */
const BETWEEN = /\s+(?=rediss?(?:\+[a-z]+)?:\/\/)/

/** The servers of an address: several of Redis may stand in one text, separated by spaces. */
export function splitServers(url: string): readonly [string, ...string[]] {
  const [first = '', ...others] = url.trim().split(BETWEEN)
  return [first, ...others]
}

/** Addresses without user info and query. */
export function showServers(url: string): string {
  return splitServers(url).map(showAddress).join(' ')
}

/**
 * What is wrong with a number of queues on these servers, as sentences.
 * @param names what the caller calls the two
 */
export function shardFaults(url: string | undefined, shards: number, names: { readonly url: string; readonly shards: string }): string[] {
  if (url === undefined) return []
  const servers = splitServers(url).length
  if (shards > 1 && !url.startsWith('redis'))
    return [`${names.shards}: is ${shards}, and the queue is in PostgreSQL. Several queues are for Redis; take several databases instead.`]
  return servers > shards
    ? [`${names.url}: names ${servers} servers, and ${names.shards} is ${shards}. Give at least as many queues as servers.`]
    : []
}
