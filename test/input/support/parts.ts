import { HOSTILE_TEXTS } from './values.ts'

/** What a program may write into an address, which is no text of JavaScript any more. */
export const HOSTILE_PARTS: readonly string[] = [
  ...HOSTILE_TEXTS.filter((text) => text.length < 700 && text.isWellFormed()).map(encodeURIComponent),
  '%',
  '%zz',
  '%ff',
  '%C0%80',
  '%ED%A0%80',
  '+',
  '%2B1',
  '..%2F..%2Fetc%2Fpasswd',
  '1e9',
  '1%00',
  'x'.repeat(4_000),
  Buffer.from('["tasks","2026-11-23T01:00:00.000Z","a\\u0000","1"]').toString('base64url'),
  Buffer.from('["tasks",{"__proto__":1}]').toString('base64url'),
  Buffer.from('[]').toString('base64url'),
]

/** A part of a path; without these it is another path. */
export const IN_PATH = HOSTILE_PARTS.filter((part) => part !== '' && part !== '.' && part !== '..')

/** One in `n`, from another beginning each time, so that in the end each has its turn. */
export function inTurnOf(n: number): <T>(items: readonly T[]) => T[] {
  let turn = 0
  return (items) => {
    turn++
    return items.filter((_, i) => (i + turn) % n === 0)
  }
}

/** Some at a time. */
export async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += 16) await Promise.all(items.slice(i, i + 16).map(work))
}
