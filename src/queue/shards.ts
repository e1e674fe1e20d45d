import { crc32 } from 'node:zlib'
import { MAX_QUEUE_SHARDS, splitServers } from '../lib/queue-shards.ts'
import { isPostgres, type JobQueue, type OpenedQueue, openQueue, type QueueAddress, type Role } from './connection.ts'
import { appOfPollJobId } from './timers.ts'

/** Several queues, by hash of the app, for more timers than one server of Redis can keep. */

export interface ShardedAddress extends QueueAddress {
  /** One server, or several of Redis that are separated by spaces: queue i is on server i modulo their number. */
  readonly url: string
  /** 1: the queue has the name itself. More: `NAME-0`, `NAME-1` and so on. Default 1. */
  readonly shards?: number | undefined
}

/** The same in every language: CRC-32 (as of zlib) of the app's name in ASCII, modulo the number of queues. */
export function shardOf(app: string, shards: number): number {
  return crc32(app) % shards
}

function addressOn(address: ShardedAddress, shard: number, name: string): QueueAddress {
  const servers = splitServers(address.url)
  const { shards: _, ...plain } = address
  return { ...plain, url: servers[shard % servers.length] ?? servers[0], name }
}

const shardName = (name: string, shard: number): string => `${name}-${shard}`

/** The queues of the apps, in the order of their numbers. */
export function appQueues(address: ShardedAddress): QueueAddress[] {
  const { shards = 1, name } = address
  if (shards === 1) return [addressOn(address, 0, name)]
  return Array.from({ length: shards }, (_, i) => addressOn(address, i, shardName(name, i)))
}

/** Those that workers consume from the start: senders may add a request to the one without a number, too. */
export function consumedQueues(address: ShardedAddress): QueueAddress[] {
  const ofApps = appQueues(address)
  return ofApps.length === 1 ? ofApps : [...ofApps, addressOn(address, 0, address.name)]
}

export function isSameQueue(a: QueueAddress, b: QueueAddress): boolean {
  return a.url === b.url && a.name === b.name
}

/** All queues as one: a job goes to the queue of its app, and figures are sums. */
export interface OpenedQueues extends OpenedQueue {
  readonly address: ShardedAddress
  /** In the order of {@link OpenedQueues.each}. */
  names(): readonly string[]
  /** One by one, for what concerns each job. */
  each(): readonly JobQueue[]
  /**
   * Queues that an earlier number of queues or servers left behind, or that a sender with another number fills: those of this name on these
   * servers that have jobs, and are not known yet.
   */
  findLeftovers(): Promise<QueueAddress[]>
  /** Knows another queue from now on. */
  include(address: QueueAddress): void
}

export function openQueues(address: ShardedAddress, role: Role, onError: (error: unknown) => void): OpenedQueues {
  const known: Array<{ readonly at: QueueAddress; readonly opened: OpenedQueue }> = []
  const include = (at: QueueAddress): void => void known.push({ at, opened: openQueue(at, role, onError) })
  for (const at of consumedQueues(address)) include(at)
  const each = (): JobQueue[] => known.map(({ opened }) => opened.it)
  const onePerServer = (): JobQueue[] =>
    known.filter(({ at }, i) => known.findIndex((other) => other.at.url === at.url) === i).map(({ opened }) => opened.it)
  return {
    ...{ address, names: () => known.map(({ at }) => at.name), each, include, it: asOne(address.shards ?? 1, each, onePerServer) },
    async findLeftovers() {
      if (isPostgres(address.url)) return []
      const found = splitServers(address.url).map(async (url) => {
        const here = known.filter(({ at }) => at.url === url)
        const names = leftoverNames(address.name).filter((name) => !here.some(({ at }) => at.name === name))
        const busy = await here[0]?.opened.it.findBusy(names)
        const { shards: _, ...plain } = address
        return (busy ?? []).map((name): QueueAddress => ({ ...plain, url, name }))
      })
      return (await Promise.all(found)).flat()
    },
    close: async () => void (await Promise.all(known.map(({ opened }) => opened.close()))),
    destroy: () => known.forEach(({ opened }) => opened.destroy()),
  }
}

function leftoverNames(name: string): string[] {
  return [name, ...Array.from({ length: MAX_QUEUE_SHARDS }, (_, i) => shardName(name, i))]
}

function asOne(shards: number, each: () => readonly JobQueue[], onePerServer: () => readonly JobQueue[]): JobQueue {
  const ofApp = (app: string): JobQueue | undefined => each()[shardOf(app, shards)]
  const home = (data: unknown): JobQueue => {
    const queue = ofApp(readApp(data) ?? DEFAULT_APP)
    if (queue === undefined) throw new TypeError('there are as many queues as shards')
    return queue
  }
  const all = <T>(ask: (queue: JobQueue) => Promise<T>): Promise<T[]> => Promise.all(each().map(ask))
  const sum = async (ask: (queue: JobQueue) => Promise<number>) => (await all(ask)).reduce((a, b) => a + b, 0)
  return {
    add: (name, data, options) => home(data).add(name, data, options),
    async addBulk(jobs) {
      const added = each().map((queue) => ({ queue, mine: jobs.filter(({ data }) => home(data) === queue) }))
      return (await Promise.all(added.map(async ({ queue, mine }) => (mine.length === 0 ? [] : await queue.addBulk(mine))))).flat()
    },
    async getJob(id) {
      const app = appOfPollJobId(id)
      if (app !== null) return await ofApp(app)?.getJob(id)
      for (const queue of each()) {
        const job = await queue.getJob(id)
        if (job !== undefined) return job
      }
      return undefined
    },
    getRanges: async (states, start, end) => (await all((queue) => queue.getRanges(states, start, end))).flat(),
    count: () => sum((queue) => queue.count()),
    getFailedCount: () => sum((queue) => queue.getFailedCount()),
    isPaused: async () => (await all((queue) => queue.isPaused())).includes(true),
    waitUntilReady: async () => (await all((queue) => queue.waitUntilReady()))[0],
    forgetEvents: async () => void (await all((queue) => queue.forgetEvents())),
    findBusy: async (names) => (await all((queue) => queue.findBusy(names))).flat(),
    async serverInfo() {
      const infos = await Promise.all(onePerServer().map((queue) => queue.serverInfo()))
      return infos.includes(null) ? null : infos.flatMap((info) => info ?? [])
    },
  }
}

const DEFAULT_APP = 'default'

function readApp(data: unknown): string | null {
  const app: unknown = typeof data === 'object' && data !== null && 'app' in data ? data.app : null
  return typeof app === 'string' ? app : null
}
