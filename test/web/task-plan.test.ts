import { afterAll, beforeAll, expect, test } from 'vitest'
import { PLACED_BY, type PlacedBy } from '../../src/domain/schedule/plan-detail.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { createLaws } from '../../src/store/laws.ts'
import { MESSAGES } from '../../src/web/dashboard/page.ts'
import { adoptAll, aTask } from '../store/support/polls.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

const MINUTES = [5, 20, 60, 240, 720, 1_431]
const LEARNED = { tasks: 312, people: 14_002, lastSentAt: new Date('2026-11-24T02:00:00Z'), learnedAt: new Date('2026-11-24T03:00:00Z') }

let served: Served
let close: () => Promise<void>
let version: number
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
  version = await createLaws(served.database).add('default', { law: PRIOR_LAW, ...LEARNED })
})
afterAll(() => close())

/** Resolves with the address of its page. */
async function planned(plan: Readonly<Record<string, unknown>> | null, status = 'tracking'): Promise<string> {
  const { key } = await aTask(served.store, { userIds: ['ann', 'ben', 'cai'] })
  await adoptAll(served.store)
  await served.database.pool.query(
    `UPDATE delivery_task SET poll_offsets = $2, plan = $3, status = $4, finished_at = CASE WHEN $4 <> 'tracking' THEN now() END,
       next_poll_at = CASE WHEN $4 = 'tracking' THEN next_poll_at END WHERE task_id = $1`,
    [key.taskId, plan === null ? null : MINUTES.map((minute) => minute * 60_000), plan, status],
  )
  return `/tasks/${key.taskId}?app=default`
}

async function pageOf(path: string, language = 'en'): Promise<{ readonly markup: string; readonly text: string }> {
  const { status, text: markup } = await ask(served.url, path, { headers: { accept: 'text/html', 'accept-language': language } })
  expect([path, status]).toEqual([path, 200])
  return { markup, text: markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ') }
}

const whyIn = (markup: string): string => /<p class="why">([^]*?)<\/p>/.exec(markup)?.[1] ?? ''
const detail = (placedBy: PlacedBy) => ({ placedBy, people: 3, law: null, price: null, expectedCalls: 5, widthMs: 60_000 })

test.each(PLACED_BY)('a task whose polls are placed by %s says why they are there, in both languages', async (placedBy) => {
  const path = await planned(detail(placedBy))
  for (const language of ['en', 'zh'] as const) {
    const { markup } = await pageOf(path, language)
    expect(whyIn(markup)).toContain(MESSAGES[language].schedule.why[placedBy])
    // What is not polled as planned has no width to promise.
    expect(whyIn(markup).includes(language === 'en' ? 'on average' : '平均')).toBe(placedBy !== 'not_admitted')
  }
})

test('a learned plan says from how much, and has its figures and the plan of today folded', async () => {
  const { markup } = await pageOf(await planned({ ...detail('learned'), law: version, price: 12.34 }))
  expect(whyIn(markup)).toMatch(
    /^The polls are where the recipients of this app read most\. Learned from 312 ended tasks of this app with 14,002 recipients\. A read will be known to within .* on average\.$/,
  )
  const folded = /<details id="plan">([^]*?)<\/details>/.exec(markup)?.[1] ?? ''
  expect(folded).toMatch(/<dt>Polls<\/dt><dd>6<\/dd>/)
  expect(folded).toMatch(/<dt>Longest gap<\/dt><dd>11 hrs 51 mins<\/dd>/)
  expect(folded).toMatch(/<dt>Price of a call<\/dt><dd>12\.3 /)
  expect(folded).toContain('The last of these was sent')
  expect(folded).toMatch(/<a href="\/schedule\?app=default&amp;sentAt=\d{4}[^"]*">/)
  const link = /href="(\/schedule[^"]*)"/.exec(folded)?.[1]?.replaceAll('&amp;', '&') ?? ''
  expect((await pageOf(link)).text).toContain('When recipients read')
})

test('of an ended task the width is what was expected', async () => {
  const { markup } = await pageOf(await planned(detail('growing'), 'expired'))
  expect(whyIn(markup)).toMatch(/When it was planned, a read was expected to be known to within .* on average\.$/)
})

test('a task that an earlier version planned is shown as before', async () => {
  const { markup, text } = await pageOf(await planned(null))
  expect(whyIn(markup)).toBe('')
  expect(markup).not.toContain('<details id="plan">')
  expect(text).toContain('guaranteed final poll')
})

test('a plan that another version wrote in another form is shown without what is not known', async () => {
  const { markup } = await pageOf(await planned({ placedBy: '<b>new</b>', people: 'many', law: 'x', price: 'dear' }))
  expect(whyIn(markup)).toContain('The gaps between the polls grow')
  expect(markup).not.toMatch(/<b>new|Price of a call/)
})
