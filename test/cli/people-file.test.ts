import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { aTask, lookAt } from '../store/support/polls.ts'
import { runCommand } from '../support/commands.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { urlAs } from '../support/roles.ts'
import { readWorkbook, recordsOf } from '../support/workbook.ts'

let database: TestDatabase
let opened: Database
let folder: string
const run = (...args: string[]) => runCommand(args, { env: { DATABASE_URL: urlAs('read', database.url) }, cwd: folder })

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  opened = openDatabase(database.url)
  const store = createDeliveryStore(opened)
  const { key } = await aTask(store, { taskId: '1', campaign: 'payroll', userIds: ['036632523163100003', '=1+1', 'zoe', 'new'] })
  await lookAt(store, key, { unread: ['036632523163100003', '=1+1'], read: ['zoe'] }, 5)
})
afterAll(async () => {
  await opened.close()
  await database.drop()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'people-file-'))
  return () => rm(folder, { recursive: true, force: true })
})

const peopleIn = async (name: string, sheet = 0) =>
  recordsOf(readWorkbook(await readFile(join(folder, name)))[sheet] ?? expect.fail('no sheet'))

test('who has not read it, of a task and of a campaign, as a file in the language that was asked for', async () => {
  expect(await run('unread', '1', '--format', 'xlsx', '--output', 'a.xlsx')).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'Written: a.xlsx\n',
  })
  expect((await peopleIn('a.xlsx')).map((row) => row['User id'])).toEqual(['036632523163100003', '=1+1'])
  expect(
    (await run('unread', '--campaign', 'payroll', '--pending', '--format', 'xlsx', '--output', 'b.xlsx', '--language', 'zh')).code,
  ).toBe(0)
  expect(await peopleIn('b.xlsx')).toMatchObject([{ '员工 userid': 'new', 状态: '待确认' }])
  expect(await readdir(folder)).toEqual(['a.xlsx', 'b.xlsx'])
})

test('everybody of a campaign, with its figures; an earlier file is replaced', async () => {
  await writeFile(join(folder, 'all.xlsx'), 'of last month')
  expect((await run('report', '--campaign', 'payroll', '--format', 'xlsx', '--output', 'all.xlsx')).code).toBe(0)
  expect(await peopleIn('all.xlsx')).toHaveLength(4)
  const summary = new Map((await peopleIn('all.xlsx', 1)).map((row) => [row['What'], row['Value']]))
  expect([summary.get('Delivered'), summary.get('Read rate'), summary.get('People in this file')]).toEqual([3, 1 / 3, 4])
})

test.each([
  [['unread', '1', '--format', 'xlsx'], 'Give --output with the name of the file, such as people.xlsx.'],
  [['unread', '1', '--output', 'a.xlsx'], '--output is for --format xlsx; other formats are printed.'],
  [['unread', '1', '--format', 'csv', '--language', 'zh'], '--language is for --format xlsx; other formats are printed.'],
  [['report', '--format', 'xlsx', '--output', 'a.xlsx'], '--format xlsx has the people of one campaign: give --campaign'],
  [['report', '--campaign', 'payroll', '--by', 'task', '--format', 'xlsx', '--output', 'a.xlsx'], 'neither --by nor --since'],
])('%j is wrong usage', async (args, message) => {
  expect(await run(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) })
  expect(await readdir(folder)).toEqual([])
})

test('a place that cannot be written is one line, and leaves nothing behind', async () => {
  await mkdir(join(folder, 'taken.xlsx'))
  const at = (output: string) => run('unread', '1', '--format', 'xlsx', '--output', output)
  expect(await at('not/there.xlsx')).toMatchObject({
    code: 1,
    stderr: 'error: --output "not/there.xlsx" cannot be written: its directory does not exist.\n',
  })
  expect(await at('taken.xlsx')).toMatchObject({ code: 1, stderr: 'error: --output "taken.xlsx" cannot be written: it is a directory.\n' })
  expect(await readdir(folder)).toEqual(['taken.xlsx'])
})

test('what is not there is exit code 1 and no file', async () => {
  const { code, stderr } = await run('unread', '--campaign', 'payrol', '--format', 'xlsx', '--output', 'a.xlsx')
  expect([code, stderr]).toEqual([1, expect.stringContaining('payrol')])
  expect(await readdir(folder)).toEqual([])
})
