import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'
import { type CommandOptions, runCommand, startCommand } from '../support/commands.ts'
import { createTestDatabase, execute, query, type TestDatabase } from '../support/postgres.ts'
import { urlAs } from '../support/roles.ts'

/** `people sync`: names and departments from DingTalk's contact API, against the simulator and a real database. */

const APP = { appKey: 'dingkey00', appSecret: 'sEcReT-of-app', agentId: '836390886' }
const CONTACT_CALLS = ['department/listsub', 'department/get', 'user/listsimple']

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
})
afterAll(() => database.drop())

const DEPARTMENTS = [
  { deptId: 10, name: 'Sales' },
  { deptId: 11, name: 'North/East', parentId: 10 },
  { deptId: 20, name: '研发部' },
]
const PEOPLE = [
  { userId: '036632523163121146', name: '王伟', deptIds: [11] },
  { userId: 'manager4220', name: 'Ann Archer', deptIds: [10, 20] },
  { userId: '007', name: '李娜', deptIds: [1] },
]
const SMALL = { departments: DEPARTMENTS, people: PEOPLE }

/** A simulator, and the command with its app on an empty database. */
async function aDingtalk(options: SimulatorOptions = {}) {
  const simulator = await startSimulator({ directory: SMALL, callsPerSecond: 1_000, ...options, apps: [APP] })
  onTestFinished(() => simulator.close())
  await execute(database.url, 'TRUNCATE delivery_app, delivery_task, delivery_person, delivery_erasure CASCADE')
  const env = {
    DATABASE_URL: database.url,
    DINGTALK_OAPI_URL: simulator.url,
    DINGTALK_API_URL: simulator.url,
    DINGTALK_APP_KEY: APP.appKey,
    DINGTALK_APP_SECRET: APP.appSecret,
    DINGTALK_AGENT_ID: APP.agentId,
    MAX_CALLS_PER_SECOND: '1000',
  }
  const sync = (args: readonly string[] = [], over: Readonly<Record<string, string>> = {}, options2: CommandOptions = {}) =>
    runCommand(['people', 'sync', ...args], { ...options2, env: { ...env, ...over } })
  return { simulator, env, sync }
}

const stored = () =>
  query(
    database.url,
    `SELECT user_id, name, departments, manager_user_id FROM delivery_person WHERE app = 'default' ORDER BY user_id COLLATE "C"`,
  )

const used = async () => (await query(database.url, 'SELECT calls_used FROM delivery_app'))[0]?.['calls_used'] ?? 0

/** Contact calls as they arrived. */
function received(simulator: Simulator): number {
  const { byEndpoint } = simulator.stats()
  return CONTACT_CALLS.reduce((sum, name) => sum + (byEndpoint[name]?.calls ?? 0), 0)
}

describe('what is stored', () => {
  test('paths begin below the root, with a slash in a name as the full-width one; every call counts', async () => {
    const { simulator, sync } = await aDingtalk()
    expect(await sync()).toEqual({
      code: 0,
      signal: null,
      stdout: 'stored: 3 new, 0 changed, 0 unchanged, 8 calls\n',
      stderr: [
        'app default: 3 departments below the root, 4 calls made. The people need at least 4 more.',
        '3 people in 3 departments, read with 8 calls',
        '  new        3',
        '  changed    0',
        '  unchanged  0',
        '  not named  0',
        '',
      ].join('\n'),
    })
    expect(await stored()).toEqual([
      { user_id: '007', name: '李娜', departments: [], manager_user_id: null },
      { user_id: '036632523163121146', name: '王伟', departments: ['Sales/North／East'], manager_user_id: null },
      { user_id: 'manager4220', name: 'Ann Archer', departments: ['Sales', '研发部'], manager_user_id: null },
    ])
    expect([received(simulator), simulator.stats().metered, await used()]).toEqual([8, 8, 8])
  })

  test('a second time nothing changes; a new name is a change, and a manager stays', async () => {
    const { sync } = await aDingtalk()
    await sync()
    expect((await sync()).stdout).toBe('stored: 0 new, 0 changed, 3 unchanged, 8 calls\n')
    await execute(
      database.url,
      `UPDATE delivery_person SET manager_user_id = 'boss', name = CASE user_id WHEN '007' THEN 'Old Name' ELSE name END`,
    )
    expect((await sync()).stdout).toBe('stored: 0 new, 1 changed, 2 unchanged, 8 calls\n')
    expect(await stored()).toEqual([
      expect.objectContaining({ user_id: '007', name: '李娜', manager_user_id: 'boss' }),
      expect.objectContaining({ manager_user_id: 'boss' }),
      expect.objectContaining({ manager_user_id: 'boss' }),
    ])
  })

  test('a dry run stores nothing, and its calls count', async () => {
    const { sync } = await aDingtalk()
    expect(await sync(['--dry-run'])).toMatchObject({
      code: 0,
      stdout: '3 people in 3 departments, read with 8 calls\n  new        3\n  changed    0\n  unchanged  0\n  not named  0\n',
    })
    expect([await stored(), await used()]).toEqual([[], 8])
  })

  test('a dry run shows the changes, with names, as they would be stored; a log gets counts', async () => {
    const { sync } = await aDingtalk()
    await sync()
    await execute(
      database.url,
      `UPDATE delivery_person SET name = 'Old Name', departments = '{Finance}', manager_user_id = 'boss' WHERE user_id = '007'`,
      `UPDATE delivery_person SET departments = ARRAY['Sales/Old', '研发部'] WHERE user_id = 'manager4220'`,
    )
    expect((await sync(['--dry-run'])).stdout).toBe(`3 people in 3 departments, read with 8 calls
  new        0
  changed    2
  unchanged  1
  not named  0
Changes:
  007  name: Old Name → 李娜
  007  departments: Finance → (none)
  manager4220  departments: Sales/Old; 研发部 → Sales; 研发部
`)
    // What is outside the department that is read stays.
    const part = await sync(['--dry-run', '--root', '20'])
    expect(part.stdout).toMatch(/changed {4}0\n {2}unchanged {2}1\n {2}not named {2}0\n$/)
    const { stdout, stderr } = await sync()
    expect(stderr).toContain('changed    2\n')
    expect(stdout + stderr).not.toMatch(/Old Name|李娜|Finance|007/)
  })

  test('who is no longer listed stays, and goes with --remove-missing; other apps are left alone', async () => {
    const { sync } = await aDingtalk()
    await execute(
      database.url,
      `INSERT INTO delivery_person (app, user_id, name) VALUES ('default', 'left', 'Gone'), ('other', 'left', 'Stays')`,
    )
    expect((await sync()).stdout).toContain('1 not listed by DingTalk were kept')
    expect(await sync(['--remove-missing'])).toMatchObject({
      code: 0,
      stdout: 'stored: 0 new, 0 changed, 3 unchanged, 1 removed, 8 calls\n',
      stderr: expect.stringContaining('  not named  1  will be removed\n'),
    })
    expect((await stored()).map((row) => row['user_id'])).not.toContain('left')
    expect(await query(database.url, `SELECT name FROM delivery_person WHERE app = 'other'`)).toEqual([{ name: 'Stays' }])
  })

  test('with --root the paths are the same, departments elsewhere stay, and people elsewhere are not missing', async () => {
    const { simulator, sync } = await aDingtalk()
    await sync()
    await execute(database.url, `UPDATE delivery_person SET departments = ARRAY['Sales/Old', '研发部'] WHERE user_id = 'manager4220'`)
    const before = received(simulator)
    expect((await sync(['--root', '10'])).stdout).toBe('stored: 0 new, 1 changed, 1 unchanged, 5 calls\n')
    expect(received(simulator) - before).toBe(5)
    expect(await stored()).toEqual([
      expect.objectContaining({ user_id: '007' }),
      expect.objectContaining({ departments: ['Sales/North／East'] }),
      expect.objectContaining({ departments: ['Sales', '研发部'] }),
    ])
    expect((await sync(['--root', '11'])).stdout).toBe('stored: 0 new, 0 changed, 1 unchanged, 4 calls\n')
  })

  test('a person who was erased a moment ago is left out, and counted', async () => {
    const { sync } = await aDingtalk()
    await query(database.url, `SELECT delivery_begin_erasure('007', NULL)`)
    expect((await sync()).stdout).toBe('stored: 2 new, 0 changed, 0 unchanged, 1 left out (erased), 8 calls\n')
    expect((await stored()).map((row) => row['user_id'])).not.toContain('007')
  })

  test('3,000 people in twelve departments: as the simulator has them, a call for each department and page', async () => {
    const { simulator, sync } = await aDingtalk({ directory: { people: 3_000 } })
    const { departments, people } = simulator.directory
    const sizes = departments.map(({ deptId }) => people.filter(({ deptIds }) => deptIds.includes(deptId)).length)
    const calls = departments.length + sizes.reduce((sum, size) => sum + Math.max(1, Math.ceil(size / 100)), 0)
    expect((await sync()).stdout).toBe(`stored: 3000 new, 0 changed, 0 unchanged, ${calls} calls\n`)
    expect([departments.length, received(simulator), simulator.stats().metered, await used()]).toEqual([13, calls, calls, calls])
    const nameOf = new Map(departments.map(({ deptId, name }) => [deptId, name.replace('/', '／')]))
    const parentOf = new Map(departments.map(({ deptId, parentId }) => [deptId, parentId]))
    const pathOf = (id: number): string[] => (id === 1 ? [] : [...pathOf(parentOf.get(id) ?? 1), nameOf.get(id) ?? ''])
    const expected = people.map(({ userId, name, deptIds }) => ({
      user_id: userId,
      name,
      departments: deptIds.map((id) => pathOf(id).join('/')).filter((path) => path !== ''),
    }))
    const byId = (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
      new Map(rows.map((row) => [row['user_id'], [row['name'], new Set(z.array(z.string()).parse(row['departments']))]]))
    expect(byId(await stored())).toEqual(byId(expected))
  })
})

describe('what ends it, with nothing stored', () => {
  const CASES: ReadonlyArray<
    readonly [name: string, fault: Parameters<Simulator['inject']>[0], says: RegExp, made: number, counted: number]
  > = [
    [
      'no permission for departments',
      { kind: 'code', code: 60011, form: 'wrapped', match: { endpoint: 'department/listsub' } },
      /lacks the permission qyapi_get_department_list \(通讯录部门信息读权限\).*listsub.*60011.*Grant it.*1 call was made/,
      1,
      1,
    ],
    [
      'no permission for members, in the other form',
      { kind: 'code', code: 88, subCode: 40000, match: { endpoint: 'user/listsimple' } },
      /lacks the permission qyapi_get_department_member \(通讯录部门成员读权限\).*5 calls were made/,
      5,
      5,
    ],
    [
      'a department out of the scope of the app',
      { kind: 'code', code: 50004, match: { endpoint: 'department/listsub' } },
      /may not read the department with the id 1\..*通讯录接口权限范围/,
      1,
      1,
    ],
    [
      'a used-up quota',
      { kind: 'code', code: 90020, form: 'wrapped', match: { endpoint: 'user/listsimple' } },
      /quota.*used up.*Buy calls/,
      5,
      4,
    ],
    [
      'an address that is not allowed',
      { kind: 'code', code: 60020, form: 'wrapped', match: { endpoint: 'user/listsimple' } },
      /Add 127\.0\.0\.1 to the app's IP allow-list/,
      5,
      5,
    ],
    [
      'an outage that lasts',
      { kind: 'http-status', status: 502, match: { endpoint: 'user/listsimple' } },
      /HTTP_502.*Run the command again/,
      7,
      7,
    ],
    ['an answer that is no list', { kind: 'html', match: { endpoint: 'department/listsub' } }, /NOT_JSON/, 3, 3],
    ['a wrong path', { kind: 'code', code: 22, match: { endpoint: 'user/listsimple' } }, /does not serve \/topapi\/user\/listsimple/, 5, 5],
    ['an unknown code', { kind: 'code', code: 4711, match: { endpoint: 'user/listsimple' } }, /unknown code.*4711/, 5, 5],
    [
      'parameters',
      { kind: 'code', code: 400002, match: { endpoint: 'user/listsimple' } },
      /refused \/topapi\/user\/listsimple with 400002/,
      5,
      5,
    ],
  ]

  test.each(CASES)('%s', async (_, fault, says, made, counted) => {
    const { simulator, sync } = await aDingtalk()
    await execute(database.url, `INSERT INTO delivery_person (app, user_id, name) VALUES ('default', '007', 'Before')`)
    simulator.inject(fault)
    const { code, stdout, stderr } = await sync(['--remove-missing'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(says)
    expect(stderr).toContain('Nothing was stored')
    expect(await stored()).toEqual([expect.objectContaining({ user_id: '007', name: 'Before' })])
    expect([received(simulator), await used()]).toEqual([made, counted])
  })

  test('a wrong secret: no call is made, and none counts', async () => {
    const { simulator, sync } = await aDingtalk()
    simulator.rotateSecret({ appSecret: 'another' })
    expect(await sync()).toMatchObject({ code: 1, stderr: expect.stringMatching(/refuses the credentials.*0 calls were made/) })
    expect([received(simulator), await used()]).toEqual([0, 0])
  })

  test('a department that does not exist', async () => {
    const { sync } = await aDingtalk()
    expect(await sync(['--root', '4711'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no department with the id 4711.*Give --root/),
    })
  })

  test('an organisation without people: it is no reason to forget those who are stored', async () => {
    const { sync } = await aDingtalk({ directory: { people: 0 } })
    await execute(database.url, `INSERT INTO delivery_person (app, user_id, name) VALUES ('default', '007', 'Before')`)
    expect(await sync(['--remove-missing', '--yes'])).toMatchObject({ code: 1, stderr: expect.stringContaining('lists no person') })
    expect(await stored()).toHaveLength(1)
  })
})

describe('the budget', () => {
  test('too small for the departments: no call', async () => {
    const { simulator, sync } = await aDingtalk()
    const { code, stderr } = await sync([], { MONTHLY_CALL_BUDGET: '2' })
    expect([code, stderr]).toEqual([1, expect.stringMatching(/MONTHLY_CALL_BUDGET \(2 calls\) leaves no call in \d{4}-\d\d: 2 are used/)])
    expect([received(simulator), await used()]).toEqual([2, 2])
  })

  test('too small for the people: none of their calls is made', async () => {
    const { simulator, sync } = await aDingtalk()
    const { code, stderr } = await sync([], { MONTHLY_CALL_BUDGET: '7' })
    expect([code, stderr]).toEqual([1, expect.stringMatching(/at least 4 more calls, and MONTHLY_CALL_BUDGET \(7 calls\) leaves 3 in/)])
    expect([received(simulator), await used()]).toEqual([4, 4])
  })

  test('the call of the final poll of an open task stays, and one for its retry', async () => {
    const { simulator, sync } = await aDingtalk()
    // Near enough that its final poll falls in this month, whatever day it is.
    await execute(
      database.url,
      `SELECT track_delivery(task_id => '1')`,
      `UPDATE delivery_task SET scheduled_at = now(), deadline_at = now() + interval '10 minutes'`,
    )
    expect((await sync([], { MONTHLY_CALL_BUDGET: '8' })).stderr).toMatch(/leaves 2 in .*1 are reserved/)
    expect(received(simulator)).toBe(4)
    expect(await sync([], { MONTHLY_CALL_BUDGET: '14' })).toMatchObject({ code: 0 })
    expect(await used()).toBe(12)
  })
})

describe('what is tried again', () => {
  test('a call that the rate limit refused, which does not count', async () => {
    const { simulator, sync } = await aDingtalk()
    simulator.inject({ kind: 'throttle', seconds: 1, times: 1, match: { endpoint: 'user/listsimple' } })
    expect(await sync()).toMatchObject({ code: 0, stdout: expect.stringContaining('3 new') })
    expect([simulator.stats().metered, await used()]).toEqual([8, 8])
  })

  test('a call without an answer, which counts again', async () => {
    const { simulator, sync } = await aDingtalk()
    simulator.inject({ kind: 'reset', times: 1, match: { endpoint: 'department/listsub' } })
    expect(await sync()).toMatchObject({ code: 0, stdout: expect.stringContaining('9 calls') })
    expect([received(simulator), await used()]).toEqual([9, 9])
  })

  test('a token that expired in the middle', async () => {
    const { simulator, sync } = await aDingtalk()
    simulator.inject({ kind: 'expired-token', times: 1, match: { endpoint: 'user/listsimple' } })
    expect(await sync()).toMatchObject({ code: 0, stdout: expect.stringContaining('3 new') })
    expect([received(simulator), await used()]).toEqual([9, 9])
  })
})

describe('in a terminal', () => {
  /** Types a line for each question that is asked. */
  async function answering(answers: readonly string[], args: readonly string[] = []) {
    const { simulator, env } = await aDingtalk()
    const stdin = Object.assign(new PassThrough(), { isTTY: true })
    const command = startCommand(['people', 'sync', ...args], { env, stdin })
    for (const [i, answer] of answers.entries()) {
      await command.waitForLine(i === 0 ? /Read the people\? \[y\/N\]/ : /Store this\? \[y\/N\]/)
      stdin.write(`${answer}\n`)
    }
    return { ...(await command.exit), stderr: command.stderr(), stdout: command.stdout(), simulator }
  }

  test('it asks before the people are read, and before they are stored', async () => {
    expect(await answering(['y', 'yes'])).toMatchObject({ code: 0, stdout: expect.stringContaining('stored: 3 new') })
    expect(await stored()).toHaveLength(3)
  })

  test('no to the calls: those of the people are not made', async () => {
    const { code, simulator, stderr } = await answering([''])
    expect([code, received(simulator)]).toEqual([1, 4])
    expect(stderr).toContain('the people were not read, and nothing was stored')
  })

  test('no to what changes: nothing is stored', async () => {
    expect(await answering(['y', 'n'])).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing was stored') })
    expect(await stored()).toEqual([])
  })

  test('--yes asks nothing', async () => {
    expect(await answering([], ['--yes'])).toMatchObject({ code: 0, stderr: expect.not.stringContaining('[y/N]') })
  })
})

test.each([
  [['--root', 'sales'], /Accepted: the dept_id of a department/],
  [['--root', '10', '--remove-missing'], /Give --remove-missing without --root/],
])('%j is wrong usage', async (args, says) => {
  const { code, stderr } = await runCommand(['people', 'sync', ...args], { env: { DATABASE_URL: database.url } })
  expect([code, stderr]).toEqual([2, expect.stringMatching(says)])
})

test('without a database, without an app, and with a role that may not store people: said before any call', async () => {
  const { simulator, sync } = await aDingtalk()
  expect((await sync([], { DATABASE_URL: '' })).stderr).toContain('DATABASE_URL is not set')
  expect((await sync(['--app', 'hr'])).stderr).toMatch(/no app "hr" is configured, only "default"/)
  expect(await sync([], { DATABASE_URL: urlAs('read', database.url) })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('a member of delivery_names'),
  })
  expect(received(simulator)).toBe(0)
})
