import { expect, test } from 'vitest'
import { ERRORS, TrackerError, type TrackerErrorCode } from '../../src/domain/errors.ts'
import type { RateReader } from '../../src/report/rates.ts'
import { ask } from './support/ask.ts'
import { aServer } from './support/server.ts'

const isCode = (text: string): text is TrackerErrorCode => Object.hasOwn(ERRORS, text)
const CODES = Object.keys(ERRORS).filter(isCode)

/** A message as a driver makes it. */
const SAID = 'permission denied for view delivery_campaign_rates (role "tracker" at 10.0.0.7)'

/** Every page and route of a task fails with it. */
const failingWith =
  (code: TrackerErrorCode) =>
  (rates: RateReader): RateReader => ({
    ...rates,
    task: () => Promise.reject(new TrackerError(code, SAID)),
    tasks: async () => ({ items: [], nextCursor: null }),
  })

test.each(CODES)('%s has one status, at the API and on the dashboard, in both languages', async (code) => {
  const { url, log } = await aServer({ reading: failingWith(code) })
  const { status } = ERRORS[code]
  const api = await ask(url, '/v1/tasks/1')
  expect([api.status, api.body.error.code]).toEqual([status, status === 500 ? 'INTERNAL' : code])
  expect(api.headers.get('retry-after')).toBe(status === 503 ? '5' : null)
  for (const language of ['en', 'zh']) {
    const page = await ask(url, '/tasks/1', { headers: { accept: 'text/html', 'accept-language': language } })
    expect([language, page.status, page.type]).toEqual([language, status, 'text/html; charset=utf-8'])
    expect(page.text).toMatch(/<h1>.+<\/h1>/)
    if (status >= 500) expect(page.text).not.toContain('10.0.0.7')
  }
  if (status >= 500) expect(api.text).not.toContain('10.0.0.7')
  // The operator is told the whole, at each of the three answers.
  expect(log.filter((line) => line.includes('10.0.0.7'))).toHaveLength(status >= 500 ? 3 : 0)
})

test('a right that the role of the server lacks is no fault without a name: the page and the API say what gives it', async () => {
  const { url, database } = await aServer()
  // In quotes: a role has the name of a table.
  await database.pool.query('REVOKE SELECT ON delivery_task_rates, delivery_campaign_rates FROM PUBLIC, "delivery_read", "delivery_worker"')
  for (const path of ['/', '/tasks/1', '/campaigns/news', '/campaigns/news/people.csv']) {
    const page = await ask(url, path, { headers: { accept: 'text/html', 'accept-language': 'en' } })
    expect([path, page.status]).toEqual([path, 503])
    expect(page.text).toContain('The server lacks a right in the database')
    expect(page.text).toContain('deploy/postgres/roles.sql')
  }
  expect(await ask(url, '/v1/tasks/1')).toMatchObject({ status: 503, body: { error: { code: 'NOT_PERMITTED' } } })
})

test('an answer is sent as its schema says: a field that is not in it is left out, a wrong one is an error of the server', async () => {
  const { url, log } = await aServer({
    reading: (rates) => ({
      ...rates,
      tasks: async () => ({ items: [], nextCursor: null, secret: 'of the reader' }),
      attention: () => Promise.resolve([{ taskId: 7 }] as never),
    }),
  })
  expect((await ask(url, '/v1/tasks')).text).toBe('{"tasks":[],"nextCursor":null}')
  expect(await ask(url, '/v1/attention')).toMatchObject({ status: 500, body: { error: { code: 'INTERNAL' } } })
  expect(log.filter((line) => line.includes("Response doesn't match the schema"))).toHaveLength(1)
})
