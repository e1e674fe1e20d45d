import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { beginErasure, erasePerson } from '../../src/store/erase-people.ts'
import { createOldDetails, keepFigures, type RosterRule } from '../../src/store/maintenance.ts'
import { letSeeNames } from './support/people.ts'
import { everything } from './support/personal-data.ts'
import { aRequest, minutesLater } from './support/polls.ts'
import { openTestReader, pagesOf, type TestReader } from './support/reader.ts'

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
  await letSeeNames(db)
})
afterAll(() => db.close())
afterEach(async () => {
  await db.pool.query('TRUNCATE delivery_task CASCADE')
  await db.pool.query('TRUNCATE delivery_campaign, delivery_campaign_change, delivery_erasure, delivery_campaign_salt, delivery_person')
})

const KEY = { app: 'hr', campaign: 'all' }
const PEOPLE = Array.from({ length: 300 }, (_, i) => `0${i * 7919 + 100_000}`)
const ALL: RosterRule = { people: 300, unchangedSeconds: 0 }

async function aCampaign(): Promise<void> {
  for (const [task] of [0, 1, 2].entries())
    await db.store.track([aRequest({ ...KEY, userIds: PEOPLE.slice(task * 100, task * 100 + 100), sentAt: minutesLater(-2_000) })])
}

async function partsOf(): Promise<number> {
  const { rows } = await db.pool.query<{ parts: number }>('SELECT count(*)::integer AS parts FROM delivery_roster_part')
  return rows[0]?.parts ?? Number.NaN
}

async function found(search: string, limit = 1_000): Promise<string[]> {
  const pages = await pagesOf((page) => db.rates.campaignRecipients(KEY, { search, ...page }), limit)
  return pages.flat().map((person) => (person as { userId: string }).userId)
}

const containing = (search: string): string[] => PEOPLE.filter((userId) => userId.includes(search)).toSorted()

test('a campaign with so many people to which none were added for so long gets a roster, and no other one', async () => {
  await aCampaign()
  await keepFigures(db, { ...ALL, people: 301 })
  await keepFigures(db, { ...ALL, unchangedSeconds: 3_600 })
  expect(await partsOf()).toBe(0)
  await keepFigures(db, ALL)
  expect(await partsOf()).toBe(Math.ceil(300 / 64))
  expect(await found('79')).toEqual(containing('79'))
  expect(await found('79', 2)).toEqual(containing('79'))
})

test('a page is read from the roster: without the rows of people who do not match', async () => {
  await aCampaign()
  await keepFigures(db, ALL)
  await db.pool.query("UPDATE delivery_roster_part SET user_ids = replace(user_ids, '7', 'x')")
  // What is not in the roster is not found, so nothing else was read.
  expect(await found('79')).toEqual([])
  await db.pool.query('DELETE FROM delivery_roster_part')
  expect(await found('79')).toEqual(containing('79'))
})

test('people who were added are found at once, and the roster goes when they are counted', async () => {
  await aCampaign()
  await keepFigures(db, ALL)
  await db.store.track([aRequest({ ...KEY, userIds: ['0790001', PEOPLE[5] ?? ''], sentAt: minutesLater(-2_000) })])
  expect(await found('79')).toEqual(['0790001', ...containing('79')].toSorted())
  await keepFigures(db, { ...ALL, unchangedSeconds: 3_600 })
  expect(await partsOf()).toBe(0)
  await keepFigures(db, ALL)
  expect(await partsOf()).toBeGreaterThan(0)
  expect(await found('79')).toEqual(['0790001', ...containing('79')].toSorted())
})

test('a change that adds nobody keeps the roster', async () => {
  await aCampaign()
  await keepFigures(db, ALL)
  await db.pool.query("UPDATE delivery_recipient SET state = 'unread', first_seen_at = now(), last_unread_at = now() WHERE user_id > '05'")
  await keepFigures(db, { ...ALL, people: 301 })
  expect(await partsOf()).toBe(Math.ceil(300 / 64))
})

test('an erased person is not in the roster any more', async () => {
  const person = { userId: PEOPLE[7] ?? '', app: null }
  await aCampaign()
  await keepFigures(db, ALL)
  await erasePerson(db, person, await beginErasure(db, person))
  expect((await everything(db.pool)).includes(person.userId)).toBe(false)
  expect(await found(person.userId)).toEqual([])
  await keepFigures(db, ALL)
  expect(await partsOf()).toBeGreaterThan(0)
  expect((await everything(db.pool)).includes(person.userId)).toBe(false)
})

test('names that retention replaces are in no roster, and none is built beside pseudonyms', async () => {
  await aCampaign()
  await keepFigures(db, ALL)
  await db.pool.query(
    "UPDATE delivery_task SET status = 'expired', finished_at = now() - interval '91 days', next_poll_at = NULL WHERE id = (SELECT min(id) FROM delivery_task)",
  )
  await createOldDetails(db).removeNames(new Date(Date.now() - 90 * 86_400_000), 50)
  await keepFigures(db, ALL)
  expect(await partsOf()).toBe(0)
  expect((await everything(db.pool)).includes(PEOPLE[7] ?? '')).toBe(false)
})

test.each([
  ['a task is removed', 'DELETE FROM delivery_task WHERE id = (SELECT min(id) FROM delivery_task)'],
  ['people are removed', `DELETE FROM delivery_recipient WHERE user_id = '${PEOPLE[7] ?? ''}'`],
  ['everything is removed', 'TRUNCATE delivery_task CASCADE'],
  ['all people are removed', 'TRUNCATE delivery_recipient'],
])('%s: their user ids go from the roster too', async (_what, statement) => {
  await aCampaign()
  await keepFigures(db, ALL)
  await db.pool.query(statement)
  expect(await partsOf()).toBe(0)
})

test('names are found by any part of them, in any case', async () => {
  await aCampaign()
  const names = ['张伟', '王小张', 'Zhang Wei', 'ZHANG', 'Ng', 'Åsa Öberg', 'I', '𠮷野']
  await db.pool.query('INSERT INTO delivery_person (app, user_id, name) SELECT $1, * FROM unnest($2::text[], $3::text[])', [
    KEY.app,
    PEOPLE.slice(0, names.length),
    names,
  ])
  await keepFigures(db, ALL)
  const byName = async (search: string): Promise<string[]> =>
    (await found(search)).map((userId) => names[PEOPLE.indexOf(userId)] ?? userId).toSorted()
  expect(await byName('张')).toEqual(['张伟', '王小张'])
  expect(await byName('张伟')).toEqual(['张伟'])
  expect(await byName('zhang')).toEqual(['ZHANG', 'Zhang Wei'])
  expect(await byName('G W')).toEqual(['Zhang Wei'])
  expect(await byName('ÖB')).toEqual(['Åsa Öberg'])
  expect(await byName('å')).toEqual(['Åsa Öberg'])
  expect(await byName('𠮷')).toEqual(['𠮷野'])
  expect(await byName('i')).toEqual(['I', 'Zhang Wei'])
  expect(await byName('张小')).toEqual([])
})
