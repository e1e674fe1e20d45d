import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeForecast } from '../../src/cli/text/forecast.ts'
import { HOUR_MS } from '../../src/domain/delivery.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { Forecast } from '../../src/report/forecast.ts'
import { createLaws } from '../../src/store/laws.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { runCommand } from '../support/commands.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { runCli } from '../support/process.ts'
import { urlAs } from '../support/roles.ts'
import { plain, widestOf } from './support.ts'

/** A directory without an embedded database, so that the command finds none. */
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-forecast-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const run = (args: readonly string[], env: Record<string, string> = {}) => runCommand(['forecast', ...args], { cwd: directory, env })

/** As JSON has it. */
type Printed = Omit<Forecast, 'sentAt'> & { readonly sentAt: string }

async function forecast(args: readonly string[], env: Record<string, string> = {}): Promise<Printed> {
  const { code, stdout, stderr } = await run([...args, '--json'], env)
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout) as Printed
}

/** The share that is expected to have read in the first hour. */
const readEarly = ({ readWithin }: Printed): number => readWithin[0]?.share ?? 0

interface LawFile {
  readonly unit?: string
  readonly edges: readonly unknown[]
  readonly density: readonly unknown[]
  readonly readShare?: unknown
}

async function lawFile(name: string, law: LawFile | string): Promise<string> {
  const path = `${name.replaceAll(' ', '-')}.json`
  await writeFile(join(directory, path), typeof law === 'string' ? law : JSON.stringify(law))
  return path
}

const MINUTES = Array.from({ length: 1_441 }, (_, minute) => minute)
const smooth = (density: (minute: number) => number): LawFile => ({
  edges: MINUTES,
  density: MINUTES.slice(1).map((minute) => density(minute - 0.5)),
  readShare: 0.85,
})
const hump = (minute: number, middle: number, width: number): number => Math.exp(-(((minute - middle) / width) ** 2))

const LAWS: Readonly<Record<string, LawFile>> = {
  uniform: { unit: 'min', edges: [0, 1_440], density: [1], readShare: 0.85 },
  spike: { edges: [0, 700, 705, 1_440], density: [1, 300, 1], readShare: 0.9 },
  'two humps': smooth((minute) => hump(minute, 45, 15) + hump(minute, 840, 60)),
  step: { edges: [0, 510, 1_440], density: [0, 1], readShare: 0.7 },
  'heavy tail': smooth((minute) => (1 + minute / 4) ** -1.4),
}

/** The share that has read by a minute, straight from the file. */
function shareBy({ edges, density }: LawFile, minute: number): number {
  const mass = density.map((each, i) => {
    const [from, to] = [Number(edges[i]), Number(edges[i + 1])]
    return Number(each) * Math.max(0, Math.min(to, minute) - from)
  })
  return mass.reduce((sum, each) => sum + each, 0)
}

function widthOf(law: LawFile, polls: readonly number[]): number {
  const shares = polls.map((minute) => shareBy(law, minute))
  return (
    polls.reduce((sum, minute, i) => sum + (minute - (polls[i - 1] ?? 0)) * ((shares[i] ?? 0) - (shares[i - 1] ?? 0)), 0) /
    (shares.at(-1) ?? 0)
  )
}

/** The best plan whose polls lie on whole steps: no better than the optimum of any finer grid. */
function coarseOptimum(law: LawFile, polls: number, step = 4.9875): number {
  const nodes = Array.from({ length: Math.round(1_431.5 / step) + 1 }, (_, i) => Math.min(1_431.5, i * step))
  const shares = nodes.map((minute) => shareBy(law, minute))
  let costs = nodes.map((_, i) => (i === 0 ? 0 : Number.POSITIVE_INFINITY))
  for (let poll = 0; poll < polls; poll++) {
    costs = nodes.map((node, i) =>
      Math.min(
        costs[i] ?? 0,
        ...nodes.slice(0, i).map((from, j) => (costs[j] ?? 0) + (node - from) * ((shares[i] ?? 0) - (shares[j] ?? 0))),
      ),
    )
  }
  return (costs.at(-1) ?? 0) / (shares.at(-1) ?? 1)
}

describe.each(Object.entries(LAWS))('the law %s', (name, law) => {
  test.each([8, 16, 24, 48])('%i polls are at most 3 %% from the optimum, and at most 6 %% with report ages', async (polls) => {
    const args = ['--recipients', '3000', '--polls', String(polls), '--law', await lawFile(name, law)]
    const free = await forecast(args, { REPORT_AGES: 'none' })
    expect(free).toMatchObject({ placedBy: 'law', polls, callsAtMost: 30 * polls, reportAges: [] })
    expect(free.pollsMinutes).toHaveLength(polls)
    expect(free.pollsMinutes.at(-1)).toBe(1_431.5)
    expect(widthOf(law, free.pollsMinutes) / free.meanBracketMinutes).toBeCloseTo(1, 3)
    expect(free.meanBracketMinutes).toBeLessThanOrEqual(1.03 * free.optimumMinutes)
    const withAges = await forecast(args)
    expect(withAges.optimumMinutes).toBe(free.optimumMinutes)
    expect(withAges.meanBracketMinutes).toBeLessThanOrEqual((polls < 24 ? 1.03 : 1.06) * withAges.optimumMinutes)
  })

  test('the optimum is no more than that of a coarser grid, and near it', async () => {
    const { optimumMinutes } = await forecast(['--recipients', '100', '--polls', '16', '--law', await lawFile(name, law)])
    const coarse = coarseOptimum(law, 16)
    expect(optimumMinutes).toBeLessThanOrEqual(coarse + 1e-3)
    expect(optimumMinutes).toBeGreaterThan(0.85 * coarse)
  })
})

test('the command that is installed does the same, without a database and without settings', async () => {
  const law = await lawFile('uniform', { edges: [0, 1_440], density: [1], readShare: 0.85 })
  const args = ['forecast', '--recipients', '3000', '--polls', '8', '--law', join(directory, law), '--json']
  const { code, stdout } = await runCli(args, { env: {}, cwd: directory })
  expect(code).toBe(0)
  const { meanBracketMinutes, optimumMinutes, calls, readWithin } = JSON.parse(stdout) as Printed
  expect(meanBracketMinutes).toBeCloseTo(1_431.5 / 8, 0)
  expect(meanBracketMinutes).toBeLessThanOrEqual(1.03 * optimumMinutes)
  expect(calls).toBeCloseTo(240, 1)
  expect(readWithin.at(-1)).toEqual({ hours: 24, share: 0.85 })
})

describe('a law', () => {
  test('is the same in seconds and in hours, and 85 % read where nothing else is said', async () => {
    const inMinutes = await forecast(['--recipients', '50', '--law', await lawFile('min', { edges: [0, 60, 1_440], density: [5, 1] })])
    for (const [unit, edges] of Object.entries({ s: [0, 3_600, 86_400], h: [0, 1, 24] })) {
      const args = ['--recipients', '50', '--law', await lawFile(unit, { unit, edges, density: [10, 2], readShare: 0.85 })]
      const { sentAt, ...others } = await forecast(args)
      expect(inMinutes).toMatchObject(others)
      expect(sentAt).toMatch(/Z$/)
    }
  })

  test.each<[string, LawFile | string, string]>([
    [
      'edges that fall',
      { edges: [0, 5, 4], density: [1, 2] },
      'edges[2] is 4, which is not above edges[1] (5). Accepted: ascending numbers.',
    ],
    [
      'too few densities',
      { edges: [0, 5, 9], density: [1] },
      'density has 1 entry, and edges 3. Accepted: one for each time between two edges, here 2.',
    ],
    ['one edge', { edges: [5], density: [] }, 'edges has 1 entry. Accepted: two or more, ascending. Faults after this one: 1.'],
    ['a negative density', { edges: [0, 5], density: [-2] }, 'density[0] -2 is not accepted. Accepted: a number from 0 to 1000000000000.'],
    ['no reads at all', { edges: [0, 5], density: [0] }, 'density has no number above 0, so no one would ever read.'],
    ['a text', { edges: [0, 'x'], density: [1] }, 'edges[1] "x" is not accepted. Accepted: a number from 0 to 10000000.'],
    ['an endless number', '{"edges":[0,1e999],"density":[1]}', 'edges[1] Infinity is not accepted.'],
    ['no reader', { edges: [0, 5], density: [1], readShare: 0 }, 'readShare 0 is not accepted. Accepted: a number above 0, at most 1.'],
    ['too many readers', { edges: [0, 5], density: [1], readShare: 1.5 }, 'readShare 1.5 is not accepted.'],
    ['an unknown unit', { unit: 'd', edges: [0, 5], density: [1] }, 'unit "d" is not accepted. Accepted: s, min, h.'],
    ['a list', '[]', 'it must be an object, not a list. Accepted: an object with unit, edges, density, readShare.'],
    ['no JSON', '{"edges":\n[0,', 'is not JSON to the end, which is in line 2. Accepted: {"unit":"min","edges":[0,60,1440]'],
  ])('with %s is refused in one line', async (name, law, says) => {
    const { code, stdout, stderr } = await run(['--recipients', '10', '--law', await lawFile(name, law)])
    expect([code, stdout, stderr.split('\n').length]).toEqual([1, '', 2])
    expect(stderr).toContain(`error: --law: "${name.replaceAll(' ', '-')}.json"`)
    expect(stderr).toContain(says)
  })

  test('of a file that is not there is refused', async () => {
    const { code, stderr } = await run(['--recipients', '10', '--law', 'nothing.json'])
    expect(code).toBe(1)
    expect(stderr).toContain('--law: "nothing.json" cannot be read (ENOENT: it does not exist)')
  })
})

test.each([
  [[], "required option '--recipients <number>'"],
  [['--recipients', '0'], 'Accepted: a whole number from 1 to 10000000.'],
  [['--recipients', '10', '--polls', '501'], 'Accepted: a whole number from 1 to 500.'],
  [['--recipients', '10', '--target-width', '15'], 'Accepted: a duration from 1m to 12h, such as 90s, 15m, 1h or 1h30m.'],
  [
    ['--recipients', '10', '--polls', '5', '--target-width', '15m'],
    "'--target-width <duration>' cannot be used with option '--polls <number>'",
  ],
])('wrong usage is exit code 2: %j', async (args, says) => {
  const { code, stdout, stderr } = await run(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(says)
})

describe('the time of the send', () => {
  test.each([
    ['2026-12-01T10:00', '2026-12-01T02:00:00.000Z'],
    ['2026-12-01 16:30:05', '2026-12-01T08:30:05.000Z'],
    ['2026-12-01T10:00:00+01:00', '2026-12-01T09:00:00.000Z'],
    ['2026-12-01T10:00:00Z', '2026-12-01T10:00:00.000Z'],
  ])('%s is %s', async (given, sentAt) => {
    expect(await forecast(['--recipients', '10', '--sent-at', given])).toMatchObject({ sentAt })
  })

  test('without a zone is that of the organisation, on both sides of a change of its offset', async () => {
    const inBerlin = { ORGANISATION_TIME_ZONE: 'Europe/Berlin' }
    for (const [given, sentAt] of [
      ['2027-03-28T01:30', '2027-03-28T00:30:00.000Z'],
      ['2027-03-28T03:30', '2027-03-28T01:30:00.000Z'],
    ] as const)
      expect(await forecast(['--recipients', '10', '--sent-at', given], inBerlin)).toMatchObject({ sentAt })
  })

  test.each(['tomorrow', '2026-02-30T10:00', '2026-12-01T24:30', '2026-12-01'])('%s is refused', async (given) => {
    const { code, stderr } = await run(['--recipients', '10', '--sent-at', given])
    expect(code).toBe(1)
    expect(stderr).toContain(`--sent-at "${given}" is not accepted. Accepted: a time of the organisation's clock such as 2026-12-01T10:00`)
  })
})

describe('settings', () => {
  const TUESDAY = ['--recipients', '3000', '--sent-at', '2026-12-01T10:00']

  test('SCHEDULE=learned: before the first task the assumed law places 24 polls, and a night has few of them', async () => {
    const made = await forecast(TUESDAY, { SCHEDULE: 'learned' })
    expect(made).toMatchObject({ placedBy: 'prior', polls: 24, law: { kind: 'prior', version: null }, price: null, budget: null })
    const night = made.pollsMinutes.filter((minutes) => minutes > 14 * 60 && minutes < 21 * 60)
    expect(night.length).toBeLessThan(4)
  })

  test('SCHEDULE=growing and custom are forecast as they are, beside what learned would bring', async () => {
    const growing = await forecast(TUESDAY, { SCHEDULE: 'growing' })
    expect(growing.placedBy).toBe('growing')
    expect(growing.compare.learned.meanBracketMinutes).toBeLessThan(growing.meanBracketMinutes)
    const custom = await forecast(TUESDAY, { SCHEDULE: 'custom', POLL_TIMES: '30m,2h' })
    expect(custom).toMatchObject({ placedBy: 'custom', pollsMinutes: [30, 120, 1_431.5] })
  })

  test('TARGET_WIDTH, POLLS_PER_TASK, MAX_GAP and a free day count, and options go before them', async () => {
    const learned = { SCHEDULE: 'learned' }
    const reached = await forecast(TUESDAY, { ...learned, TARGET_WIDTH: '20m' })
    expect(reached.meanBracketMinutes).toBeLessThanOrEqual(20)
    expect((await forecast([...TUESDAY, '--target-width', '40m'], { ...learned, TARGET_WIDTH: '20m' })).polls).toBeLessThan(reached.polls)
    expect((await forecast([...TUESDAY, '--polls', '9'], { ...learned, TARGET_WIDTH: '20m', POLLS_PER_TASK: '60' })).polls).toBe(9)
    expect((await forecast(TUESDAY, { ...learned, MAX_GAP: '90m' })).longestGapMinutes).toBeLessThanOrEqual(90)
    const free = await lawFile('days', JSON.stringify({ free: ['2026-12-01'] }))
    const onFreeDay = await forecast(TUESDAY, { ...learned, FREE_DAYS_FILE: free })
    expect(readEarly(onFreeDay)).toBeLessThan(readEarly(await forecast(TUESDAY, learned)))
  })

  test('a monthly budget decides about the number of polls, and its part is named', async () => {
    const made = await forecast(TUESDAY, { SCHEDULE: 'learned', MONTHLY_CALL_BUDGET: '3000', CALLS_USED_ELSEWHERE: '1000' })
    expect(made.budget).toEqual({ monthlyCallBudget: 2_000, callsUsed: null, share: expect.closeTo(made.calls / 2_000, 4), isEnough: null })
    expect(made.price).toBeGreaterThan(0)
    expect(made.polls).toBeLessThan(24)
    const env = { SCHEDULE: 'learned', MONTHLY_CALL_BUDGET: '2000' }
    const atMonthEnd = await forecast(['--recipients', '3000', '--sent-at', '2026-12-30T10:00'], env)
    expect(atMonthEnd.polls).toBeGreaterThan(made.polls)
  })
})

describe('for people', () => {
  const TEXT = ['--recipients', '3050', '--sent-at', '2026-12-01T10:00', '--polls', '24']

  test('says the calls and the width first, then compares, then lists the polls as times of the local day', async () => {
    const { stdout } = await run(TEXT, { SCHEDULE: 'learned' })
    expect(stdout).toMatch(/^31 tasks, about 744 calls \(744 at most\)\. A read is known to within \d+ min on average; 24 polls can reach/)
    expect(stdout).toMatch(/Expected to have read: [\d.]+% after 1 h, [\d.]+% after 4 h, [\d.]+% after 24 h\./)
    expect(stdout).toContain('Nothing has been learned of app default yet')
    expect(stdout).toMatch(/^Report ages {2}a poll right after 1h, 4h$/m)
    for (const name of ['this plan', 'growing gaps', '1 min, then ×1.5', 'every hour', 'every 15 min'])
      expect(stdout).toMatch(new RegExp(`^${name} +\\d`, 'm'))
    expect(stdout).toMatch(/^Sent +2026-12-01 10:00 Asia\/Shanghai\nTue 12-01 +10:\d\d {2}/m)
    expect(stdout).toMatch(/^Wed 12-02 .*09:51$/m)
  })

  test('growing gaps are no longer compared with themselves, and the target that is not reached is named', async () => {
    const args = ['--recipients', '3000', '--target-width', '5m', '--sent-at', '2026-12-01T10:00']
    const { stdout } = await run(args, { SCHEDULE: 'growing', POLLS_PER_TASK: '30' })
    expect(stdout).toContain('5 min is not reached: at most 30 polls are allowed')
    expect(stdout).toMatch(/^SCHEDULE=learned +30/m)
    expect(stdout).not.toMatch(/^growing gaps/m)
  })

  test('a budget is named', async () => {
    const { stdout } = await run(TEXT, { SCHEDULE: 'learned', MONTHLY_CALL_BUDGET: '5000' })
    expect(stdout).toMatch(/^Budget +14\.9% of the month's 5,000 calls$/m)
  })
})

describe('with a database', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createTestDatabase({ migrated: true })
  })
  afterAll(() => database.drop())
  const withDatabase = (env: Record<string, string> = {}) => ({ DATABASE_URL: urlAs('read', database.url), SCHEDULE: 'learned', ...env })
  const ARGS = ['--recipients', '300', '--sent-at', '2026-12-01T10:00']

  test('before the first task it is the assumed law; then that of the app, whose calls count', async () => {
    expect(await forecast(ARGS, withDatabase())).toMatchObject({ app: 'default', placedBy: 'prior' })
    const opened = openDatabase(database.url)
    try {
      const late = { ...PRIOR_LAW, hazard: { edges: [0, 600, 601, 2_400], values: [0, 0.1, 1.5, 1.6] } }
      const sample = { tasks: 40, people: 1_900, lastSentAt: new Date('2026-11-27T02:00:00Z'), learnedAt: new Date('2026-11-30T02:00:00Z') }
      await createLaws(opened).add('hr', { law: late, ...sample })
      await opened.pool.query(
        "INSERT INTO delivery_app (app, calls_month, calls_used) VALUES ('hr', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), 700)",
      )
    } finally {
      await opened.close()
    }
    const made = await forecast(ARGS, withDatabase())
    expect(made).toMatchObject({
      app: 'hr',
      placedBy: 'learned',
      law: { kind: 'learned', tasks: 40, people: 1_900, version: expect.any(Number) },
    })
    expect(readEarly(made)).toBeLessThan(0.05)
    const { stdout } = await run(['--recipients', '300', '--app', 'hr'], withDatabase())
    expect(stdout).toContain('learned from 40 tasks of app hr with 1,900 recipients, the latest sent 2026-11-27')
  })

  test('an app that is not known is refused, and which are known is said; several need a name', async () => {
    const misspelt = await run([...ARGS, '--app', 'hrr'], withDatabase())
    expect([misspelt.code, misspelt.stderr]).toEqual([
      1,
      expect.stringContaining('No app "hrr" is configured, has a task or has made a call. Known: hr.'),
    ])
    const apps = JSON.stringify({ apps: [{ name: 'it', accessToken: 'token-of-it' }] })
    await writeFile(join(directory, 'apps.json'), apps)
    const several = await run(ARGS, withDatabase({ DINGTALK_APPS_FILE: 'apps.json' }))
    expect([several.code, several.stderr]).toEqual([1, expect.stringContaining('it, hr. Say which one with --app.')])
  })

  test('one that does not answer is an error, not the assumed law', async () => {
    const { code, stdout } = await run(ARGS, { DATABASE_URL: 'postgres://127.0.0.1:9/none' })
    expect([code, stdout]).toEqual([1, ''])
  })
})

test('lines fit a narrow terminal', async () => {
  const made = await forecast(['--recipients', '3050', '--sent-at', '2026-12-01T10:00'], { MONTHLY_CALL_BUDGET: '5000' })
  const clock = { timeZone: 'Asia/Shanghai', localAt: (at: Date) => at.getTime() + 8 * HOUR_MS }
  const given = { ...made, sentAt: new Date(made.sentAt) }
  for (const width of [40, 60, 80]) expect(widestOf(describeForecast(given, clock, { colors: plain, width }))).toBeLessThanOrEqual(width)
})
