import type { Pool } from 'pg'
import { type ClockOffset, computeOffset, mostCertain } from '../lib/clock-offset.ts'
import * as column from './columns.ts'

/** A round trip takes about a millisecond; of three samples one is rarely delayed. */
const SAMPLES = 3

/** What shows the time. */
interface Question {
  /** Gives one row with the epoch milliseconds as `ms`. */
  readonly text: string
  /** It is asked so many times. */
  readonly samples: number
}

export interface MeasuredClock {
  readonly offset: ClockOffset
  /** How long it took to get a connection of the pool, in milliseconds. */
  readonly waitedMs: number
  /** The system clock minus the monotonic one, before the question, in milliseconds. */
  readonly systemMs: number
  /** The last row. */
  readonly row: column.Row
}

const NOW: Question = {
  text: 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS ms',
  samples: SAMPLES,
}

const SHOWN = { ms: column.double('ms') }

/**
 * Measures the database's clock against this machine's monotonic one. The wait for a connection is not part of it.
 * @param question default: the time alone
 * @throws when the database does not answer
 */
export async function measureDatabaseClock(pool: Pool, question = NOW): Promise<MeasuredClock> {
  const startedMs = performance.now()
  const systemMs = Date.now() - startedMs
  const client = await pool.connect()
  const waitedMs = performance.now() - startedMs
  let broken: Error | undefined
  const onError = (error: Error): void => {
    broken = error
  }
  client.on('error', onError)
  let row: column.Row = {}
  const sample = async (): Promise<ClockOffset> => {
    const askedMs = performance.now()
    const { rows } = await client.query<column.Row>(question.text)
    const answeredMs = performance.now()
    row = rows[0] ?? {}
    return computeOffset({ askedMs, answeredMs, shownMs: column.decodeRow(SHOWN, row).ms })
  }
  try {
    const first = await sample()
    const others: ClockOffset[] = []
    while (others.length < question.samples - 1) others.push(await sample())
    return { offset: mostCertain(first, ...others), waitedMs, systemMs, row }
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error))
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}
