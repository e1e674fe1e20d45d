import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { keepFigures } from '../../src/store/maintenance.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { DAY_BEGAN, makeDay, trackDay } from './support/one-day.ts'
import { readStatesAt, readView, VIEWS, type View } from './support/view-rows.ts'

/**
 * One day, tracked by this version and by an earlier one, gives the same rows in the public views. The expected rows were written by the commit that
 * added this file, before the hot path was changed. To write them again, at that commit or another one:
 *
 *   ONE_DAY=write npx vitest run --project store test/store/one-day.test.ts
 */
const FIXTURE = new URL('./support/one-day.json.gz', import.meta.url)
const SEED = 20_261_130
/** After this round of polls the views are read in the middle of the day, with half of its tasks open. */
const MIDDLE = 8
const IN_THE_MIDDLE = ['delivery_task_rates', 'delivery_campaign_rates', 'delivery_recipient_status'] as const
/** Moments whose states are rebuilt from the stored changes, in minutes of the day. */
const MOMENTS = [0, 12, 46, 120, 700, 1_600]

type Rows = Readonly<Record<string, readonly string[]>>

let db: TestStore
let found: Rows
beforeAll(async () => {
  db = await openTestStore()
  found = await trackAndRead()
  if (process.env['ONE_DAY'] === 'write') writeFileSync(FIXTURE, gzipSync(JSON.stringify(found), { level: 9 }))
})
afterAll(() => db.close())

async function trackAndRead(): Promise<Rows> {
  const rows: Record<string, readonly string[]> = {}
  const day = await trackDay(db, makeDay(SEED), async (round, pseudonyms) => {
    if (round !== MIDDLE) return
    for (const view of IN_THE_MIDDLE) rows[`${view} in the middle`] = await readView(db, view, { from: DAY_BEGAN, pseudonyms })
  })
  const options = { from: DAY_BEGAN, ...day }
  for (const view of Object.keys(VIEWS)) rows[view] = await readView(db, view as View, options)
  for (const minute of MOMENTS) {
    rows[`states at minute ${minute}`] = await readStatesAt(db, new Date(DAY_BEGAN.getTime() + minute * 60_000), options)
  }
  await keepFigures(db)
  rows['delivery_campaign_rates recounted'] = await readView(db, 'delivery_campaign_rates', options)
  return rows
}

const expected: Rows = JSON.parse(gunzipSync(readFileSync(FIXTURE)).toString())

test.each(Object.keys(expected))('%s', (name) => {
  expect(found[name]).toEqual(expected[name])
})

test('the day has what it is meant to have', () => {
  const has = (name: string, part: string): boolean => (expected[name] ?? []).some((row) => row.includes(part))
  for (const status of ['expired', 'complete', 'cancelled']) expect(has('delivery_task_rates', `"${status}"`)).toBe(true)
  for (const outcome of ['observed', 'empty', 'transient']) expect(has('delivery_poll_history', `"${outcome}"`)).toBe(true)
  for (const userId of ['p03', 'guest']) {
    expect(has('delivery_recipient_status', `"erased ${userId}"`)).toBe(true)
    expect(has('delivery_recipient_status', `"${userId}"`)).toBe(false)
  }
  for (const state of ['pending', 'unread', 'read', 'failed', 'forbidden', 'invalid'])
    expect(has('states at minute 1600', `"${state}"`)).toBe(true)
})
