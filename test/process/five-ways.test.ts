import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NodeProcess, startCli } from '../support/process.ts'
import { holdAgainstTruth } from './support/truth.ts'
import { commandsOf, dashboardOf, type Figures, httpOf, inPercent, STATES, typescriptOf, viewsOf, type Way } from './support/ways.ts'

/** A day of the demo, its final polls, and a slow machine. */
const DAY_MS = 150_000

let demo: NodeProcess
let sql: pg.Client
let views: Way
let tasks: readonly string[]
let campaigns: readonly string[]
let at: Record<'database' | 'dashboard' | 'simulator', string>
const closers: Array<() => Promise<void>> = []

beforeAll(async () => {
  demo = startCli(['demo'], { env: { PORT: '0' } })
  await demo.waitForLine(/export DATABASE_URL=/, DAY_MS)
  at = { database: said(/export DATABASE_URL=(\S+)/), dashboard: originOf(/dashboard +(\S+)/), simulator: originOf(/simulator +(\S+)/) }
  sql = new pg.Client({ connectionString: at.database })
  await sql.connect()
  await sql.query('SET search_path TO dingtalk')
  views = viewsOf(sql)
  tasks = await column('SELECT task_id AS name FROM delivery_task_rates ORDER BY 1')
  campaigns = await column('SELECT campaign AS name FROM delivery_campaign_rates ORDER BY 1')
}, DAY_MS + 30_000)

afterAll(async () => {
  for (const close of closers) await close()
  await sql?.end()
  await demo?.[Symbol.asyncDispose]()
})

test('the demo sent a dozen notifications in three campaigns, and its day is over', async () => {
  expect([tasks.length, campaigns.length]).toEqual([12, 3])
  expect(await column("SELECT task_id AS name FROM delivery_task WHERE status = 'tracking'")).toEqual([])
})

test('the address of the dashboard is the first thing that the demo says, and it prints the final read rates', () => {
  const first = demo
    .stderr()
    .split('\n')
    .find((line) => line.includes('http'))
  expect(first).toMatch(/^Watch it live: http:\/\/127\.0\.0\.1:\d+\/$/)
  for (const name of campaigns) expect(demo.stdout()).toMatch(new RegExp(`^${name} .*\\d+ of \\d+ .*\\d\\d\\.\\d%`, 'm'))
})

test('everybody is stored as what they truly were at the final poll', async () => {
  for (const taskId of tasks) {
    const people = await holdAgainstTruth(sql, at.simulator, taskId)
    expect(people.filter((person) => !(person.true as readonly string[]).includes(person.stored))).toEqual([])
    expect(sumOf(await views.task(taskId)), 'the parts are the whole').toBe(people.length)
  }
})

test('a campaign counts each person once: nobody of the demo is in two of its tasks', async () => {
  for (const name of campaigns) {
    const ids = await column('SELECT task_id AS name FROM delivery_task WHERE campaign = $1', [name])
    const parts: Figures[] = []
    for (const taskId of ids) parts.push(await views.task(taskId))
    const campaign = await views.campaign(name)
    for (const state of STATES)
      expect([name, state, campaign[state]]).toEqual([name, state, parts.reduce((sum, part) => sum + part[state], 0)])
  }
})

interface Compared {
  readonly name: string
  readonly open: () => Promise<Way>
  /** What of the views' figures it can tell. */
  readonly as: (figures: Figures) => Figures
}

const exact = (figures: Figures): Figures => figures
const WAYS: readonly Compared[] = [
  { name: 'TypeScript', open: openTypescript, as: exact },
  { name: 'HTTP', open: async () => httpOf(at.dashboard), as: exact },
  { name: 'the command line', open: openCommands, as: exact },
  { name: 'the dashboard', open: async () => dashboardOf(at.dashboard), as: inPercent },
]

describe.each(WAYS)('$name gives what the views give', ({ open, as }) => {
  let way: Way
  beforeAll(async () => {
    way = await open()
  })

  test('for every task', async () => {
    for (const taskId of tasks) {
      const [told, names] = await Promise.all([way.task(taskId), way.unreadOfTask(taskId)])
      expect({ taskId, ...as(told) }).toEqual({ taskId, ...as(await views.task(taskId)) })
      expect([taskId, names]).toEqual([taskId, await views.unreadOfTask(taskId)])
    }
  })

  test('for every campaign', async () => {
    for (const name of campaigns) {
      const [told, names] = await Promise.all([way.campaign(name), way.unreadOfCampaign(name)])
      expect({ name, ...as(told) }).toEqual({ name, ...as(await views.campaign(name)) })
      expect([name, names]).toEqual([name, await views.unreadOfCampaign(name)])
    }
  })
})

test('Ctrl-C ends the demo, with code 0 and without a trace', async () => {
  await sql.end()
  demo.kill('SIGINT')
  expect(await demo.exit).toEqual({ code: 0, signal: null })
})

async function openCommands(): Promise<Way> {
  const way = commandsOf(at.database)
  return way
}

async function openTypescript(): Promise<Way> {
  const way = await typescriptOf(at.database)
  closers.push(way.close)
  return way
}

function sumOf(figures: Figures): number {
  return STATES.reduce((sum, state) => sum + figures[state], 0)
}

async function column(query: string, values: readonly string[] = []): Promise<string[]> {
  const { rows } = await sql.query<{ name: string }>(query, [...values])
  return rows.map(({ name }) => name)
}

/** From the words of the demo. */
function said(pattern: RegExp): string {
  const found = pattern.exec(demo.stderr())?.[1]
  if (found === undefined) throw new Error(`the demo did not say ${pattern}:\n${demo.stderr()}`)
  return found
}

function originOf(pattern: RegExp): string {
  return new URL(said(pattern)).origin
}
