import cellsOf from 'string-width'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { comparisonTable } from '../../src/cli/compare.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { letSeeNames, putPeople } from '../store/support/people.ts'
import { aRequest, lookAt, minutesLater } from '../store/support/polls.ts'
import { runCommand } from '../support/commands.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { urlAs } from '../support/roles.ts'
import { displayOf, widestOf } from './support.ts'

let database: TestDatabase
let opened: Database
let taskId: string
/** With the rights of `delivery_read`, and to see names. */
const run = (...args: string[]) => runCommand(args, { env: { DATABASE_URL: urlAs('read', database.url) } })

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  opened = openDatabase(database.url)
  const store = createDeliveryStore(opened)
  const [first, second] = [
    aRequest({ campaign: '工资 11', userIds: ['0366', 'ann', 'ben', 'cai'], sentAt: minutesLater(-60) }),
    aRequest({ campaign: 'drill', userIds: ['0366', 'ann'] }),
  ]
  await store.track([first, second])
  ;({ taskId } = first)
  await lookAt(store, first, { read: ['ben'], unread: ['0366', 'ann', 'cai'] }, 5)
  await lookAt(store, second, { read: ['0366', 'ann'] }, 10)
  await letSeeNames(opened)
  await putPeople(opened, [
    { userId: '0366', name: '李伟', departments: ['总部/销售部/华北', '总部/培训'], managerUserId: 'ann' },
    { userId: 'ann', name: 'Ann \u{1F600}', departments: ['总部/销售部'] },
    { userId: 'ben', name: '=Ben', departments: ['总部'] },
  ])
})
afterAll(async () => {
  await opened.close()
  await database.drop()
})

/** Where the words of a header begin, each row has a space before them, in columns of a terminal. */
function expectAligned(table: string, titles: readonly string[]): void {
  const [head = '', ...rows] = table.split('\n')
  for (const title of titles) {
    const place = cellsOf(head.slice(0, head.indexOf(title)))
    for (const row of rows) {
      const before = [...row].reduce((text, character) => (cellsOf(text + character) <= place ? text + character : text), '')
      expect([row, before.at(-1) ?? ' ']).toEqual([row, ' '])
    }
  }
}

describe('who has not read', () => {
  test('has names and departments beside the user ids, in columns', async () => {
    const { stdout } = await run('unread', '--campaign', '工资 11')
    const [table = ''] = stdout.split('\n\n')
    const lines = table.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3))
    expect(lines).toEqual([
      ['Name', 'User', 'Department'],
      ['李伟', '0366', expect.stringMatching(/^总部\/销售部\/华北; 总/)],
      ['Ann \u{1F600}', 'ann', '总部/销售部'],
      ['–', 'cai', '–'],
    ])
    expectAligned(table, ['User', 'Department'])
  })

  test('has both in JSON, and as the last columns of CSV', async () => {
    const json: unknown = JSON.parse((await run('unread', taskId, '--format', 'json')).stdout)
    expect(json).toMatchObject([{ userId: '0366', name: '李伟' }, { userId: 'ann' }, { userId: 'cai', name: null, department: null }])
    const [head = '', row = '', ...rest] = (await run('unread', taskId, '--format', 'csv')).stdout.split('\r\n')
    expect(head).toMatch(/^\uFEFFapp,task_id,campaign,user_id,.*,forbidden_reason,name,department$/)
    expect(row).toMatch(/,0366,unread,.*,李伟,总部\/销售部\/华北; 总部\/培训$/)
    expect(rest[1]).toMatch(/,cai,unread,.*,,$/)
  })

  test('is named in the report of a task and of a campaign', async () => {
    const named = /^Unread +3 as of .*: 李伟 \(0366\), Ann \u{1F600} \(ann\), cai$/mu
    expect((await run('show', taskId)).stdout).toMatch(named)
    expect((await run('report', '--campaign', '工资 11')).stdout).toMatch(named)
  })
})

describe('rates by department', () => {
  test('are a line each, below the department that it is part of, and the campaign counts each person once', async () => {
    const { stdout } = await run('report', '--campaign', '工资 11', '--by', 'department')
    const [table = '', note = ''] = stdout.split('\n\n')
    const lines = table.split('\n').map((line) => /^( *)(.*?)  +(\d+) .* (\d+ of \d+) /.exec(line)?.slice(1, 5))
    expect(lines.slice(1)).toEqual([
      ['', '总部', '3', '1 of 3'],
      ['  ', '培训', '1', '0 of 1'],
      ['  ', '销售部', '2', '0 of 2'],
      ['    ', '华北', '1', '0 of 1'],
      ['', '(not known)', '1', '0 of 1'],
    ])
    expectAligned(table, ['Read rate'])
    expect(note).toMatch(/^All people of the campaign, each once: 1 of 4 read \(25\.0%\), as of \d{4}-.* counts in each\.\n$/)
  })

  test('are exported with their paths', async () => {
    const ask = ['report', '--campaign', '工资 11', '--by', 'department', '--format']
    expect(JSON.parse((await run(...ask, 'json')).stdout)).toMatchObject([
      { app: 'default', campaign: '工资 11', department: '总部', targeted: 3, readRate: 1 / 3 },
      { department: '总部/培训' },
      { department: '总部/销售部' },
      { department: '总部/销售部/华北' },
      { department: null, targeted: 1 },
    ])
    expect((await run(...ask, 'csv')).stdout).toMatch(
      /^\uFEFFapp,campaign,department,targeted,.*\r\ndefault,工资 11,总部,3,.*(\r\n.*){3}\r\ndefault,工资 11,,1,.*\r\n$/,
    )
  })

  test('of a campaign without people say what to do', async () => {
    const empty = await createTestDatabase({ migrated: true })
    const db = openDatabase(empty.url)
    try {
      await createDeliveryStore(db).track([aRequest({ campaign: 'c', userIds: ['ann'] })])
      await letSeeNames(db)
      const { stdout } = await runCommand(['report', '--campaign', 'c', '--by', 'department'], {
        env: { DATABASE_URL: urlAs('read', empty.url) },
      })
      expect(stdout).toMatch(/^\(not known\) +1 .*\n\nAll people .* 0 of 0 read .*"npx dingtalk-delivery people import" stores names/ms)
    } finally {
      await db.close()
      await empty.drop()
    }
  })
})

describe('campaigns side by side', () => {
  test('are a line each, with curves on one axis', async () => {
    const { stdout } = await run('report', '--campaign', '工资 11', '--campaign', 'drill')
    expect(stdout).toMatch(/^Campaign +App +Sent +Read +Read rate +In 1 h +In 8 h +Half had read +Curve +As of$/m)
    expect(stdout).toMatch(/^工资 11 .* 1 of 4 .* 25\.0% .* [▁▂▃▄▅▆▇█]/m)
    expect(stdout).toMatch(/^drill .* 2 of 2 .*100\.0% +100\.0% +100\.0% +within 10 min /m)
  })

  test('fit a narrow terminal, also when they are six with long names', () => {
    const one = {
      app: 'default',
      campaign: '十一月工资单发放通知',
      tasks: 1,
      openTasks: 1,
      firstSentAt: minutesLater(0),
      lastSentAt: minutesLater(0),
    }
    const counts = { targeted: 4, delivered: 4, read: 1, unread: 3, pending: 0, failed: 0, forbidden: 0, invalid: 0, readRate: 0.25 }
    const times = { lastDeadlineAt: minutesLater(1_440), lastObservedAt: minutesLater(5), namesRemovedAt: null, readRateOfTargeted: 0.25 }
    const timeToRead = { people: 4, read: 1, method: 'turnbull', asOf: null, assumedSendTimes: 0, quantiles: [], within: [] } as const
    const campaigns = Array.from({ length: 6 }, (_, i) => ({
      ...{ campaign: { ...one, ...counts, ...times, campaign: `${one.campaign} ${i}` }, timeToRead },
      points: i === 0 ? [] : [{ minutes: 0, read: 0, readRate: 0 }],
    }))
    for (const width of [60, 80, 120])
      expect(widestOf(comparisonTable(campaigns, minutesLater(60))(displayOf(width)))).toBeLessThanOrEqual(width)
  })

  test('are exported: figures as CSV, with curves and time to read as JSON', async () => {
    const ask = ['report', '--campaign', 'drill', '--campaign', '工资 11', '--format']
    expect(JSON.parse((await run(...ask, 'json')).stdout)).toMatchObject([
      { campaign: { campaign: 'drill', read: 2 }, points: [{ minutes: 0, read: 0 }, { read: 2 }], timeToRead: { people: 2 } },
      { campaign: { campaign: '工资 11' } },
    ])
    expect((await run(...ask, 'csv')).stdout).toMatch(/^\uFEFFapp,campaign,tasks,.*\r\ndefault,drill,1,.*\r\ndefault,工资 11,1,.*\r\n$/)
  })

  test('of which one is not there are an error', async () => {
    expect(await run('report', '--campaign', 'drill', '--campaign', 'dril')).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: expect.stringMatching(/^error: No task of any app has the campaign "dril"\..* lists all campaigns\.\n$/),
    })
  })
})

test.each([
  [['report', '--by', 'department'], 'give --campaign with its name, once'],
  [['report', '--by', 'department', '--campaign', 'a', '--campaign', 'b'], 'give --campaign with its name, once'],
  [['report', '--by', 'department', '--campaign', 'a', '--since', '7d'], '--since is for lists of campaigns and tasks'],
  [['report', '--by', 'task', '--campaign', 'a', '--campaign', 'b'], '--by task is for one campaign or all of them'],
  [['report', '--campaign', 'a', '--campaign', 'a'], '--campaign has "a" twice'],
  [['report', ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].flatMap((name) => ['--campaign', name])], '--campaign must be given 2 to 6 times'],
  [['people', 'show'], "missing required argument 'user-id'"],
])('wrong usage is exit code 2: %j', async (args, says) => {
  const { code, stdout, stderr } = await run(...args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(says)
})

describe('people', () => {
  test('show: who it is, and everything that was sent to them, latest first', async () => {
    const { code, stdout } = await run('people', 'show', '0366')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^Person +李伟 \(0366\)$/m)
    expect(stdout).toMatch(/^Departments +总部\/销售部\/华北\n +总部\/培训$/m)
    expect(stdout).toMatch(/^Manager +ann$/m)
    expect(stdout).toMatch(/^Sent +Campaign +Task +State .*\n.*drill .* read .*\n.*工资 11 .* unread /m)
  })

  test('show: of whom only the messages are known', async () => {
    const { stdout } = await run('people', 'show', 'cai', '--app', 'default')
    expect(stdout).toMatch(/^Person +cai\nApp +default\n\nSent /)
    expect(JSON.parse((await run('people', 'show', 'cai', '--format', 'json')).stdout)).toMatchObject({
      people: [{ app: 'default', userId: 'cai', name: null }],
      tasks: [{ campaign: '工资 11', state: 'unread', userId: 'cai' }],
    })
  })

  test('show: as CSV, with the columns of all files of people', async () => {
    const { stdout } = await run('people', 'show', '0366', '--format', 'csv')
    expect(stdout).toMatch(
      /^\uFEFFapp,task_id,campaign,user_id,state,.*,name,department,sent_at,deadline_at,status\r\n(.*,李伟,.*\r\n){2}$/,
    )
  })

  test('show: of whom nothing is known is exit code 1', async () => {
    expect(await run('people', 'show', 'nobody')).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: 'error: Nothing is known of the user id "nobody" in any app.\n',
    })
    expect(await run('people', 'show', ' x')).toMatchObject({ code: 1, stderr: expect.stringContaining('user-id must have 1 to 128') })
  })

  test('list: by name, user id and department', async () => {
    const users = async (...args: string[]) =>
      (await run('people', 'list', ...args, '--format', 'csv')).stdout
        .trim()
        .split('\r\n')
        .slice(1)
        .map((line) => line.split(',')[1])
    expect(await users()).toEqual(['0366', 'ann', 'ben'])
    expect(await users('--search', '李')).toEqual(['0366'])
    expect(await users('--search', 'EN')).toEqual(['ben'])
    expect(await users('--department', '总部/销售部')).toEqual(['0366', 'ann'])
    expect(await users('--app', 'hr')).toEqual([])
    expect((await run('people', 'list')).stdout).toMatch(
      /^Name +User +Department +Manager +App\n李伟 +0366 +总部\/销售部\/华北; 总部\/培训 +ann +default$/m,
    )
    expect((await run('people', 'list', '--search', 'zzz')).stdout).toMatch(/^No such person/)
    expect(await run('people', 'list', '--department', '/x')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--department must be a path'),
    })
  })
})

test.each(['show', 'list'])('the help of people %s has examples', async (command) => {
  expect(await run('people', command, '--help')).toMatchObject({ code: 0, stdout: expect.stringMatching(/Examples:\n {2}\$ /) })
})

test('a role without the right to names sees user ids, and no name', async () => {
  const other = await createTestDatabase({ migrated: true })
  const db = openDatabase(other.url)
  try {
    const request = aRequest({ campaign: 'c', userIds: ['ann'] })
    await createDeliveryStore(db).track([request])
    await putPeople(db, [{ userId: 'ann', name: '安娜', departments: ['部门'] }])
    const ask = (...args: string[]) => runCommand(args, { env: { DATABASE_URL: urlAs('read', other.url) } })
    const { stdout } = await ask('unread', '--campaign', 'c', '--pending')
    expect(stdout).toMatch(/^User +Task .*\nann /)
    expect((await ask('people', 'show', 'ann')).stdout).toMatch(/^Person +ann$/m)
    for (const args of [
      ['unread', '--campaign', 'c', '--pending', '--format', 'csv'],
      ['people', 'show', 'ann', '--format', 'json'],
      ['people', 'list'],
    ])
      expect((await ask(...args)).stdout).not.toMatch(/安娜|部门/)
  } finally {
    await db.close()
    await other.drop()
  }
})
