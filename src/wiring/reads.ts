import { openDatabase } from '../store/prisma.ts'
import { createRateQueries, type RateQueries } from '../store/rate-query.ts'

export interface Reads {
  readonly rates: RateQueries
  close(): Promise<void>
}

/** Opens the database for reading rates. Nothing connects before the first query. */
export function openReads(databaseUrl: string): Reads {
  const database = openDatabase(databaseUrl, { max: 2, applicationName: 'dingtalk-delivery reads' })
  return { rates: createRateQueries(database.prisma), close: () => database.close() }
}
