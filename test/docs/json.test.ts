import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { parseConfig } from '../../src/app/config/config.ts'
import { parseLaw } from '../../src/simulator/attention.ts'
import { startSimulator } from '../../src/simulator/simulator.ts'
import { aRunningWorker } from '../ops/support.ts'
import { aForeignQueue } from '../queue/support.ts'
import { until } from '../support/wait.ts'
import { type Block, sharedBlocksIn } from './support/pages.ts'

const KINDS: ReadonlyArray<{ readonly has: string; readonly lacks?: string; readonly check: (block: Block) => Promise<void> }> = [
  { has: 'apps', check: isAppsFile },
  { has: 'free', lacks: 'parts', check: isFreeDaysFile },
  { has: 'recipients', check: isTruth },
  { has: 'checks', check: isHealth },
  { has: 'parts', check: isLaw },
  { has: 'edges', check: isLaw },
]

test.each(sharedBlocksIn('json').map((block) => ({ ...block })))('$at is what the page says', async (block) => {
  const value: unknown = JSON.parse(block.text)
  const kinds = KINDS.filter(
    ({ has, lacks }) => typeof value === 'object' && value !== null && has in value && (lacks === undefined || !(lacks in value)),
  )
  expect(kinds, 'exactly one kind of example that this test knows').toHaveLength(1)
  await kinds[0]?.check(block)
})

async function isAppsFile({ text }: Block): Promise<void> {
  const { apps } = parseConfig({ DINGTALK_APPS_FILE: 'apps.json' }, () => text)
  expect(apps).toMatchObject([
    { name: 'hr', agentId: '836390886', monthlyCallBudget: 4000, credentials: { kind: 'internal' } },
    { name: 'acme', oapiUrl: 'https://oapi.dingtalk.com', credentials: { kind: 'thirdParty' } },
  ])
}

async function isFreeDaysFile({ text }: Block): Promise<void> {
  const { calendar } = parseConfig({ FREE_DAYS_FILE: 'free-days.json' }, () => text).schedule
  expect([calendar.freeDays.length, calendar.workDays.length]).toEqual([2, 1])
}

/** The same fields as a real answer, in the same order. */
async function isTruth({ text }: Block): Promise<void> {
  const simulator = await startSimulator({ timeScale: 1440 })
  try {
    simulator.createTask({ taskId: '256271667526', recipients: [{ userId: 'ann-fast' }, { userId: 'bob-never', fate: 'never' }] })
    const response = await fetch(`${simulator.url}/_simulator/tasks/256271667526`)
    expect(namesIn(JSON.parse(text))).toEqual(namesIn(await response.json()))
  } finally {
    await simulator.close()
  }
}

/** As a file, and in a test. */
async function isLaw({ text }: Block): Promise<void> {
  const simulator = await startSimulator({ attention: parseLaw(JSON.parse(text), 'attention') })
  onTestFinished(() => simulator.close())
  expect(simulator.trueCurve(new Date('2026-11-03T02:00:00Z'))?.shares.at(-1)).toBeGreaterThan(0.7)
}

/** What a worker says in the same state, but for the numbers. */
async function isHealth({ text }: Block): Promise<void> {
  const { worker, databaseUrl } = await aRunningWorker()
  await query(databaseUrl, "SELECT track_delivery(task_id => '256271667526')")
  await until(async () => JSON.stringify(await worker.health()).includes('the last one'), { what: 'a poll was taken' })
  const queue = aForeignQueue({ url: databaseUrl, name: 'dingtalk-delivery', prefix: 'bull' })
  if (text.includes('paused')) await queue.pause()
  expect(steadyParts(JSON.parse(text))).toEqual(steadyParts(await worker.health()))
}

/** On a busy machine these checks warn: of them only the name is compared. */
const OF_MACHINE: ReadonlySet<string> = new Set(['event loop', 'locks', 'pool'])

function steadyParts(report: unknown): unknown {
  const { ok, checks } = REPORT.parse(report)
  return { ok, checks: checks.map((check) => (OF_MACHINE.has(check.name) ? check.name : withoutNumbers(check))) }
}

const REPORT = z.object({ ok: z.boolean(), checks: z.array(z.looseObject({ name: z.string() })) })

function withoutNumbers(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll(/\b\d+\b/g, 'N'))
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(sql)
  await client.end()
}

function namesIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(namesIn)
  if (typeof value !== 'object' || value === null) return null
  return Object.entries(value).map(([name, inner]) => [name, namesIn(inner)])
}
