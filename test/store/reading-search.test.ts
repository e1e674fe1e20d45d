import { afterAll, beforeAll, expect, test } from 'vitest'
import { aTask } from './support/polls.ts'
import { openTestReader, type TestReader } from './support/reader.ts'

const NAMES = [
  'Payroll-11',
  '工资 十一月',
  '100%',
  '100 percent',
  'a_b',
  'aXb',
  String.raw`C:\temp`,
  'C:/temp',
  "O'Brien",
  'ÉTÉ',
  '😀 smile',
]

let db: TestReader
beforeAll(async () => {
  db = await openTestReader()
  for (const campaign of NAMES) await aTask(db.store, { campaign, app: 'search' })
  await aTask(db.store, { campaign: 'everybody', userIds: NAMES })
})
afterAll(() => db.close())

async function found(search: string): Promise<string[][]> {
  const [campaigns, ofCampaign] = [
    await db.rates.campaigns({ app: 'search', search }),
    await db.rates.campaignRecipients({ campaign: 'everybody' }, { search }),
  ]
  const [task] = (await db.rates.tasks({ campaign: 'everybody' })).items
  const ofTask = task === undefined ? [] : await db.rates.recipients(task, { search })
  return [
    campaigns.items.map(({ campaign }) => campaign),
    ofCampaign.items.map(({ userId }) => userId),
    ofTask.map(({ userId }) => userId),
  ].map((names) => names.toSorted())
}

test.each([
  ['any case', 'PAYROLL', ['Payroll-11']],
  ['the other case', 'payRoll', ['Payroll-11']],
  ['a part', 'roll', ['Payroll-11']],
  ['Chinese', '十一', ['工资 十一月']],
  ['letters with accents in any case', 'été', ['ÉTÉ']],
  ['a letter beyond the first plane', '😀', ['😀 smile']],
  ['a percent sign, which stands for itself', '%', ['100%']],
  ['an underscore, which stands for itself', '_', ['a_b']],
  ['a backslash, which stands for itself', '\\', [String.raw`C:\temp`]],
  ['a quote', "'", ["O'Brien"]],
  ['a space', ' ', ['100 percent', '工资 十一月', '😀 smile']],
  ['nothing that is there', 'zzz', []],
  ['a pattern, which is none', '.*', []],
  ['nothing at all, which is in every name', '', NAMES.toSorted()],
  ['what no text of PostgreSQL can hold', 'a\0', []],
])('a search finds campaigns and people by %s', async (_what, search, names) => {
  for (const each of await found(search)) expect(each).toEqual(names.toSorted())
})

test('a search goes through all pages, not the first one only', async () => {
  const first = await db.rates.campaignRecipients({ campaign: 'everybody' }, { search: '1', limit: 1 })
  const rest = await db.rates.campaignRecipients({ campaign: 'everybody' }, { search: '1', cursor: first.nextCursor ?? '' })
  expect([...first.items, ...rest.items].map(({ userId }) => userId)).toEqual(['100 percent', '100%', 'Payroll-11'])
})
