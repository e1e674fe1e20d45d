import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { createLaws } from '../../src/store/laws.ts'
import { runCommand } from '../support/commands.ts'
import { urlAs } from '../support/roles.ts'
import { ask } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'
import { fillWorld } from './support/world.ts'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
})
afterAll(() => close())

const get = (query: string) => ask(served.url, `/v1/forecast?${query}`)
const TUESDAY = 'sentAt=2026-12-01T02:00:00Z'

describe('GET /v1/forecast', () => {
  test('before the first task it is made from the prior', async () => {
    const { status, body } = await get(`recipients=3050&${TUESDAY}&polls=24`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      ...{ app: 'default', sentAt: '2026-12-01T02:00:00.000Z', tasks: 31, polls: 24, placedBy: 'prior' },
      law: { kind: 'prior', version: null, tasks: 0, lastSentAt: null },
      batches: [
        { tasks: 30, recipients: 100, polls: 24 },
        { tasks: 1, recipients: 50, polls: 24 },
      ],
    })
    expect(body.pollsMinutes.at(-1)).toBe(1_431.5)
    expect(body.callsAtMost).toBe(744)
    expect(body.compare.growing.meanBracketMinutes).toBeGreaterThan(body.meanBracketMinutes)
    expect(body.budget).toMatchObject({ monthlyCallBudget: 4_000, share: expect.closeTo(744 / 4_000, 2) })
  })

  test('it is what the command prints', async () => {
    const args = ['forecast', '--recipients', '250', '--sent-at', '2026-12-01T02:00:00Z', '--target-width', '40m', '--json']
    const env = { DATABASE_URL: urlAs('read', served.databaseUrl), MONTHLY_CALL_BUDGET: '4000' }
    const { stdout } = await runCommand(args, { env })
    const { body } = await get(`recipients=250&${TUESDAY}&targetWidth=40m`)
    expect(body).toEqual(JSON.parse(stdout))
    expect(body.meanBracketMinutes).toBeLessThanOrEqual(body.targetWidthMinutes)
  })

  test('a target width is reached with the fewest polls, and the send is now where nothing else is said', async () => {
    const wide = await get('recipients=100&targetWidth=1h')
    const narrow = await get('recipients=100&targetWidth=30m')
    expect(narrow.body.polls).toBeGreaterThan(wide.body.polls)
    const [from, to] = [Date.now() - 60_000, Date.now() + 60_000]
    expect(Date.parse(narrow.body.sentAt)).toBeGreaterThan(from)
    expect(Date.parse(narrow.body.sentAt)).toBeLessThan(to)
  })

  test.each([
    ['', 'recipients', 'recipients is missing'],
    ['recipients=0', 'recipients', 'recipients must be a whole number from 1 to 10000000, not "0".'],
    ['recipients=5&polls=501', 'polls', 'polls must be a whole number from 1 to 500'],
    [
      'recipients=5&targetWidth=15',
      'targetWidth',
      'targetWidth must be a duration from 1m to 12h, such as 90s, 15m, 1h or 1h30m, not "15".',
    ],
    ['recipients=5&targetWidth=15m&polls=3', 'targetWidth', 'targetWidth is there beside polls. Give one of them.'],
    ['recipients=5&sentAt=tomorrow', 'sentAt', 'sentAt must be an ISO 8601 time'],
    ['recipients=5&law=x', 'law', 'Unknown parameter "law".'],
  ])('%j is refused', async (query, field, says) => {
    const { status, body } = await get(query)
    expect([status, body.error]).toEqual([400, expect.objectContaining({ field, message: expect.stringContaining(says) })])
  })

  test('an app has its own law; an unknown one is refused, and several need a name', async () => {
    await fillWorld(served.store)
    const sample = { tasks: 12, people: 400, lastSentAt: new Date('2026-11-24T02:00:00Z'), learnedAt: new Date('2026-11-25T02:00:00Z') }
    const version = await createLaws(served.database).add('default', { law: PRIOR_LAW, ...sample })
    const { body } = await get('recipients=5&app=default')
    expect(body.law).toMatchObject({ kind: 'learned', version, tasks: 12, people: 400, lastSentAt: '2026-11-24T02:00:00.000Z' })
    expect(await get('recipients=5')).toMatchObject({ status: 409, body: { error: { code: 'SEVERAL_APPS' } } })
    expect(await get('recipients=5&app=nobody')).toMatchObject({ status: 404, body: { error: { code: 'APP_NOT_FOUND' } } })
  })
})

test('it needs the right to read, and a database that answers', async () => {
  const guarded = await aServer({ apiToken: 'read:correct-horse-library' })
  expect((await ask(guarded.url, '/v1/forecast?recipients=5')).status).toBe(401)
  const headers = { authorization: 'Bearer correct-horse-library' }
  expect((await ask(guarded.url, '/v1/forecast?recipients=5', { headers })).status).toBe(200)
  await guarded.toDatabase.close()
  expect((await ask(guarded.url, '/v1/forecast?recipients=5', { headers })).status).toBe(503)
})
