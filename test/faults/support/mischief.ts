import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../../support/api-page-server.ts'
import type { NodeProcess } from '../../support/process.ts'
import type { ProxyMode } from '../../support/tcp-proxy.ts'
import type { World } from '../../support/world.ts'
import { redisOf, withRedis } from './redis.ts'
import { type Chance, withDatabase } from './scenario.ts'

/** What the soak does harm to. */
export interface Victims {
  readonly world: World
  /** Lives through the entire soak: its memory is watched. */
  readonly veteran: NodeProcess
  /** Killed now and then, and replaced. */
  worker: NodeProcess
}

export interface Mischief {
  readonly name: string
  /** Resolves when the harm is over. */
  readonly harm: (victims: Victims, lot: (from: number, to: number) => number) => Promise<void>
}

const SECOND = 1_000

function throughProxy(name: string, side: 'toQueue' | 'toDatabase', mode: ProxyMode, longestMs: number): Mischief {
  return {
    name,
    async harm({ world }, lot) {
      await world[side].mode(mode)
      await sleep(lot(SECOND / 2, longestMs))
      await world[side].mode('pass')
    },
  }
}

const ON_BOTH: readonly Mischief[] = [
  {
    name: 'a worker is killed and replaced',
    async harm(victims) {
      victims.worker.kill('SIGKILL')
      await victims.worker.exit
      victims.worker = victims.world.launch()
    },
  },
  {
    name: 'a worker is stopped for longer than its lock',
    async harm({ veteran }, lot) {
      veteran.kill('SIGSTOP')
      await sleep(lot(3 * SECOND, 8 * SECOND))
      veteran.kill('SIGCONT')
    },
  },
  {
    name: 'a worker is told to stop and replaced',
    async harm(victims) {
      victims.worker.kill('SIGTERM')
      await victims.worker.exit
      victims.worker = victims.world.launch()
    },
  },
  throughProxy('the queue resets connections', 'toQueue', 'reset', SECOND),
  throughProxy('the queue swallows everything', 'toQueue', 'blackhole', 12 * SECOND),
  throughProxy('the queue is slow', 'toQueue', { latencyMs: 150 }, 8 * SECOND),
  throughProxy('connections to the queue go half-open', 'toQueue', 'halfOpen', SECOND),
  throughProxy('the queue loses a reply', 'toQueue', 'dropOneReply', 3 * SECOND),
  throughProxy('the queue breaks off in a reply', 'toQueue', { truncateTo: 7 }, 3 * SECOND),
  throughProxy('the database resets connections', 'toDatabase', 'reset', SECOND),
  throughProxy('the database swallows everything', 'toDatabase', 'blackhole', 12 * SECOND),
  throughProxy('the database is slow', 'toDatabase', { latencyMs: 150 }, 8 * SECOND),
  throughProxy('the database loses a reply', 'toDatabase', 'dropOneReply', 3 * SECOND),
  {
    name: 'PostgreSQL crashes',
    async harm({ world }, lot) {
      await world.postgres?.crash()
      await sleep(lot(SECOND, 15 * SECOND))
      await world.postgres?.start()
    },
  },
  {
    name: 'all sessions of the database are ended',
    async harm({ world }) {
      await withDatabase(world, (client) =>
        client.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        ),
      )
    },
  },
  {
    name: 'DingTalk misbehaves',
    async harm({ world }, lot) {
      const kinds: readonly Fault[] = ['http500', 'html', 'truncated', 'reset', 'throttle', 'unknownCode', 'empty', 'badToken']
      let asked = 0
      world.server.faults = () => (++asked % 2 === 0 ? (kinds[asked % kinds.length] ?? null) : null)
      await sleep(lot(2 * SECOND, 10 * SECOND))
      world.server.faults = () => null
    },
  },
]

const ON_REDIS: readonly Mischief[] = [
  {
    name: 'Redis crashes',
    async harm({ world }, lot) {
      await redisOf(world).kill('SIGKILL')
      await sleep(lot(SECOND, 20 * SECOND))
      await redisOf(world).restart()
    },
  },
  {
    name: 'Redis hangs',
    async harm({ world }, lot) {
      await redisOf(world).kill('SIGSTOP')
      await sleep(lot(SECOND, 20 * SECOND))
      await redisOf(world).kill('SIGCONT')
    },
  },
  {
    name: 'Redis loses everything',
    harm: async ({ world }) => void (await withRedis(redisOf(world).adminUrl, (redis) => redis.flushall())),
  },
]

const ON_POSTGRES: readonly Mischief[] = [
  {
    name: 'the queue in PostgreSQL loses everything',
    harm: async ({ world }) => void (await withDatabase(world, (client) => client.query('DELETE FROM bullmq.job'))),
  },
]

/** The harm that is done as the `n`th: every kind has its turn, in an order that the seed chooses. */
export function mischiefAt(n: number, backend: World['backend'], chance: Chance): Mischief {
  const kinds = [...ON_BOTH, ...(backend === 'redis' ? ON_REDIS : ON_POSTGRES)]
  const round = Math.floor(n / kinds.length)
  const order = kinds.map((kind, i) => ({ kind, lot: chance.between(0, 1, `round ${round} kind ${i}`) })).sort((a, b) => a.lot - b.lot)
  const { kind } = order[n % kinds.length] ?? {}
  if (kind === undefined) throw new RangeError(`there is no harm number ${n}`)
  return kind
}
