import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MINUTE_MS } from '../../src/domain/delivery.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { createLaws } from '../../src/store/laws.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'
import { fillWorld } from './support/world.ts'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
})
afterAll(() => close())

const get = (query = '') => ask(served.url, `/v1/schedule${query}`)
const TUESDAY = '2026-11-24T02:00:00Z'

describe('GET /v1/schedule', () => {
  test('before the first task it plans with the prior, and says so', async () => {
    const { status, body } = await get(`?sentAt=${TUESDAY}`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ app: null, sentAt: '2026-11-24T02:00:00.000Z', recipients: 50, recipientsFrom: 'assumed' })
    expect(body.law).toMatchObject({ kind: 'prior', version: null, tasks: 0 })
    expect(body.polls).toHaveLength(24)
    expect(body.polls.at(-1)).toMatchObject({ isFinal: true, offsetMs: 1_431.5 * MINUTE_MS, at: '2026-11-25T01:51:30.000Z' })
    expect(body.curve.at(-1)).toMatchObject({ offsetMs: 1_440 * MINUTE_MS })
  })

  test('an app has its own law and the recipients of its tasks; several apps need a name', async () => {
    await fillWorld(served.store)
    const laws = createLaws(served.database)
    const law = { law: PRIOR_LAW, tasks: 12, people: 400, lastSentAt: new Date(TUESDAY), learnedAt: new Date(TUESDAY) }
    const version = await laws.add('default', law)
    const { body } = await get('?app=default')
    expect(body.law).toMatchObject({ kind: 'learned', version, tasks: 12, people: 400, lastSentAt: '2026-11-24T02:00:00.000Z' })
    expect(body.app).toBe('default')
    const several = await get()
    expect(several).toMatchObject({ status: 409, body: { error: { code: 'SEVERAL_APPS' } } })
    expect(await get('?app=hrr')).toMatchObject({ status: 404, body: { error: { code: 'APP_NOT_FOUND' } } })
  })

  test('recipients and polls can be given; wrong ones are named with what is accepted', async () => {
    const { body } = await get(`?app=default&recipients=3&polls=8&sentAt=${TUESDAY}`)
    expect(body).toMatchObject({ recipients: 3, recipientsFrom: 'given' })
    expect(body.expectedCalls).toBeLessThanOrEqual(8)
    for (const [query, field] of [
      ['recipients=101', 'recipients'],
      ['recipients=0', 'recipients'],
      ['polls=501', 'polls'],
      ['polls=5&targetWidth=15m', 'targetWidth'],
      ['sentAt=yesterday', 'sentAt'],
    ] as const) {
      const refused = await get(`?app=default&${query}`)
      expect([query, refused.status, refused.body.error]).toMatchObject([query, 400, { field }])
    }
  })
})
