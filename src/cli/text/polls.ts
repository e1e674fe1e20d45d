import type { Look, TaskRates } from '../../report/rates.ts'
import { plannedLooks, timingOf } from '../../domain/poll-times.ts'
import type { Display } from '../rates.ts'
import { NO_BREAK } from './facts.ts'
import { scaleOf } from './sparkline.ts'
import { type Column, plainText, renderTable } from './table.ts'
import { showDistance, showDuration, showShortTime, showTime } from './time.ts'

export function looksTable(looks: readonly Look[], now: Date, { colors, width }: Display): string {
  const count = (title: string, spare: number, show: (look: Look) => number | null): Column<Look> => ({
    title,
    spare,
    align: 'right',
    show: (look) => `${show(look) ?? '–'}`,
  })
  const columns: ReadonlyArray<Column<Look>> = [
    { title: 'Look', align: 'right', show: ({ pollNo }) => String(pollNo) },
    { title: 'At', show: ({ requestedAt }) => showShortTime(requestedAt, now) },
    {
      title: 'Outcome',
      show: ({ outcome, code }) => (outcome === 'observed' ? colors.green('answered') : colors.red(`${outcome} ${plainText(code)}`)),
    },
    count('Read', 0, ({ read }) => read),
    count('Unread', 0, ({ unread }) => unread),
    count('Pending', 2, ({ pending }) => pending),
    count('Changed', 1, ({ changed }) => changed),
    { title: 'Message', spare: 3, shrinkTo: 40, show: ({ message }) => plainText(message, '') },
  ]
  const isSaid = looks.some(({ message }) => message !== null)
  return renderTable(
    columns.filter(({ title }) => isSaid || title !== 'Message'),
    looks,
    colors,
    width,
  )
}

/** A worker that looks in time is never so late. */
const OVERDUE_MS = 60_000
const PLANNED_SHOWN = 3

/** When it will be asked again: the next looks and the last one. Null when there is none. */
export function nextLooksInWords(task: TaskRates, pollsPerTask: number, now: Date): string | null {
  const { nextPollAt } = task
  if (nextPollAt === null) return null
  const ahead = looksAhead(task, nextPollAt, pollsPerTask, now)
  const last = ahead.at(-1) ?? nextPollAt
  const lateMs = now.getTime() - nextPollAt.getTime()
  const soon = lateMs > OVERDUE_MS ? `overdue for ${showDuration(lateMs)}: is a worker running?` : soonInWords([nextPollAt, ...ahead], now)
  return `${soon}\nthe last ${showDistance(last, now)}, ${showTime(last)}`
}

function soonInWords(looks: readonly Date[], now: Date): string {
  const soon = looks.slice(0, PLANNED_SHOWN).map((at) => showDistance(at, now).replaceAll(' ', NO_BREAK))
  return `${soon.join(', ')}${looks.length > PLANNED_SHOWN ? `, … ${looks.length} in all` : ''}`
}

/**
 * The looks planned behind the next one. Only the next one is stored: where it is none of this plan (a retry, or workers with other
 * settings than this command has) nothing but the last look is known of the rest.
 */
function looksAhead({ app, taskId, sentAt, deadlineAt }: TaskRates, nextPollAt: Date, pollsPerTask: number, now: Date): Date[] {
  const timing = timingOf(pollsPerTask, scaleOf({ sentAt, deadlineAt }))
  const planned = plannedLooks({ key: { app, taskId }, sentAt, sentAtGiven: true, deadlineAt }, timing)
  const isPlanned = planned.some(({ at }) => Math.abs(at.getTime() - nextPollAt.getTime()) <= ROUNDING_MS)
  const from = Math.max(nextPollAt.getTime() + ROUNDING_MS, now.getTime())
  return planned.filter(({ at, last }) => at.getTime() > from && (isPlanned || last)).map(({ at }) => at)
}

/** Stored times are whole milliseconds. */
const ROUNDING_MS = 2
