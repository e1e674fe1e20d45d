import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { describeConfig, parseConfig } from '../../src/app/config/config.ts'
import { parseWorkerOptions } from '../../src/app/config/worker-options.ts'
import { runCommand } from '../support/commands.ts'

const HOUR = 3_600_000
const MINUTE = 60_000
const TASK = { app: 'default', taskId: '1', sentAt: new Date(0), people: 3, campaign: null }

const scheduleOf = (env: Record<string, string>) => parseConfig(env, () => '{}').schedule
const inProgram = (options: Record<string, unknown>, app: Record<string, unknown> = {}) =>
  parseWorkerOptions({ databaseUrl: 'postgres://db/x', apps: [{ credentials: { kind: 'fixed', accessToken: 't' }, ...app }], ...options })

/** The lines of a complaint. */
function faultsOf(parse: () => unknown): string[] {
  try {
    parse()
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' })
    return error instanceof Error ? error.message.split('\n  - ').slice(1) : []
  }
  return []
}

const DEFAULTS = {
  kind: 'learned',
  pollsPerTask: null,
  targetWidthMs: null,
  reportAgesMs: [HOUR, 4 * HOUR],
  maxGap: { ms: 6 * HOUR, isHard: false },
  pollTimes: null,
  calendar: { timeZone: 'Asia/Shanghai', freeDays: [], workDays: [], clockStart: null },
}

test('without settings the gaps grow, and what was not given is known', () => {
  expect(scheduleOf({})).toEqual(DEFAULTS)
  expect(inProgram({}).schedule).toEqual(DEFAULTS)
  expect([parseConfig({}).pollsPerTask, inProgram({}).pollsPerTask]).toEqual([24, 24])
})

test('the environment and a program give the same settings', () => {
  const expected = {
    kind: 'learned',
    pollsPerTask: 40,
    targetWidthMs: 15 * MINUTE,
    reportAgesMs: [30 * MINUTE, 1.5 * HOUR],
    maxGap: { ms: 5 * HOUR, isHard: true },
    pollTimes: null,
    calendar: {
      timeZone: 'Europe/Berlin',
      freeDays: ['2026-12-25'],
      workDays: ['2026-12-27'],
      clockStart: { localMs: Date.UTC(2026, 11, 1, 10), realMs: Date.UTC(2026, 10, 30, 15, 44) },
    },
  }
  const common = { SCHEDULE: 'learned', TARGET_WIDTH: '15m', MAX_GAP: '5h', ORGANISATION_TIME_ZONE: 'europe/berlin' }
  const clock = '2026-12-01T10:00@2026-11-30T15:44:00.000Z'
  const env = { ...common, POLLS_PER_TASK: '40', REPORT_AGES: '1h30m, 30m,30m', CLOCK_START: clock, FREE_DAYS_FILE: 'free.json' }
  expect(parseConfig(env, () => '{ "free": ["2026-12-25"], "work": ["2026-12-27"] }').schedule).toEqual(expected)
  const days = { freeDays: ['2026-12-25'], workDays: ['2026-12-27'] }
  const plan = { schedule: 'learned', pollsPerTask: 40, targetWidth: '15m', reportAges: ['90m', '30m', '1800s'], maxGap: '300m' }
  expect(inProgram({ ...plan, organisationTimeZone: 'Europe/Berlin', clockStart: clock, ...days }).schedule).toEqual(expected)
})

test('no report ages are an empty list, unlike the default', () => {
  for (const REPORT_AGES of ['', ' ', 'none']) expect(scheduleOf({ REPORT_AGES }).reportAgesMs).toEqual([])
  expect(inProgram({ reportAges: [] }).schedule.reportAgesMs).toEqual([])
})

describe('a custom schedule', () => {
  test('has the same polls for every task, or those of a function', () => {
    expect(scheduleOf({ SCHEDULE: 'custom', POLL_TIMES: '4h,5m,1h30m' }).pollTimes?.(TASK)).toEqual([5, 90, 240])
    expect(inProgram({ schedule: 'custom', pollTimes: ['1h', '5m'] }).schedule.pollTimes?.(TASK)).toEqual([5, 60])
    const pollTimes = ({ people }: { readonly people: number }) => [people]
    expect(inProgram({ schedule: 'custom', pollTimes }).schedule.pollTimes?.(TASK)).toEqual([3])
  })

  test('keeps the object of a function that is a method', () => {
    const options = {
      databaseUrl: 'postgres://db/x',
      apps: [{ credentials: { kind: 'fixed', accessToken: 't' } }],
      schedule: 'custom',
      pollTimes(): number[] {
        return [this.apps.length]
      },
    }
    expect(parseWorkerOptions(options).schedule.pollTimes?.(TASK)).toEqual([1])
  })
})

test.each([
  ['custom without polls', { SCHEDULE: 'custom' }, 'SCHEDULE is custom, and POLL_TIMES is missing. Give it, or leave SCHEDULE out.'],
  [
    'polls beside growing gaps',
    { SCHEDULE: 'growing', POLL_TIMES: '5m' },
    'POLL_TIMES is given, and SCHEDULE is growing. Give SCHEDULE as custom, or',
  ],
  ['polls beside a learned plan', { SCHEDULE: 'learned', POLL_TIMES: '5m' }, 'POLL_TIMES is given, and SCHEDULE is learned.'],
  [
    'a width beside growing gaps',
    { SCHEDULE: 'growing', TARGET_WIDTH: '15m' },
    'TARGET_WIDTH is given, and SCHEDULE is growing. Give SCHEDULE as learned',
  ],
  ['a gap beside growing gaps', { SCHEDULE: 'growing', MAX_GAP: '1h' }, 'MAX_GAP is given, and SCHEDULE is growing.'],
  [
    'a gap that needs more polls than a task has',
    { SCHEDULE: 'learned', MAX_GAP: '2h', POLLS_PER_TASK: '11' },
    'MAX_GAP is 2h, which needs 12 polls a task, and POLLS_PER_TASK is 11. Give POLLS_PER_TASK as 12 or more, or a longer MAX_GAP.',
  ],
  ['a gap that needs more than by default', { SCHEDULE: 'learned', MAX_GAP: '50m' }, 'needs 29 polls a task, and POLLS_PER_TASK is 24'],
  [
    'a gap that needs more than the most with a budget',
    { SCHEDULE: 'learned', MAX_GAP: '20m', MONTHLY_CALL_BUDGET: '9' },
    'MAX_GAP is 20m, which needs 72 polls a task, and POLLS_PER_TASK is 64',
  ],
])('%s is refused', (_, env, says) => {
  expect(faultsOf(() => scheduleOf(env))).toEqual([expect.stringContaining(says)])
})

test('a gap that a task with so many polls can keep is taken', () => {
  for (const more of [{ POLLS_PER_TASK: '12', MAX_GAP: '2h' }, { MAX_GAP: '50m', TARGET_WIDTH: '9m' }, { MAX_GAP: '1h' }])
    expect(scheduleOf({ SCHEDULE: 'learned', ...more }).maxGap.isHard).toBe(true)
})

test('a program is told by the names of its options', () => {
  expect(faultsOf(() => inProgram({ schedule: 'custom', targetWidth: '15m', freeDays: ['2026-12-27'], workDays: ['2026-12-27'] }))).toEqual(
    [
      'targetWidth is given, and schedule is custom. Give schedule as learned, or leave targetWidth out.',
      'schedule is custom, and pollTimes is missing. Give it, or leave schedule out.',
      'workDays[0] 2026-12-27 is in freeDays too. Leave it out of one of them.',
    ],
  )
})

describe('calls of other programs', () => {
  const budgetOf = (env: Record<string, string>, file?: unknown) =>
    parseConfig({ DINGTALK_ACCESS_TOKEN: 't', ...env }, () => JSON.stringify(file)).apps.map((app) => [
      app.monthlyCallBudget,
      app.callsUsedElsewhere,
    ])

  test('are taken off the budget, as a number or as a share', () => {
    expect(budgetOf({})).toEqual([[null, 0]])
    expect(budgetOf({ MONTHLY_CALL_BUDGET: '5000' })).toEqual([[5000, 0]])
    expect(budgetOf({ MONTHLY_CALL_BUDGET: '5000', CALLS_USED_ELSEWHERE: '1200' })).toEqual([[3800, 1200]])
    expect(budgetOf({ MONTHLY_CALL_BUDGET: '5000', CALLS_USED_ELSEWHERE: '20%' })).toEqual([[4000, 1000]])
    expect(budgetOf({ MONTHLY_CALL_BUDGET: '101', CALLS_USED_ELSEWHERE: '12.5 %' })).toEqual([[88, 13]])
    expect(parseConfig({ MONTHLY_CALL_BUDGET: '5000', CALLS_USED_ELSEWHERE: '20%' }).monthlyCallBudget).toBe(4000)
    expect(inProgram({}, { monthlyCallBudget: 5000, callsUsedElsewhere: '20%' }).apps[0]).toMatchObject({ monthlyCallBudget: 4000 })
    expect(inProgram({}, { monthlyCallBudget: 5000, callsUsedElsewhere: 7 }).apps[0]).toMatchObject({ monthlyCallBudget: 4993 })
  })

  test('are those of the app, else those of all apps', () => {
    const app = (name: string, more: object) => ({ name, accessToken: 't', ...more })
    const apps = [
      app('a', { monthlyCallBudget: 1000 }),
      app('b', { callsUsedElsewhere: 500 }),
      app('c', { monthlyCallBudget: null }),
      app('d', { monthlyCallBudget: 1000, callsUsedElsewhere: null }),
    ]
    const env = { MONTHLY_CALL_BUDGET: '5000', CALLS_USED_ELSEWHERE: '20%', DINGTALK_APPS_FILE: 'f' }
    expect(budgetOf(env, { apps })).toEqual([
      ...[
        [4000, 1000],
        [800, 200],
        [4500, 500],
      ],
      ...[
        [null, 0],
        [1000, 0],
      ],
    ])
  })

  test.each([
    ['without a budget', { CALLS_USED_ELSEWHERE: '20%' }, [], 'CALLS_USED_ELSEWHERE is 20%, and MONTHLY_CALL_BUDGET is missing'],
    [
      'that leave no call',
      { CALLS_USED_ELSEWHERE: '5000', MONTHLY_CALL_BUDGET: '5000' },
      [],
      'CALLS_USED_ELSEWHERE is 5000, which leaves no call of MONTHLY_CALL_BUDGET (5000).',
    ],
    [
      'that leave no call of an app',
      { CALLS_USED_ELSEWHERE: '1000', MONTHLY_CALL_BUDGET: '5000' },
      [{ name: 'a', accessToken: 't', monthlyCallBudget: 900 }],
      'CALLS_USED_ELSEWHERE is 1000, which leaves no call of DINGTALK_APPS_FILE: apps[0].monthlyCallBudget (900).',
    ],
    [
      'of an app without a budget',
      {},
      [{ name: 'a', accessToken: 't', callsUsedElsewhere: '12.5%' }],
      'DINGTALK_APPS_FILE: apps[0].callsUsedElsewhere is 12.5%, and DINGTALK_APPS_FILE: apps[0].monthlyCallBudget is missing',
    ],
  ])('%s are refused', (_, env, apps, says) => {
    const file = apps.length === 0 ? {} : { DINGTALK_APPS_FILE: 'f' }
    expect(faultsOf(() => parseConfig({ ...env, ...file }, () => JSON.stringify({ apps })))).toEqual([expect.stringContaining(says)])
  })

  test('of an app without a budget are refused in a program', () => {
    expect(faultsOf(() => inProgram({}, { callsUsedElsewhere: 5 }))).toEqual([
      expect.stringContaining('apps[0].callsUsedElsewhere is 5, and apps[0].monthlyCallBudget is missing'),
    ])
  })
})

describe('FREE_DAYS_FILE', () => {
  test.each([
    [
      'is not JSON',
      '{\n  "free": [\n    "2026-12-25",,\n    "2026-12-26"\n  ]\n}',
      '"days.json" is not JSON in line 3. Accepted: {"free":',
    ],
    ['is not JSON in a place that the parser does not name', '{"free":[],}', '"days.json" is not JSON'],
    ['ends too soon', '{\n  "free": [\n', '"days.json" is not JSON to the end, which is in line 2. Accepted: {"free":'],
    [
      'has a day that is none',
      '{\n  "free": [\n    "2026-12-25",\n    "2026-02-30"\n  ]\n}',
      '"days.json" line 4: free[1] "2026-02-30" is not accepted. Accepted: a day as YYYY-MM-DD',
    ],
    ['has a number', '{\n"work": [20261227] }', '"days.json" line 2: work[0] "20261227" is not accepted. Accepted: a day'],
    [
      'has a day twice',
      '{ "free": ["2026-12-27"],\n  "work": ["2026-12-27"] }',
      '"days.json" line 1: work[0] 2026-12-27 is in free too. Leave it out of one of them.',
    ],
    ['has other fields', '{ "holidays": [] }', '"days.json": the file has unknown fields: holidays. Accepted: free, work.'],
    ['is a list', '[]', '"days.json": the file must be an object, not a list. Accepted: an object with free, work.'],
    ['has no list', '{ "free": "2026-12-25" }', '"days.json": free must be a list of days, not'],
  ])('that %s is refused, with the line where it is one', (_, text, says) => {
    expect(faultsOf(() => parseConfig({ FREE_DAYS_FILE: 'days.json' }, () => text))).toEqual([
      expect.stringMatching(/^FREE_DAYS_FILE: "days\.json"/),
    ])
    expect(faultsOf(() => parseConfig({ FREE_DAYS_FILE: 'days.json' }, () => text))[0]).toContain(says)
  })

  test('that cannot be read is refused', () => {
    expect(faultsOf(() => parseConfig({ FREE_DAYS_FILE: '/nowhere/days.json' }))).toEqual([
      'FREE_DAYS_FILE: "/nowhere/days.json" cannot be read (NOT_A_FILE: it is a pipe or a device). Give the path of a JSON file that this user may read.',
    ])
  })

  test('may have a byte order mark, and leave a list out', () => {
    expect(parseConfig({ FREE_DAYS_FILE: 'f' }, () => '\uFEFF{"work":["2026-12-27"]}').schedule.calendar).toMatchObject({
      freeDays: [],
      workDays: ['2026-12-27'],
    })
  })
})

test('doctor says until when days off are known, where the plan is made from them', async () => {
  const calendarIn = async (env: Record<string, string>) => {
    const { stdout } = await runCommand(['doctor', '--json'], { env })
    return z
      .array(z.object({ name: z.string(), ok: z.boolean() }).loose())
      .parse(JSON.parse(stdout))
      .filter(({ name }) => name === 'calendar')
  }
  expect(await calendarIn({ SCHEDULE: 'learned' })).toEqual([
    { name: 'calendar', ok: true, detail: expect.stringMatching(/^Asia\/Shanghai: holidays .* known until \d{4}-12-31/) },
  ])
  expect(await calendarIn({ SCHEDULE: 'growing' })).toEqual([])
})

test('the log has the settings, and the number of days instead of each', () => {
  const env = { SCHEDULE: 'custom', POLL_TIMES: '5m', FREE_DAYS_FILE: 'f' }
  expect(describeConfig(parseConfig(env, () => '{"free":["2026-12-25"]}'))).toMatchObject({
    schedule: { kind: 'custom', isPollTimesGiven: true, calendar: { timeZone: 'Asia/Shanghai', freeDays: 1, workDays: 0 } },
  })
})
