import { MINUTE_MS } from '../../../domain/delivery.ts'

/** The pages show times to the minute. The zones of the world differ by whole minutes, so this is the same in each. */
export function isSameMinute(a: Date, b: Date): boolean {
  return Math.floor(a.getTime() / MINUTE_MS) === Math.floor(b.getTime() / MINUTE_MS)
}

/**
 * The time that a list says once, above its rows: the one that most of the rows have, to the minute. A row says its own where it is another.
 * Null: no time is that of more than half of the rows, so each has its own.
 */
export function commonTime(times: readonly Date[]): Date | null {
  const counts = new Map<number, { readonly at: Date; readonly rows: number }>()
  for (const at of times) {
    const minute = Math.floor(at.getTime() / MINUTE_MS)
    const known = counts.get(minute)
    counts.set(minute, { at: known?.at ?? at, rows: (known?.rows ?? 0) + 1 })
  }
  const most = [...counts.values()].toSorted((a, b) => b.rows - a.rows)[0]
  return most !== undefined && most.rows * 2 > times.length ? most.at : null
}

/** The time of all rows of a list; null where one has another, or there is one row only. */
export function sharedTime(times: ReadonlyArray<Date | null>): Date | null {
  const known = times.filter((at) => at !== null)
  return times.length > 1 && known.length === times.length && known.every((at) => isSameMinute(at, known[0] ?? at))
    ? (known[0] ?? null)
    : null
}
