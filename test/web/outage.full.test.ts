import { describe, expect, test } from 'vitest'
import { until } from '../support/wait.ts'
import { ask, post } from './support/ask.ts'
import { aServer } from './support/server.ts'

const AWAY = { error: { code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('The database does not answer. Try again') } }

describe('a database that is gone', () => {
  test.each(['refuse', 'reset'] as const)('is said at once (%s), and nothing is forgotten when it is back', async (mode) => {
    const { url, toDatabase } = await aServer()
    const send = async () => ask(url, '/v1/tasks', post({ taskId: '1' }))
    expect((await send()).body).toMatchObject({ duplicate: false })
    await toDatabase.mode(mode)
    const begin = performance.now()
    const answers = [await send(), await ask(url, '/v1/tasks/1'), await ask(url, '/v1/tasks/1/cancel', { method: 'POST' })]
    expect(performance.now() - begin).toBeLessThan(10_000)
    for (const { status, body, headers } of answers) expect([status, body, headers.get('retry-after')]).toEqual([503, AWAY, '5'])
    await toDatabase.mode('pass')
    const back = await until(async () => (await send()).status === 202 && send(), { what: 'it answers again' })
    expect(back.body).toMatchObject({ duplicate: true })
  })

  test('and swallows everything is said when the patience is over, not after four attempts', async () => {
    const { url, toDatabase, log } = await aServer({ timeoutMs: 500 })
    const send = async () => ask(url, '/v1/tasks', post({ taskId: '1' }))
    await send()
    await toDatabase.mode('blackhole')
    const begin = performance.now()
    const answers = await Promise.all([
      send(),
      ask(url, '/v1/tasks/1'),
      ask(url, '/v1/campaigns'),
      ask(url, '/v1/tasks/1/recipients?format=csv'),
    ])
    expect(performance.now() - begin).toBeLessThan(5_000)
    expect(answers.map(({ status, body }) => [status, body])).toEqual(answers.map(() => [503, AWAY]))
    expect(log.filter((line) => line.includes('gave no answer for 500 ms'))).toHaveLength(3)
    expect(log.filter((line) => line.includes('did not take the task (no answer within'))).toHaveLength(1)
    await toDatabase.mode('pass')
    await until(async () => (await send()).status === 202, { what: 'it answers again' })
  })

  test('does not take the dashboard or the other probes with it', async () => {
    const { url, toDatabase } = await aServer()
    await toDatabase.mode('refuse')
    const headers = { accept: 'text/html' }
    expect(await ask(url, '/', { headers })).toMatchObject({ status: 503, type: 'text/html; charset=utf-8' })
    expect((await ask(url, '/livez')).status).toBe(200)
    expect((await ask(url, '/v1/openapi.json')).status).toBe(200)
    expect((await ask(url, '/metrics')).status).toBe(200)
  })
})

test('a database that is not migrated is said with the command to run', async () => {
  const { url } = await aServer({ migrated: false })
  for (const answer of [await ask(url, '/v1/tasks', post({ taskId: '1' })), await ask(url, '/v1/campaigns')]) {
    const error = { code: 'SCHEMA_MISMATCH', message: expect.stringContaining('Run: npx dingtalk-delivery migrate') }
    expect([answer.status, answer.body]).toEqual([503, { error }])
  }
})

test('what nobody expected is told to the log, and not to the caller', async () => {
  const failing = async (): Promise<never> => {
    throw new Error('password authentication failed for user "tracker" at 10.0.0.7')
  }
  const { url, log } = await aServer({
    tracking: { track: failing, cancel: failing, resuming: { task: failing, app: failing }, putPeople: failing },
  })
  const { status, body } = await ask(url, '/v1/tasks', post({ taskId: '1' }))
  expect([status, body]).toEqual([
    500,
    { error: { code: 'INTERNAL', message: 'Something went wrong here. The log of the server says what.' } },
  ])
  const line = log.find((each) => each.includes('a request failed')) ?? ''
  expect(JSON.parse(line)).toMatchObject({
    level: 'error',
    route: '/v1/tasks',
    err: { message: expect.stringContaining('user "tracker"') },
  })
})
