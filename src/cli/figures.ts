import { formatRate } from '../report/rate.ts'
import type { RateColumns, RecipientStatus } from '../report/rates.ts'
import type { ReadFigures } from '../report/task-report.ts'
import { pastShares } from '../report/time-to-read.ts'
import type { Display } from './rates.ts'
import { readBar, type Span, sparkline, statesBar } from './text/bars.ts'
import { type Fact, NO_BREAK } from './text/layout.ts'
import { describeForbidden, describeShares, describeTimeToRead } from './text/reading.ts'
import { plainText } from './text/table.ts'
import { showTime } from './text/time.ts'

/** So many people are shown; the command `unread` lists all. */
export const NAMES_SHOWN = 5
const MAX_BAR_WIDTH = 60

/** The two rates with their counts, the states, and the read curve. */
export function rateFacts(rates: RateColumns, { curve }: Pick<ReadFigures, 'curve'>, span: Span, { colors, width }: Display): Fact[] {
  const { read, delivered, targeted } = rates
  const room = Math.max(20, Math.min(MAX_BAR_WIDTH, width - 13))
  const barWidth = Math.max(8, Math.min(20, room - 32))
  const states = statesBar(rates, colors, room)
  return [
    ['Read', `${read} of ${delivered} delivered  ${readBar(rates.readRate, colors, barWidth).replaceAll(' ', NO_BREAK)}`],
    ['Read of all', `${read} of ${targeted} targeted  ${formatRate(rates.readRateOfTargeted)}`],
    ['Read curve', delivered === 0 ? null : sparkline(curve, delivered, span, room).replaceAll(' ', NO_BREAK)],
    ['States', states?.bar ?? null],
    ['', states?.legend ?? null],
  ]
}

export function namesFact({ namesRemovedAt }: { readonly namesRemovedAt: Date | null }): Fact {
  return ['Names', namesRemovedAt === null ? null : `removed ${showTime(namesRemovedAt)}; the figures stay`]
}

/** @param elapsedMs since the send, of the 24-hour window; @param scale see `scaleOf` */
export function timeFacts({ timeToRead, forbidden }: ReadFigures, elapsedMs: number, scale: number): Fact[] {
  return [
    ['Time to read', describeTimeToRead(timeToRead, scale)],
    ['Read within', describeShares(pastShares(timeToRead, elapsedMs))],
    ['Forbidden', describeForbidden(forbidden)],
  ]
}

/** Some unread people, as of when, and the command that lists all. @param people the first few of them */
export function unreadFact({ unread }: RateColumns, unreadAsOf: Date | null, people: readonly Named[], command: string): Fact {
  if (unread === 0) return ['Unread', null]
  const more = unread > people.length ? ` and ${unread - people.length} more` : ''
  return [
    'Unread',
    `${unread} as of ${showTime(unreadAsOf)}: ${people.map(describePerson).join(', ')}${more}\nall of them: ${command.replaceAll(' ', NO_BREAK)}`,
  ]
}

type Named = Pick<RecipientStatus, 'userId' | 'name'>

/** `李伟 (036632523163121146)`; the user id alone where no name is known, or the role may not see it. */
export function describePerson({ userId, name }: Named): string {
  return name === null ? plainText(userId) : `${plainText(name)} (${plainText(userId)})`
}

/** A name as a shell takes it. */
export function shellQuoted(name: string): string {
  const plain = plainText(name)
  return /^[\p{L}\p{N}._-]+$/u.test(plain) ? plain : `'${plain.replaceAll("'", "'\\''")}'`
}
