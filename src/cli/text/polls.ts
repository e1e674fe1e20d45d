import { pollTimes, timingOf } from '../../domain/poll-times.ts'
import type { Poll, TaskRates } from '../../report/rates.ts'
import type { Display } from '../rates.ts'
import { NO_BREAK } from './facts.ts'
import { scaleOf } from './sparkline.ts'
import { type Column, plainText, renderTable } from './table.ts'
import { showDistance, showDuration, showShortTime, showTime } from './time.ts'

export function pollsTable(polls: readonly Poll[], now: Date, { colors, width }: Display): string {
  const count = (title: string, spare: number, show: (poll: Poll) => number | null): Column<Poll> => ({
    title,
    spare,
    align: 'right',
    show: (poll) => `${show(poll) ?? '–'}`,
  })
  const columns: ReadonlyArray<Column<Poll>> = [
    { title: 'Poll', align: 'right', show: ({ pollNo }) => String(pollNo) },
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
  const isSaid = polls.some(({ message }) => message !== null)
  return renderTable(
    columns.filter(({ title }) => isSaid || title !== 'Message'),
    polls,
    colors,
    width,
  )
}

/** A worker that polls in time is never so late. */
const OVERDUE_MS = 60_000
const PLANNED_SHOWN = 3

/** When it will be asked again: the next polls and the last one. Null when there is none. */
export function describeNextPolls(task: TaskRates, pollsPerTask: number, now: Date): string | null {
  const { nextPollAt } = task
  if (nextPollAt === null) return null
  const ahead = pollsAhead(task, nextPollAt, pollsPerTask, now)
  const last = ahead.at(-1) ?? nextPollAt
  const lateMs = now.getTime() - nextPollAt.getTime()
  const soon = lateMs > OVERDUE_MS ? `overdue for ${showDuration(lateMs)}: is a worker running?` : soonInWords([nextPollAt, ...ahead], now)
  return `${soon}\nthe last ${showDistance(last, now)}, ${showTime(last)}`
}

function soonInWords(polls: readonly Date[], now: Date): string {
  const soon = polls.slice(0, PLANNED_SHOWN).map((at) => showDistance(at, now).replaceAll(' ', NO_BREAK))
  return `${soon.join(', ')}${polls.length > PLANNED_SHOWN ? `, … ${polls.length} in all` : ''}`
}

/**
 * The polls planned behind the next one. Only the next one is stored: where it is none of this plan (a retry, or workers with other
 * settings than this command has) nothing but the final poll is known of the rest.
 */
function pollsAhead({ app, taskId, sentAt, deadlineAt }: TaskRates, nextPollAt: Date, pollsPerTask: number, now: Date): Date[] {
  const timing = timingOf(pollsPerTask, scaleOf({ sentAt, deadlineAt }))
  const planned = pollTimes({ key: { app, taskId }, sentAt, sentAtGiven: true, deadlineAt }, timing)
  const isPlanned = planned.some(({ at }) => Math.abs(at.getTime() - nextPollAt.getTime()) <= ROUNDING_MS)
  const from = Math.max(nextPollAt.getTime() + ROUNDING_MS, now.getTime())
  return planned.filter(({ at, last }) => at.getTime() > from && (isPlanned || last)).map(({ at }) => at)
}

/** Stored times are whole milliseconds. */
const ROUNDING_MS = 2
