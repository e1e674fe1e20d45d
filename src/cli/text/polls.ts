import type { Poll } from '../../report/rates.ts'
import type { TaskReport } from '../../report/task-report.ts'
import type { Display } from '../rates.ts'
import { NO_BREAK } from './layout.ts'
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
  const hasMessage = polls.some(({ message }) => message !== null)
  return renderTable(
    columns.filter(({ title }) => hasMessage || title !== 'Message'),
    polls,
    colors,
    width,
  )
}

const PLANNED_SHOWN = 3

/** The next polls and the final one. Null when there is none. */
export function describeNextPolls({ ahead, overdueMs }: Pick<TaskReport, 'ahead' | 'overdueMs'>, now: Date): string | null {
  const final = ahead.at(-1)
  if (final === undefined) return null
  const soon =
    overdueMs === null
      ? `${ahead
          .slice(0, PLANNED_SHOWN)
          .map(({ at }) => showDistance(at, now).replaceAll(' ', NO_BREAK))
          .join(', ')}${ahead.length > PLANNED_SHOWN ? `, … ${ahead.length} in all` : ''}`
      : `overdue by ${showDuration(overdueMs)}: is a worker running?`
  return `${soon}\nthe final poll ${showDistance(final.at, now)}, ${showTime(final.at)}`
}
