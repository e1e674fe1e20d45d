import { describe, expect, test } from 'vitest'
import { PERSON_COLUMNS } from '../../src/report/columns.ts'
import {
  countMatching,
  departmentCells,
  departmentColumns,
  type FileFacts,
  type FileTexts,
  peopleSheet,
  summaryColumns,
  summaryRows,
} from '../../src/report/people-file.ts'
import { fileEn } from '../../src/web/dashboard/locales/file.ts'
import { hoursLater, minutesLater, SENT } from '../domain/support.ts'
import { aCampaign, aPerson, aTask } from './support.ts'

const TEXTS: FileTexts = {
  ...fileEn,
  states: { read: 'Read', unread: 'Unread', pending: 'Pending', forbidden: 'Forbidden', failed: 'Failed', invalid: 'Invalid' },
  forbiddenReasons: {
    ...{ daily_limit: 'Daily limit', duplicate_content: 'Same content', app_rate_limit: 'App too fast' },
    ...{ organisation_rate_limit: 'Organisation too fast', other: 'Another limit' },
  },
}

describe('the sheet of people', () => {
  const { columns, toCells } = peopleSheet(TEXTS, true)
  const cellOf = (person: Parameters<typeof toCells>[0], title: string) =>
    toCells(person)[columns.findIndex((column) => column.title === title)]

  test('has every column of the CSV file once, those first that say who it is', () => {
    expect(columns.map(({ title }) => title).slice(0, 5)).toEqual(['Name', 'Department', 'User id', 'State', 'App'])
    expect(columns).toHaveLength(Object.keys(PERSON_COLUMNS).length)
    expect(new Set(columns.map(({ title }) => title)).size).toBe(columns.length)
    expect(toCells(aPerson())).toHaveLength(columns.length)
  })

  test('leaves out names and departments where they may not be seen', () => {
    const without = peopleSheet(TEXTS, false)
    expect(without.columns.map(({ title }) => title)).toEqual(columns.map(({ title }) => title).slice(2))
    expect(without.toCells(aPerson({ name: 'Ann', department: 'Sales' }))).toEqual(toCells(aPerson()).slice(2))
  })

  test('keeps ids as texts and times as moments, and calls states and reasons as the pages do', () => {
    const person = aPerson({ userId: '0366', state: 'forbidden', forbiddenCode: '143105', forbiddenCount: 50, asOf: minutesLater(60) })
    const cells = ['User id', 'State', 'Why forbidden', 'Limit', 'As of', 'Named by the sender', 'Read by'].map((title) =>
      cellOf(person, title),
    )
    expect(cells).toEqual(['0366', 'Forbidden', 'Daily limit', 50, minutesLater(60), 'Yes', null])
    expect(cellOf(aPerson({ named: false }), 'Named by the sender')).toBe('No')
    expect(cellOf(aPerson({ state: 'unread', forbiddenCode: '143105' }), 'Why forbidden')).toBeNull()
    expect([cellOf(aPerson(), 'In tasks'), cellOf({ ...aPerson(), tasks: 3 }, 'In tasks')]).toEqual([1, 3])
  })

  test('has the kind of each column', () => {
    const kindOf = (title: string) => columns.find((column) => column.title === title)?.kind
    expect(['User id', 'Task', 'Limit', 'As of', 'DingTalk’s code'].map(kindOf)).toEqual(['text', 'text', 'number', 'time', 'text'])
  })
})

describe('the summary', () => {
  const facts = (fields: Partial<FileFacts> = {}): FileFacts => ({
    ...{ of: aCampaign(), filter: {}, unreadAsOf: minutesLater(50), madeAt: hoursLater(2), madeFor: null },
    ...{ timeZone: 'Asia/Shanghai', people: 4, hasDepartments: false, ...fields },
  })
  const lines = (fields: Partial<FileFacts> = {}) => summaryRows(TEXTS, facts(fields)).map(({ label, value }) => [label, value])
  const valueOf = (label: string, fields: Partial<FileFacts> = {}) => lines(fields).find(([each]) => each === label)?.[1]

  test('of a campaign has its figures, as of when, the filter, and what a rate is', () => {
    expect(lines()).toEqual([
      ...[
        ['Campaign', 'payroll'],
        ['App', 'default'],
        ['Sent', SENT],
        ['Deadline', hoursLater(24)],
      ],
      ...[
        ['As of', minutesLater(60)],
        ['Unread as of', minutesLater(50)],
      ],
      ...[
        ['Targeted', 4],
        ['Delivered', 2],
        ['Read', 1],
        ['Unread', 1],
        ['Pending', 1],
        ['Failed', 0],
        ['Forbidden', 1],
        ['Invalid', 0],
      ],
      ...[
        ['Read rate', 0.5],
        ['Read of targeted', 0.25],
      ],
      ...[
        ['Filter: state', 'All'],
        ['People in this file', 4],
        ['File made at', hoursLater(2)],
        ['Time zone of all times', 'Asia/Shanghai'],
      ],
      ...[
        ['Note', expect.stringContaining('read ÷ delivered')],
        ['Note', expect.any(String)],
        ['Note', expect.stringContaining('whole campaign')],
      ],
    ])
    expect(summaryColumns(TEXTS).map(({ title }) => title)).toEqual(['What', 'Value'])
  })

  test('of a task has its id; without a campaign there is no line for it', () => {
    expect(lines({ of: aTask() }).slice(0, 4)).toEqual([
      ['Task', '256271667526'],
      ['Campaign', 'payroll'],
      ['App', 'default'],
      ['Sent', SENT],
    ])
    expect(lines({ of: aTask({ campaign: null }) }).slice(0, 2)).toEqual([
      ['Task', '256271667526'],
      ['App', 'default'],
    ])
    expect(lines({ of: aTask() }).some(([, value]) => String(value).includes('whole campaign'))).toBe(false)
  })

  test('each value has its kind', () => {
    const kinds = new Map(summaryRows(TEXTS, facts()).map(({ label, kind }) => [label, kind]))
    expect(['Campaign', 'Sent', 'Targeted', 'Read rate', 'People in this file'].map((label) => kinds.get(label))).toEqual([
      ...['text', 'time', 'number', 'rate', 'number'],
    ])
  })

  test('what is not known has no line; a rate without people has no value', () => {
    const nothing = aCampaign({ lastObservedAt: null, readRate: null })
    expect(lines({ of: nothing, unreadAsOf: null }).map(([label]) => label)).not.toEqual(expect.arrayContaining(['As of']))
    expect(valueOf('Read rate', { of: nothing })).toBeNull()
  })

  test('says which people are in the file, and for whom it is', () => {
    const filter = { state: 'unread', search: '03', department: 'Headquarters/Sales' } as const
    const fields = { filter, madeFor: 'hr', people: 1 }
    expect(['Filter: state', 'Filter: search', 'Filter: department', 'File made for'].map((label) => valueOf(label, fields))).toEqual([
      ...['Unread', '03', 'Headquarters/Sales', 'hr'],
    ])
    expect(valueOf('Filter: department', { filter: { department: '', search: '' } })).toBe('Not known')
    expect(lines({ filter: { search: '' } }).map(([label]) => label)).not.toContain('Filter: search')
  })

  test('says when it was last sent, where that was later', () => {
    expect(valueOf('Last sent', { of: aCampaign({ lastSentAt: hoursLater(1) }) })).toEqual(hoursLater(1))
  })

  test('says that user ids were removed, and how departments count', () => {
    const notes = (fields: Partial<FileFacts>) => lines(fields).filter(([label]) => label === 'Note').length
    const removed = aCampaign({ namesRemovedAt: hoursLater(3) })
    expect([notes({}), notes({ of: removed }), notes({ of: removed, hasDepartments: true })]).toEqual([3, 4, 5])
    expect(valueOf('User ids removed on', { of: removed })).toEqual(hoursLater(3))
  })
})

test('the sheet of departments has the figures of each; people without one come under a word of their own', () => {
  const { app, campaign, targeted, delivered, read, unread, pending, failed, forbidden, invalid, readRate, readRateOfTargeted } =
    aCampaign()
  const row = { app, campaign, targeted, delivered, read, unread, pending, failed, forbidden, invalid, readRate, readRateOfTargeted }
  expect(departmentCells(TEXTS, { ...row, department: 'Headquarters/Sales' })).toEqual([
    'Headquarters/Sales',
    4,
    2,
    1,
    1,
    1,
    0,
    1,
    0,
    0.5,
    0.25,
  ])
  expect(departmentCells(TEXTS, { ...row, department: null })[0]).toBe('Not known')
  expect(
    departmentColumns(TEXTS)
      .map(({ title, kind }) => [title, kind])
      .filter(([title]) => ['Department', 'Read', 'Read rate'].includes(String(title))),
  ).toEqual([
    ...[
      ['Department', 'text'],
      ['Read', 'number'],
      ['Read rate', 'rate'],
    ],
  ])
})

test('at most so many people are in the file', () => {
  expect([countMatching(aCampaign(), {}), countMatching(aCampaign(), { state: 'unread' })]).toEqual([4, 1])
})
