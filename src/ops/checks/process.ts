import type { Pool } from 'pg'
import type { Finding, Found } from '../../lib/finding.ts'
import type { Locks } from '../../queue/lock-tracker.ts'
import { type DatabaseClock, MAX_CLOCK_DIFFERENCE_MS } from '../clock.ts'
import type { EventLoopWatch } from '../event-loop.ts'
import { seconds, warning } from './check.ts'

const CLOCK_REMEDY =
  'Synchronise the clocks of this machine and of the database (NTP). Times are stamped by the database, so they are right meanwhile; timers of the queue fire early or late.'

/** The system clock against the database's. Positive: this machine is ahead. */
export function clockFound(differenceMs: number): Found {
  const apartMs = Math.abs(differenceMs)
  if (apartMs <= MAX_CLOCK_DIFFERENCE_MS) return { detail: `${Math.round(apartMs)} ms from the database's` }
  return { detail: `${seconds(apartMs)} ${differenceMs > 0 ? 'ahead of' : 'behind'} the database's`, remedy: CLOCK_REMEDY }
}

export function clockCheck(clock: Pick<DatabaseClock, 'differenceMs'>): Promise<Finding> {
  return warning('clock', async () => {
    const differenceMs = clock.differenceMs()
    if (differenceMs === null) throw new Error('the database did not say the time yet.')
    return clockFound(differenceMs)
  })
}

const EVENT_LOOP_REMEDY =
  'Give the process more CPU, or lower WORKER_CONCURRENCY and start more workers. One that is blocked for longer than its locks hands its polls to others.'

/** The longest block of JavaScript in the last minute. @param limitMs a part of the duration of a lock */
export function eventLoopCheck(watch: Pick<EventLoopWatch, 'longestMs'>, limitMs: number): Promise<Finding> {
  return warning('event loop', async () => {
    const longestMs = watch.longestMs()
    const detail = `blocked for ${Math.round(longestMs)} ms at most in the last minute`
    return longestMs > limitMs ? { detail, remedy: EVENT_LOOP_REMEDY } : { detail }
  })
}

const LOCKS_REMEDY =
  'This worker was blocked, stopped, or cut off from the queue for longer than a lock lasts: see its CPU, "event loop", and the network to the queue. What it wrote too late changed nothing.'
/** After this time a lost lock is no warning any more. */
const LOCKS_MS = 3_600_000

/** Polls that another worker took over while this one still ran them. Null: the worker does not run. */
export function locksCheck(locks: Locks | null, now: Date): Promise<Finding> {
  return warning('locks', async () => {
    if (locks === null) throw new Error('the worker does not run.')
    const { lost, found, lastLostAt } = locks
    const others = `; ${found} of other workers were taken over`
    if (lastLostAt === null) return { detail: `none was lost since the start${others}` }
    const agoMs = now.getTime() - lastLostAt.getTime()
    const detail = `${lost} were lost since the start, the last one ${seconds(agoMs)} ago${others}`
    return agoMs < LOCKS_MS ? { detail, remedy: LOCKS_REMEDY } : { detail }
  })
}

const POOL_REMEDY =
  'The database is slow, or the worker has too much at once: check its load and locks (pg_stat_activity), or lower WORKER_CONCURRENCY and start more workers.'
const MAX_WAIT_MS = 1_000

/** Statements that wait for a connection. The clock is measured every few seconds and waits like them. */
export function poolCheck(pool: Pick<Pool, 'waitingCount' | 'totalCount'>, clock: Pick<DatabaseClock, 'waitedMs'>): Promise<Finding> {
  return warning('pool', async () => {
    const waitedMs = clock.waitedMs()
    if (waitedMs === null) throw new Error('the last request for a connection got none.')
    const detail = `${pool.waitingCount} statements wait for one of ${pool.totalCount} connections; the latest was had after ${Math.round(waitedMs)} ms`
    return waitedMs > MAX_WAIT_MS ? { detail, remedy: POOL_REMEDY } : { detail }
  })
}
