import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseUsers } from '../../src/cli/track.ts'
import { toCsv } from '../../src/report/csv.ts'
import { aDatabase, aSession, type Sql, taskRows } from '../intake/support.ts'
import { runCommand } from '../support/commands.ts'

let databaseUrl: string
let sql: Sql
let directory: string
const closers: Array<() => Promise<unknown>> = []
beforeAll(async () => {
  const finished = (work: () => Promise<void>): void => void closers.push(work)
  databaseUrl = await aDatabase({ migrated: true }, finished)
  sql = await aSession(databaseUrl, finished)
  directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-track-'))
})
afterAll(async () => {
  for (const close of closers.reverse()) await close()
  await rm(directory, { recursive: true })
})

const track = (...args: string[]) => runCommand(['track', ...args], { env: { DATABASE_URL: databaseUrl }, cwd: directory })
const SENT = '2026-11-23T09:00:00+08:00'

test('a task that no poll has shown takes what is newer, and the command says what', async () => {
  expect(await track('1', '--sent-at', SENT, '--agent-id', '1', '--user', 'ann')).toMatchObject({
    code: 0,
    stdout: 'tracking\n',
    stderr: '',
  })
  expect(await track('1', '--sent-at', SENT, '--agent-id', '1', '--user', 'ann')).toMatchObject({
    code: 0,
    stdout: 'already tracked\n',
    stderr: '',
  })
  expect(await track('1', '--agent-id', '836390886')).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: 'already tracked, agentId updated; it is polled at once\n',
  })
  expect(await track('1', '--user', 'bob', '--campaign', 'c')).toMatchObject({
    ...{ code: 0, stderr: '' },
    stdout: 'already tracked, userIds, campaign updated; it is polled at once\n',
  })
  expect(await taskRows(sql)).toMatchObject([{ task_id: '1', agent_id: '836390886', campaign: 'c', users: ['bob'] }])
})

test('other data for a task that was polled is exit code 1, and one line with what is stored and what was given; people are counted', async () => {
  await track('2', '--app', 'hr', '--sent-at', SENT, '--agent-id', '1', '--user', 'ann', '--user', 'bob')
  await sql.query(`UPDATE delivery_task SET good_polls = 1 WHERE task_id = '2'`)
  const told = await track(
    '2',
    '--app',
    'hr',
    '--sent-at',
    '2026-11-23T12:00:00+08:00',
    '--agent-id',
    '2',
    '--user',
    'cyril',
    '--campaign',
    'c',
  )
  expect([told.code, told.stdout, told.stderr]).toEqual([
    1,
    '',
    'error: Task 2 is tracked already, with other data: agentId is "1", not "2"; userIds is 2 people, not 1 other person; campaign is not given, not "c"; sentAt is "2026-11-23T01:00:00.000Z", not "2026-11-23T12:00:00+08:00". Nothing was changed, since polls with it have succeeded. Check which of the two is right.\n',
  ])
  await sql.query(`UPDATE delivery_task SET status = 'cancelled', next_poll_at = NULL, finished_at = now() WHERE task_id = '2'`)
  expect((await track('2', '--app', 'hr', '--agent-id', '3')).stderr).toContain('since it has ended (cancelled)')
  expect(await track('2', '--app', 'hr', '--agent-id', '1')).toMatchObject({ code: 0, stdout: 'already tracked\n' })
})

test('a file of users is our own export as it is, or a list in quotation marks', async () => {
  const csv = toCsv(
    ['app', 'task_id', 'campaign', 'user_id', 'state'],
    [
      ['default', '9', '=a, "b"', '036632523163121146', 'unread'],
      ['default', '9', null, '-li.wei', 'unread'],
    ],
  )
  await writeFile(join(directory, 'export.csv'), csv)
  await writeFile(join(directory, 'quoted.txt'), '\uFEFF"user_id"\r\n"0366"\r\n\r\n"0377"\r\n')
  expect(await track('3', '--sent-at', SENT, '--users-file', 'export.csv')).toMatchObject({ code: 0, stderr: '' })
  expect(await track('4', '--sent-at', SENT, '--users-file', 'quoted.txt', '--user', 'ann')).toMatchObject({ code: 0, stderr: '' })
  const rows = await sql.query<{ user_id: string }>(
    `SELECT user_id FROM delivery_recipient_status WHERE task_id IN ('3', '4') ORDER BY task_id, user_id`,
  )
  expect(rows.map(({ user_id }) => user_id)).toEqual(
    ['-li.wei', '036632523163121146', '0366', '0377', 'ann'].toSorted((a, b) => Number(a === 'ann') - Number(b === 'ann')),
  )
})

test.each([
  ['ids on one line', 'ann\n0366,manager4220\n', 'line 2: userIds[1] "0366,manager4220" looks like several ids in one'],
  ['a table without a header', 'default,0366,unread\r\n', 'A CSV file needs a header row with the column user_id.'],
  [
    'a row without an id',
    'app,user_id\r\ndefault,0366\r\ndefault,\r\n',
    'line 3 has nothing in the column of the user ids, 2 from the left',
  ],
  ['an id with an invisible character', 'ann\n\n0366\u200b\n', 'line 3: userIds[1] "0366\u200b" has an invisible character'],
  [
    'a number that a spreadsheet rounded',
    'user_id\n3.66325E+17\n',
    'line 2: "3.66325E+17" is a number that a spreadsheet has rounded. Export the column of ids as text.',
  ],
])('a file with %s is refused with the line and the value', async (_, content, says) => {
  await writeFile(join(directory, 'wrong.csv'), content)
  const { code, stdout, stderr } = await track('5', '--users-file', 'wrong.csv')
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^error: --users-file wrong\.csv: line [^\n]+\n$/)
  expect(stderr).toContain(says)
  expect(await sql.query(`SELECT 1 FROM delivery_task WHERE task_id = '5'`)).toEqual([])
})

test('an id on the command line is held to the same rule', async () => {
  expect((await track('5', '--user', '"0366"')).stderr).toBe(
    'error: userIds[0] "\\"0366\\"" has quotation marks or brackets, which no id has. Give the id without them.\n',
  )
})

test('the help gives a send time in every example', async () => {
  const { stdout } = await runCommand(['track', '--help'], {})
  const examples = stdout.split('\n').filter((line) => line.includes('$ npx dingtalk-delivery track'))
  expect(examples.length).toBeGreaterThan(1)
  for (const example of examples) expect(example).toContain('--sent-at')
})

test('a hundred and one users of a file are too many, and a hundred are not', () => {
  const lines = (count: number): string => Array.from({ length: count }, (_, i) => `u${i}`).join('\r\n')
  expect(parseUsers(lines(101))).toHaveLength(101)
  expect(parseUsers(`user_id\r\n${lines(100)}`)).toHaveLength(100)
})
