import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { MAX_SHEET_ROWS, type WorkbookRow, type WorkbookSheet, writeWorkbook } from '../../src/lib/workbook.ts'
import { toXml } from '../../src/lib/workbook-xml.ts'
import { deferred } from '../support/deferred.ts'
import { partOf, readWorkbook } from '../support/workbook.ts'

const toSerial = (at: Date): number => at.getTime() / 86_400_000 + 25_569

function aSheet(rows: WorkbookSheet['rows'], fields: Partial<WorkbookSheet> = {}): WorkbookSheet {
  return {
    name: 'People',
    hasFilter: true,
    columns: [
      { title: 'Text', kind: 'text', width: 20 },
      { title: 'Number', kind: 'number', width: 10 },
      { title: 'Time', kind: 'time', width: 20 },
      { title: 'Rate', kind: 'rate', width: 10 },
    ],
    rows,
    ...fields,
  }
}

const fileOf = async (...sheets: WorkbookSheet[]): Promise<Buffer> => buffer(await writeWorkbook(sheets, { toSerial }))
const aRow = (text: string | null): WorkbookRow => ({ cells: [text, 1, new Date('2026-11-23T01:02:03Z'), 0.5] })

test('another program finds each value with its type: texts letter for letter, numbers, times and rates', async () => {
  const [sheet] = readWorkbook(
    await fileOf(aSheet(() => [[aRow('036632523163100003'), { cells: [null, null, null, null] }], [aRow('=1+1')]])),
  )
  expect(sheet?.rows[0]?.map((cell) => cell?.value)).toEqual(['Text', 'Number', 'Time', 'Rate'])
  expect(sheet?.rows[1]).toEqual([
    { type: 'text', value: '036632523163100003', format: '@' },
    { type: 'number', value: 1, format: '#,##0' },
    { type: 'number', value: toSerial(new Date('2026-11-23T01:02:03Z')), format: 'yyyy\\-mm\\-dd\\ hh:mm:ss' },
    { type: 'number', value: 0.5, format: expect.stringContaining('0.0%') },
  ])
  expect(sheet?.rows[2] ?? []).toEqual([null, null, null, null])
  expect(sheet?.rows[3]?.[0]).toMatchObject({ type: 'text', value: '=1+1' })
})

const TEXTS = [
  ...['0', '00123', '1e5', '123456789012345678', '=1+1', '+1', '-1', '@SUM(A1)', '=HYPERLINK("http://evil.example","x")', "'quoted"],
  ...[
    'with "quotes" & <tags>',
    '李伟',
    '👩‍👩‍👧‍👦 𠮷野家',
    ' spaces at both ends ',
    'two\nlines\tand a tab',
    'true',
    '2026-11-23',
    '_x0041_',
    '_x005F_x0041_',
  ],
  ...['carriage\rreturn', 'control \u0001 and \u001F', 'no character \uFFFE', 'del \u007F and c1 \u0085', '1.0', '#N/A', ']]>', '&amp;'],
]

test.each(TEXTS)('%j stays the text that it is', async (text) => {
  const [sheet] = readWorkbook(await fileOf(aSheet(() => [[aRow(text)]])))
  expect(sheet?.rows[1]?.[0]).toEqual({ type: 'text', value: text, format: '@' })
})

test('half of a surrogate pair, which no file can hold, becomes the sign for it', () => {
  expect(toXml('a\uD83Db')).toBe('a\uFFFDb')
})

test('a text that is longer than a cell may be is cut, so that Excel opens the file', async () => {
  const [sheet] = readWorkbook(await fileOf(aSheet(() => [[aRow('x'.repeat(32_767)), aRow('x'.repeat(32_768))]])))
  const texts = sheet?.rows.slice(1).map((row) => String(row[0]?.value))
  expect(texts).toEqual(['x'.repeat(32_767), `${'x'.repeat(32_766)}…`])
})

test('the titles stay in sight, are on every printed page, and filter what is below them', async () => {
  const bytes = await fileOf(
    aSheet(() => [[aRow('a'), aRow('b')]]),
    aSheet(() => [[aRow('c')]], { name: "It's", hasFilter: false }),
  )
  const [first, second] = readWorkbook(bytes)
  expect([first?.filter, second?.filter]).toEqual(['A1:D3', null])
  expect(partOf(bytes, 'xl/worksheets/sheet1.xml')).toContain('<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>')
  const names = partOf(bytes, 'xl/workbook.xml')
  expect(names).toContain(`<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">'People'!$A$1:$D$3</definedName>`)
  expect(names).toContain(`<definedName name="_xlnm.Print_Titles" localSheetId="1">'It''s'!$1:$1</definedName>`)
})

test('a sheet without rows has its titles', async () => {
  const [sheet] = readWorkbook(await fileOf(aSheet(() => [])))
  expect(sheet?.rows.map((row) => row.map((cell) => cell?.value))).toEqual([['Text', 'Number', 'Time', 'Rate']])
  expect(sheet?.filter).toBe('A1:D1')
})

test('a column beyond Z has two letters', async () => {
  const columns = Array.from({ length: 28 }, (_, i) => ({ title: `c${i}`, kind: 'number' as const, width: 8 }))
  const [sheet] = readWorkbook(await fileOf(aSheet(() => [[{ cells: columns.map((_, i) => i) }]], { columns })))
  expect(sheet?.rows[1]?.map((cell) => cell?.value)).toEqual(columns.map((_, i) => i))
  expect(sheet?.filter).toBe('A1:AB2')
})

test('rows are read while the file is taken, and no earlier', async () => {
  let read = 0
  function* batches(): Generator<WorkbookRow[]> {
    for (; read < 1_000; read++) yield Array.from({ length: 1_000 }, (_, i) => aRow(`${read} ${i} ${Math.random()}`))
  }
  const file = await writeWorkbook([aSheet(batches)], { toSerial })
  const iterator = file[Symbol.asyncIterator]()
  await iterator.next()
  const before = read
  // Nothing is taken meanwhile: what fits into the buffers is read, and then no more.
  for (let i = 0; i < 1_000; i++) await new Promise(setImmediate)
  expect(read - before).toBeLessThan(20)
  await iterator.return?.()
})

test('to destroy the file ends the reading of rows', async () => {
  const [begun, ended] = [deferred(), deferred()]
  async function* batches(): AsyncGenerator<WorkbookRow[]> {
    begun.resolve()
    try {
      for (;;) yield [aRow(String(Math.random()))]
    } finally {
      ended.resolve()
    }
  }
  const file = await writeWorkbook([aSheet(batches)], { toSerial })
  file.resume()
  await begun.promise
  file.destroy()
  await expect(ended.promise).resolves.toBeUndefined()
})

test('an error in the middle destroys the file, with its cause', async () => {
  async function* batches(): AsyncGenerator<WorkbookRow[]> {
    yield [aRow('a')]
    throw new Error('the database went away')
  }
  await expect(fileOf(aSheet(batches))).rejects.toThrow('the database went away')
})

test('more rows than a sheet holds are an error, and no file', async () => {
  const one = Array.from({ length: 65_536 }, () => ({ cells: [] }))
  const sheet = aSheet(() => Array.from({ length: 16 }, () => one), { columns: [] })
  expect(one.length * 16).toBe(MAX_SHEET_ROWS)
  await expect(fileOf(sheet)).rejects.toThrow('A sheet has at most 1048576 rows.')
})
