import type { Pool } from 'pg'
import { type ClockOffset, computeOffset, mostCertain } from '../lib/clock-offset.ts'

/** A round trip takes about a millisecond; of three samples one is rarely delayed. */
const SAMPLES = 3

export interface MeasuredClock {
  readonly offset: ClockOffset
  /** How long it took to get a connection of the pool, in milliseconds. */
  readonly waitedMs: number
}

/**
 * Measures the database's clock against this machine's monotonic one. The wait for a connection is not part of it.
 * @throws when the database does not answer
 */
export async function measureDatabaseClock(pool: Pool): Promise<MeasuredClock> {
  const startedMs = performance.now()
  const client = await pool.connect()
  const waitedMs = performance.now() - startedMs
  let broken: Error | undefined
  const onError = (error: Error): void => {
    broken = error
  }
  client.on('error', onError)
  const sample = async (): Promise<ClockOffset> => {
    const askedMs = performance.now()
    const { rows } = await client.query<{ ms: number }>(NOW)
    const answeredMs = performance.now()
    const [row] = rows
    if (row === undefined) throw new TypeError('a question for the time gives one row')
    return computeOffset({ askedMs, answeredMs, shownMs: row.ms })
  }
  try {
    const first = await sample()
    const others: ClockOffset[] = []
    while (others.length < SAMPLES - 1) others.push(await sample())
    return { offset: mostCertain(first, ...others), waitedMs }
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

const NOW = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS ms'
