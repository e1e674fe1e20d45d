import type { BandStep, ForbiddenCount, RateColumns } from '../report/rates.ts'
import type { TimeToRead } from '../report/time-to-read.ts'
import type { Display } from './rates.ts'
import { readChart } from './text/chart.ts'
import { type Fact, NO_BREAK } from './text/facts.ts'
import { percent, readBar } from './text/rate.ts'
import { forbiddenInWords, sharesInWords, timeToReadInWords } from './text/reading.ts'
import type { ToldSpan } from './text/sparkline.ts'
import { statesBar } from './text/states.ts'
import { plainText } from './text/table.ts'
import { showTime } from './text/time.ts'

/** What a task and a campaign have to say about their people. */
export interface Figures {
  readonly band: readonly BandStep[]
  readonly timeToRead: TimeToRead
  readonly forbidden: readonly ForbiddenCount[]
  /** The first few of those who were delivered to and have not read. */
  readonly unread: readonly string[]
  /** Everybody who is unread is so as of then at least; null where nobody is. */
  readonly unreadAsOf: Date | null
}

/** So many names are read; all of them are what `unread` is for. */
export const NAMES_SHOWN = 5
const MAX_BAR_WIDTH = 60

/** The two rates with what they are parts of, and the states. */
export function rateFacts(rates: RateColumns, { colors, width }: Display): Fact[] {
  const { read, delivered, targeted } = rates
  const room = Math.max(20, Math.min(MAX_BAR_WIDTH, width - 13))
  const barWidth = Math.max(8, Math.min(20, room - 32))
  const states = statesBar(rates, colors, room)
  return [
    ['Read', `${read} of ${delivered} delivered  ${readBar(rates.readRate, colors, barWidth).replaceAll(' ', NO_BREAK)}`],
    ['Read of all', `${read} of ${targeted} targeted  ${percent(rates.readRateOfTargeted)}`],
    ...(states === null
      ? []
      : ([
          ['States', states.bar],
          ['', states.legend],
        ] satisfies Fact[])),
  ]
}

/** Names go with time; whoever looks for them must be told. */
export function namesFact({ namesRemovedAt }: { readonly namesRemovedAt: Date | null }): Fact {
  return ['Names', namesRemovedAt === null ? null : `removed ${showTime(namesRemovedAt)}; the figures stay`]
}

/** The curve with its title; null while there is nothing to draw. */
export function readCurve({ delivered }: RateColumns, { band }: Figures, span: ToldSpan, display: Display): string | null {
  if (delivered === 0 || band.length === 0) return null
  const title = `${display.colors.bold('Read by then')}, of ${delivered} delivered (░ may have read by then)`
  return `${title}\n${readChart(band, delivered, span, display)}`
}

export function timeFacts({ timeToRead, forbidden }: Figures, { scale }: Pick<ToldSpan, 'scale'>): Fact[] {
  return [
    ['Time to read', timeToReadInWords(timeToRead, scale)],
    ['Read within', sharesInWords(timeToRead.within)],
    ['Forbidden', forbiddenInWords(forbidden)],
  ]
}

/** Who has not read: some names, as of when, and how to get all. */
export function unreadFact({ unread }: RateColumns, { unread: names, unreadAsOf }: Figures, command: string): Fact {
  if (unread === 0) return ['Unread', null]
  const more = unread > names.length ? ` and ${unread - names.length} more` : ''
  return [
    'Unread',
    `${unread} as of ${showTime(unreadAsOf)}: ${names.map((name) => plainText(name)).join(', ')}${more}\nall of them: ${command.replaceAll(' ', NO_BREAK)}`,
  ]
}

/** A name as a shell takes it. */
export function quoted(name: string): string {
  const plain = plainText(name)
  return /^[\p{L}\p{N}._-]+$/u.test(plain) ? plain : `'${plain.replaceAll("'", "'\\''")}'`
}
