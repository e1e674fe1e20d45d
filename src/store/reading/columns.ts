import type { RateColumns } from '../../report/rates.ts'
import { Prisma } from '../generated/client.ts'
import { number, numberOrNull, type Row } from '../rows.ts'

/** The columns that tasks and campaigns share. */
export const RATES = Prisma.raw('targeted, delivered, read, unread, pending, failed, forbidden, invalid, read_rate, read_rate_of_targeted')

export function ratesOf(row: Row): RateColumns {
  return {
    targeted: number(row, 'targeted'),
    delivered: number(row, 'delivered'),
    read: number(row, 'read'),
    unread: number(row, 'unread'),
    pending: number(row, 'pending'),
    failed: number(row, 'failed'),
    forbidden: number(row, 'forbidden'),
    invalid: number(row, 'invalid'),
    readRate: numberOrNull(row, 'read_rate'),
    readRateOfTargeted: numberOrNull(row, 'read_rate_of_targeted'),
  }
}
