import type { Colors } from 'picocolors/types.js'
import type { CampaignRates, TaskRates } from '../store/rate-query.ts'
import { type Cell, toCsv } from './text/csv.ts'
import { readBar, SHORT_BAR_WIDTH } from './text/rate.ts'
import { type Column, plainText, renderTable } from './text/table.ts'
import { showTime } from './text/time.ts'

/** How rows are printed: for people, for programs, for spreadsheets. */
export const FORMATS = ['table', 'json', 'csv'] as const
export type Format = (typeof FORMATS)[number]

/** What is printed of a row: in JSON its fields in camelCase, in CSV these fields under the names of the SQL views, in a table what fits. */
export interface Listing<Row> {
  readonly fields: ReadonlyArray<keyof Row & string>
  readonly columns: ReadonlyArray<Column<Row>>
  /** What to say instead of an empty table. */
  readonly nothing: string
}

/** Rows whose fields can all be printed. */
type Printable<Row> = { readonly [Field in keyof Row]: Cell }

/** What a table is printed on. */
interface Display {
  readonly colors: Colors
  readonly width: number
}

export function render<Row extends Printable<Row>>(format: Format, rows: readonly Row[], listing: Listing<Row>, display: Display): string {
  switch (format) {
    case 'json':
      return JSON.stringify(rows, null, 2)
    case 'csv':
      return toCsv(
        listing.fields.map(snakeCase),
        rows.map((row) => listing.fields.map((field): Cell => row[field])),
      )
    case 'table':
      return rows.length === 0 ? listing.nothing : renderTable(listing.columns, rows, display.colors, display.width)
    default:
      return format satisfies never
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

const COUNTS = [
  'targeted',
  'delivered',
  'read',
  'unread',
  'pending',
  'failed',
  'forbidden',
  'invalid',
  'readRate',
  'readRateOfTargeted',
] as const

interface Counted
  extends Readonly<Record<'targeted' | 'delivered' | 'read' | 'unread' | 'pending' | 'failed' | 'forbidden' | 'invalid', number>> {
  readonly readRate: number | null
}

function countColumns<Row extends Counted>(colors: Colors): Array<Column<Row>> {
  const number = (title: string, spare: number, count: (row: Row) => number): Column<Row> => ({
    title,
    spare,
    align: 'right',
    show: (row) => String(count(row)),
  })
  return [
    number('Targeted', 3, (row) => row.targeted),
    number('Delivered', 1, (row) => row.delivered),
    number('Read', 0, (row) => row.read),
    number('Unread', 2, (row) => row.unread),
    number('Pending', 4, (row) => row.pending),
    // Three reasons in one column: the table must fit a terminal; JSON and CSV have them apart.
    number('Not sent', 5, (row) => row.failed + row.forbidden + row.invalid),
    { title: 'Read rate', show: (row) => readBar(row.readRate, colors, SHORT_BAR_WIDTH) },
  ]
}

export function campaignListing(colors: Colors): Listing<CampaignRates> {
  return {
    fields: ['app', 'campaign', 'tasks', 'openTasks', 'firstSentAt', 'lastDeadlineAt', ...COUNTS],
    columns: [
      { title: 'Campaign', show: ({ campaign }) => plainText(campaign, '(none)') },
      { title: 'App', spare: 8, show: ({ app }) => plainText(app) },
      { title: 'Tasks', spare: 7, align: 'right', show: ({ tasks }) => String(tasks) },
      { title: 'Open', spare: 6, align: 'right', show: ({ openTasks }) => String(openTasks) },
      ...countColumns<CampaignRates>(colors),
    ],
    nothing: 'No campaign. Give a label with --campaign when you track a task, or list tasks with --by task.',
  }
}

export function taskListing(colors: Colors): Listing<TaskRates> {
  return {
    fields: [
      ...([
        'app',
        'taskId',
        'agentId',
        'campaign',
        'status',
        'reason',
        'sentAt',
        'deadlineAt',
        'lastObservedAt',
        'finishedAt',
        'polls',
      ] as const),
      ...COUNTS,
    ],
    columns: [
      { title: 'Task', show: ({ taskId }) => plainText(taskId) },
      { title: 'Campaign', show: ({ campaign }) => plainText(campaign) },
      { title: 'Status', show: ({ status }) => plainText(status) },
      { title: 'Sent', spare: 6, show: ({ sentAt }) => showTime(sentAt) },
      ...countColumns<TaskRates>(colors),
    ],
    nothing: 'No task.',
  }
}
