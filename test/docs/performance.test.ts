import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './support/pages.ts'

interface Budget {
  readonly key: string
  readonly limit: string
  readonly value: number | null
  readonly verdict: string
}

interface Scripts {
  readonly judge: (figures: object) => readonly Budget[]
  readonly overBudget: (figures: object) => string
  readonly markdownOf: (document: object) => string
  readonly putInto: (page: string | null, markdown: string) => string
}

const load = async (script: string): Promise<object> =>
  (await import(new URL(`../../scripts/${script}`, import.meta.url).href)) as Readonly<Record<string, unknown>>
const { judge, overBudget, markdownOf, putInto } = {
  ...(await load('budgets.mjs')),
  ...(await load('bench-tables.mjs')),
} as Scripts

const DOCUMENT = {
  date: '2026-11-30T22:00:00.000Z',
  machine: { cpu: 'CPU', cores: 2, memoryGiB: 24, postgres: '18.4', redis: '7.0.15', node: 'v20.20.2' },
  load: { before: 0.25, after: 1.5 },
  discardedRounds: { redis: 1, growth: 2 },
  disturbedRounds: { redis: 0 },
  cpuRatio: { A: { redis: 0.25 }, B: { redis: 0.1 } },
  walPerPoll: { C: 20_412 },
  reading: { unread: { medianMs: 29.4, p99Ms: 47 } },
  apps2000: { A: { cpuMsPerPoll: 0.95, workerMsPerPoll: 0.6, postgresMsPerPoll: 0.24, redisMsPerPoll: 0.12, walBytesPerPoll: 1013 } },
}

const verdictsOf = (figures: object) =>
  Object.fromEntries(
    judge(figures)
      .filter(({ value }) => value !== null)
      .map(({ key, verdict }) => [key, verdict]),
  )

test('a figure is met or over where it has a budget, and is judged in the direction of that', () => {
  expect(verdictsOf(DOCUMENT)).toEqual({
    'cpuRatio.A.redis': 'met',
    'cpuRatio.B.redis': 'met',
    'walPerPoll.C': 'met',
    'reading.unread.medianMs': 'over',
    'reading.unread.p99Ms': 'met',
  })
  expect(verdictsOf({ cpuRatio: { A: { redis: 0.19 } } })).toEqual({ 'cpuRatio.A.redis': 'over' })
  expect([overBudget(DOCUMENT), overBudget({})]).toEqual([' OVER BUDGET: medianMs ≤ 20', ''])
})

test('the table for a page has every figure, bold where it is over, and says of what machine', () => {
  const lines = markdownOf(DOCUMENT).split('\n')
  expect(lines[0]).toBe('2026-11-30, 2 cores of CPU, 24 GiB, PostgreSQL 18.4, Redis 7.0.15, Node 20.20.2.')
  expect(lines[1]).toBe('Load 0.25 before and 1.5 after; 3 rounds were discarded for other work, 0 were used in spite of it.')
  expect(lines.filter((line) => /^\| .*`(?:cpuRatio.A.redis|walPerPoll.C|reading.unread.medianMs|start.importMs)`/.test(line))).toEqual([
    expect.stringMatching(/\| ≥ 0.2 \| 0.25 \|$/),
    expect.stringMatching(/\| ≤ 36000 \| 20,400 \|$/),
    expect.stringMatching(/\| ≤ 20 \| \*\*29.4\*\* \|$/),
    expect.stringMatching(/\| ≤ 100 \| – \|$/),
  ])
  expect(lines.slice(-4, -3)).toEqual(['| the ceiling, queue in PostgreSQL | – | – | – | – | – |'])
  expect(lines).toContain('| A, 2,000 apps with a task of 10 people each | 0.95 | 0.6 | 0.24 | 0.12 | 1,010 |')
})

test('a page keeps what is around the table; one without the marks is left alone', () => {
  const made = putInto(null, 'old')
  expect(putInto(`Before.\n\n${made}\nAfter.\n`, 'new')).toBe(`Before.\n\n${made.replace('old', 'new')}\nAfter.\n`)
  expect(() => putInto('# Another page\n', 'new')).toThrow('has no line <!-- figures of npm run bench -->')
})

test('the page on performance has the figures and the budgets of npm run bench', () => {
  const page = readFileSync(join(ROOT, 'docs/performance.md'), 'utf8')
  const rows = [...page.matchAll(/^\| .* \| `([\w.]+)` \| (.*) \| .+ \|$/gm)].map(([, key, limit]) => [key, limit?.trim()])
  expect(rows).toEqual(judge({}).map(({ key, limit }) => [key, limit]))
})
