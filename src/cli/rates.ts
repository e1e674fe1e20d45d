import type { Colors } from 'picocolors/types.js'
import { CAMPAIGN_FIELDS, DEPARTMENT_FIELDS, rowsCsv, TASK_FIELDS } from '../report/columns.ts'
import { depthOf, lastNameOf } from '../report/departments.ts'
import type { CampaignRates, DepartmentRates, RateColumns, RecipientStatus, TaskRates } from '../report/rates.ts'
import { readBar, SHORT_BAR_WIDTH } from './text/bars.ts'
import { type Column, plainText, renderTable } from './text/table.ts'
import { showShortTime } from './text/time.ts'

export const FORMATS = ['table', 'json', 'csv'] as const
export type Format = (typeof FORMATS)[number]

/** How rows are printed. JSON has all fields of a row. */
export interface Listing<Row> {
  readonly csv: (rows: readonly Row[]) => string
  readonly columns: ReadonlyArray<Column<Row>>
  /** Printed instead of an empty table. */
  readonly nothing: string
}

/** Where text is printed. */
export interface Display {
  readonly colors: Colors
  readonly width: number
  /** Lines that fit. Default: no limit. */
  readonly height?: number
}

export function render<Row>(format: Format, rows: readonly Row[], listing: Listing<Row>, display: Display): string {
  switch (format) {
    case 'json':
      return JSON.stringify(rows, null, 2)
    case 'csv':
      return listing.csv(rows)
    case 'table':
      return rows.length === 0 ? listing.nothing : renderTable(listing.columns, rows, display.colors, display.width)
    default:
      return format satisfies never
  }
}

/** Who a row is about. Columns that would be empty in each row are left out: names are optional. */
export function personColumns<Row extends Pick<RecipientStatus, 'userId' | 'name' | 'department'>>(
  rows: readonly Row[],
): Array<Column<Row>> {
  const name: Column<Row> = { title: 'Name', shrinkTo: NAME_WIDTH, show: (row) => plainText(row.name) }
  const department: Column<Row> = { title: 'Department', spare: 3, shrinkTo: NAME_WIDTH, show: (row) => plainText(row.department) }
  return [
    ...(rows.some((row) => row.name !== null) ? [name] : []),
    { title: 'User', show: ({ userId }) => plainText(userId) },
    ...(rows.some((row) => row.department !== null) ? [department] : []),
  ]
}

/** Columns that campaigns and tasks share. The table must fit a terminal; JSON and CSV have all of them. */
function countColumns<Row extends RateColumns>(colors: Colors): Array<Column<Row>> {
  const number = (title: string, spare: number, count: (row: Row) => number): Column<Row> => ({
    title,
    spare,
    align: 'right',
    show: (row) => String(count(row)),
  })
  return [
    number('Targeted', 5, (row) => row.targeted),
    number('Unread', 4, (row) => row.unread),
    number('Pending', 6, (row) => row.pending),
    number('Not sent', 7, (row) => row.failed + row.forbidden + row.invalid),
    { title: 'Read', align: 'right', show: ({ read, delivered }) => `${read} of ${delivered}` },
    { title: 'Read rate', show: ({ readRate }) => readBar(readRate, colors, SHORT_BAR_WIDTH) },
  ]
}

function asOfColumn<Row extends { readonly lastObservedAt: Date | null }>(now: Date): Column<Row> {
  return { title: 'As of', show: ({ lastObservedAt }) => showShortTime(lastObservedAt, now) }
}

export interface ListingOptions<Row> {
  readonly colors: Colors
  readonly now: Date
  /** The read curve in a line. */
  readonly showCurve?: (row: Row) => string
}

function curveColumns<Row>({ showCurve }: ListingOptions<Row>): Array<Column<Row>> {
  return showCurve === undefined ? [] : [{ title: 'Curve'.padEnd(CURVE_WIDTH), spare: 3, show: showCurve }]
}

/** Columns of a curve in a table. */
export const CURVE_WIDTH = 12
const NAME_WIDTH = 24

export function campaignListing(options: ListingOptions<CampaignRates>): Listing<CampaignRates> {
  return {
    csv: (rows) => rowsCsv(CAMPAIGN_FIELDS, rows),
    columns: [
      { title: 'Campaign', shrinkTo: NAME_WIDTH, show: ({ campaign }) => plainText(campaign, '(none)') },
      { title: 'App', spare: 10, show: ({ app }) => plainText(app) },
      { title: 'Tasks', spare: 9, align: 'right', show: ({ tasks }) => String(tasks) },
      { title: 'Open', spare: 8, align: 'right', show: ({ openTasks }) => String(openTasks) },
      ...countColumns<CampaignRates>(options.colors),
      ...curveColumns(options),
      asOfColumn(options.now),
    ],
    nothing: 'No campaign. Give a label with --campaign when you track a task, or list tasks with --by task.',
  }
}

/** A department stands below the one that it is part of. */
export function departmentListing({ colors }: Pick<Display, 'colors'>): Listing<DepartmentRates> {
  return {
    csv: (rows) => rowsCsv(DEPARTMENT_FIELDS, rows),
    columns: [
      { title: 'Department', shrinkTo: DEPARTMENT_WIDTH, show: ({ department }) => indentedName(department) },
      ...countColumns<DepartmentRates>(colors),
    ],
    nothing: 'No person.',
  }
}

function indentedName(department: string | null): string {
  return department === null ? '(not known)' : `${'  '.repeat(depthOf(department))}${plainText(lastNameOf(department))}`
}

const DEPARTMENT_WIDTH = 36

export function taskListing(options: ListingOptions<TaskRates>): Listing<TaskRates> {
  return {
    csv: (rows) => rowsCsv(TASK_FIELDS, rows),
    columns: [
      { title: 'Task', show: ({ taskId }) => plainText(taskId) },
      { title: 'Campaign', spare: 2, shrinkTo: 16, show: ({ campaign }) => plainText(campaign) },
      { title: 'Status', spare: 1, show: ({ status }) => plainText(status) },
      { title: 'Sent', spare: 8, show: ({ sentAt }) => showShortTime(sentAt, options.now) },
      ...countColumns<TaskRates>(options.colors),
      ...curveColumns(options),
      asOfColumn(options.now),
    ],
    nothing: 'No task.',
  }
}
