import { describe, expect, test } from 'vitest'

/** A day of 60 s, the last but one of November. */
const SCALE = 1_440
const DAY_MS = 60_000
const START = Date.UTC(2026, 10, 30, 12)
const CLOCK = { localMs: Date.UTC(2026, 10, 29), realMs: START }
const at = (ms: number): Date => new Date(START + ms)
/** Minutes of the compressed day; a final poll is due 5 to 12 before the deadline. */
const beforeDeadline = (minutes: number): number => DAY_MS - (minutes * 60_000) / SCALE

const task = {
  ...{ app: 'hr', taskId: '1', sentAt: at(0), deadlineAt: at(DAY_MS), sentAtGiven: true, status: 'expired', admitted: true },
  ...{ calls: 2, finalCalls: 1, delayCode: null, placedBy: 'learned', planned: 2, finalAt: at(beforeDeadline(8)) },
}
const poll = (ms: number, outcome = 'observed', taskId = '1') => ({ app: 'hr', taskId, dueAt: at(ms), requestedAt: at(ms), outcome })
const call = (ms: number, code = '0') => ({ at: at(ms), code })
const FIRST = 3_000
const FINAL = beforeDeadline(8)

/** One task of one reader, with a poll after 3 s and a final one, and a budget of four calls. */
const facts = {
  ...{ budget: 4, timeScale: SCALE, clock: CLOCK, tasks: [task], polls: [poll(FIRST), poll(FINAL)] },
  readers: [{ app: 'hr', taskId: '1', userId: '01', after: at(FIRST), before: at(FINAL + 1) }],
  months: [{ app: 'hr', month: '2026-11', most: 2, used: 2 }],
  truth: new Map([['1', { app: 'hr', sentAt: at(0), readers: new Map([['01', at(30_000)]]) }]]),
  arrivals: new Map([['1', [call(FIRST), call(FINAL)]]]),
  metered: new Map([['hr', 2]]),
  disturbances: [] as ReadonlyArray<{ kind: string; app: string | null; fromMs: number; toMs: number }>,
}
type Facts = typeof facts

interface Verdict {
  readonly violations: readonly string[]
  readonly figures: Readonly<Record<string, unknown>>
}

const JUDGE = new URL('../../bench/calls/compressed/judge.mjs', import.meta.url).href

async function judged(changed: Partial<Facts> = {}): Promise<Verdict> {
  const { judge } = (await import(JUDGE)) as { readonly judge: (facts: Facts) => Verdict }
  return judge({ ...facts, ...changed })
}

/** Without the final poll. */
const WITHOUT: Partial<Facts> = {
  polls: [poll(FIRST)],
  arrivals: new Map([['1', [call(FIRST)]]]),
  metered: new Map([['hr', 1]]),
  months: [{ app: 'hr', month: '2026-11', most: 1, used: 1 }],
  readers: [],
}

describe('the judge of compressed months', () => {
  test('finds nothing wrong, and measures the mean bracket in minutes of the day', async () => {
    const { violations, figures } = await judged()
    expect(violations).toEqual([])
    expect(figures).toMatchObject({ withFinalPoll: 1, admitted: 1, callsCounted: 2, callsThatCountThere: 2, meanBracketMinutes: 1_360 })
  })

  test('names a month that was granted more calls than it has, even if some were given back', async () => {
    const { violations } = await judged({ months: [{ app: 'hr', month: '2026-11', most: 5, used: 2 }] })
    expect(violations).toEqual(['hr was granted 5 calls in 2026-11, and has 4'])
  })

  test('names a month with more calls at the server than it has, without those that the rate limit refused', async () => {
    const calls = [6_000, 7_000, 8_000, 9_000, 10_000].map((ms) => call(ms))
    const months = [{ app: 'hr', month: '2026-11', most: 4, used: 4 }]
    const over = await judged({ arrivals: new Map([['1', [...calls, call(FINAL)]]]), months })
    expect(over.violations).toEqual(['hr in 2026-11: 6 calls came to the server, and there are 4'])
    const throttled = await judged({ arrivals: new Map([['1', [...calls.slice(0, 3), call(10_000, '90018'), call(FINAL)]]]), months })
    expect(throttled.violations).toEqual([])
  })

  test('names calls that count at the server and were not counted here, and those that were counted and not made without a kill', async () => {
    expect((await judged({ metered: new Map([['hr', 3]]) })).violations).toEqual([
      'hr: 3 calls count at the server, and 2 were counted here',
    ])
    const lost = { months: [{ app: 'hr', month: '2026-11', most: 3, used: 3 }] }
    expect((await judged(lost)).violations).toEqual(['hr: 3 calls were counted, and 2 came to the server'])
    const killed = [{ kind: 'kill', app: null, fromMs: START, toMs: START + 1 }]
    expect((await judged({ ...lost, disturbances: killed })).violations).toEqual([])
  })

  test('names tasks that are not there or have not ended', async () => {
    expect((await judged({ tasks: [{ ...task, status: 'tracking' }] })).violations).toContain('task 1 has not ended')
    expect((await judged({ tasks: [], polls: [], readers: [] })).violations).toContain('task 1 is not in the database')
  })

  test('counts admitted tasks without a final poll that nothing kept from it', async () => {
    const { violations, figures } = await judged(WITHOUT)
    expect(violations).toEqual(['1 admitted tasks have no final poll, and nothing kept them from it'])
    expect(figures).toMatchObject({ missing: 1, meanBracketMinutes: 1_440 })
  })

  test.each([
    ['it is not admitted', { tasks: [{ ...task, admitted: false }] }, { refused: 1 }],
    ['it ended before', { tasks: [{ ...task, status: 'complete' }] }, { endedEarly: 1 }],
    ['its final poll failed', { polls: [poll(FIRST), poll(FINAL, 'transient')] }, { finalPollFailed: 1 }],
    [
      'a worker was killed in it, and the call had reached the server',
      { arrivals: new Map([['1', [call(FIRST), call(FINAL)]]]), months: facts.months },
      { finalPollFailed: 1 },
    ],
    [
      'a worker was killed then',
      { disturbances: [{ kind: 'kill', app: null, fromMs: START + FINAL, toMs: START + FINAL + 1 }] },
      { keptByFaults: 1 },
    ],
    [
      'other polls were as late',
      { polls: [poll(FIRST), { ...poll(FINAL, 'observed', '2'), requestedAt: at(FINAL + 900) }] },
      { keptByLateness: 1 },
    ],
  ])('does not count one where %s', async (_why, changed: Partial<Facts>, counted) => {
    const { violations, figures } = await judged({ ...WITHOUT, ...changed })
    expect(violations).toEqual([])
    expect(figures).toMatchObject(counted)
  })

  test('names an admitted task whose call was spent on others, whatever else kept it from its final poll', async () => {
    const spent = [10_000, 20_000, 30_000, 40_000].map((ms) => call(ms))
    const { violations } = await judged({
      ...{ ...WITHOUT, budget: 4, arrivals: new Map([['1', spent]]), months: [{ app: 'hr', month: '2026-11', most: 4, used: 4 }] },
      disturbances: [{ kind: 'kill', app: null, fromMs: START + FINAL, toMs: START + FINAL + 1 }],
    })
    expect(violations).toEqual(['task 1 of hr was admitted, and other tasks made all 4 calls of 2026-11 before its final poll'])
  })

  test('names a bracket that does not contain the read, and a reader who never reads', async () => {
    const early = [{ app: 'hr', taskId: '1', userId: '01', after: at(31_000), before: at(FINAL) }]
    expect((await judged({ readers: early })).violations).toEqual([expect.stringMatching(/^a recipient of task 1 read at .*, outside \(/)])
    const stranger = [{ app: 'hr', taskId: '1', userId: '02', after: at(0), before: at(FINAL) }]
    expect((await judged({ readers: stranger })).violations).toEqual(['a recipient of task 1 is stored as a reader, and never reads'])
  })
})
