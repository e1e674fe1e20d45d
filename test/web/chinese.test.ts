import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Company, fillCompany, HOSTILE, openCompany, PAGES } from '../browser/support/company.ts'
import { fillPeople, PEOPLE_PAGES, REFUSED_PAGE } from '../browser/support/people.ts'
import { type DashboardServer, startDashboard } from '../browser/support/server.ts'
import { textsIn } from '../support/page-text.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'

let database: TestDatabase
let emptyDatabase: TestDatabase
let company: Company
let staffed: TestDatabase
let staffedCompany: Company
let withPeople: DashboardServer
let server: DashboardServer
let guarded: DashboardServer
let empty: DashboardServer
let broken: DashboardServer

const TOKEN = 'a-token-of-this-test-0001'

beforeAll(async () => {
  ;[database, emptyDatabase, staffed] = await Promise.all([
    createTestDatabase({ migrated: true }),
    createTestDatabase({ migrated: true }),
    createTestDatabase({ migrated: true }),
  ])
  company = openCompany(database.url)
  await fillCompany(company)
  staffedCompany = openCompany(staffed.url)
  await fillCompany(staffedCompany)
  await fillPeople(staffedCompany)
  const away = new URL(database.url)
  away.port = '1'
  ;[server, guarded, empty, broken, withPeople] = await Promise.all([
    startDashboard({ databaseUrl: database.url }),
    startDashboard({ databaseUrl: database.url, apiToken: TOKEN, role: 'read' }),
    startDashboard({ databaseUrl: emptyDatabase.url }),
    startDashboard({ databaseUrl: away.href }),
    startDashboard({ databaseUrl: staffed.url }),
  ])
})

afterAll(async () => {
  await Promise.all([server, guarded, empty, broken, withPeople, company, staffedCompany].map((each) => each.close()))
  await Promise.all([database, emptyDatabase, staffed].map((each) => each.drop()))
})

/** Names that Chinese texts write in Latin letters, as DingTalk's own documentation does; names of products and of variables. */
const NAMES =
  /[A-Z]+(?:_[A-Z]+)+|qyapi_\w+|npx dingtalk-delivery(?: \w+)?|dingtalk-delivery|deploy\/postgres\/roles\.sql|(?:read|write)(?:\+names)?|userid|agent id|worker|campaign|track\b|API|CSV|Excel|xlsx|BullMQ|SQL|TypeScript|JavaScript|Turnbull|ID|GMT|UTC|Asia\/\w+|English/g

/** On paper an address stands as text. */
const ADDRESS = /\/campaigns\/payroll-11\/people\.xlsx\?[\w=&-]*/g
/** What the organisation of the tests is called. */
const DATA = [HOSTILE.campaign, HOSTILE.userId, 'payroll-11', 'fire-drill', 'over-limit', 'waiting', 'nothing', 'default', 'shared']
/** People and apps, as whole words. */
const PEOPLE_AND_APPS = /\b(?:user-\d+|ann|bob|carol|hr|it)\b/g

function englishIn(page: string): string[] {
  return textsIn(page).filter((text) => {
    const known = DATA.reduce((rest, name) => rest.replaceAll(name, ''), text.replaceAll(ADDRESS, ''))
    return /[A-Za-z]{2,}/.test(known.replaceAll(PEOPLE_AND_APPS, '').replaceAll(NAMES, ''))
  })
}

async function pageOf(
  of: DashboardServer,
  path: string,
  init: Pick<RequestInit, 'method' | 'body'> = {},
  cookie = '',
): Promise<{ status: number; page: string }> {
  const headers = { 'accept-language': 'zh-CN,zh;q=0.9', accept: 'text/html', cookie }
  const response = await fetch(`${of.url}${path}`, { ...init, headers, redirect: 'manual' })
  return { status: response.status, page: await response.text() }
}

async function signedIn(path: string, init: Pick<RequestInit, 'method'> = {}): ReturnType<typeof pageOf> {
  const body = new URLSearchParams({ token: TOKEN })
  const { headers } = await fetch(`${guarded.url}/login`, { method: 'POST', body, redirect: 'manual' })
  return pageOf(guarded, path, init, headers.get('set-cookie')?.split(';')[0])
}

test.each(Object.entries(PAGES))('%s is Chinese throughout', async (_name, path) => {
  const { page } = await pageOf(server, path)
  expect(page).toContain('lang="zh')
  expect(englishIn(page)).toEqual([])
})

test.each(Object.entries(PEOPLE_PAGES))('with people, %s is Chinese throughout', async (_name, path) => {
  const { status, page } = await pageOf(withPeople, path)
  expect(status).toBe(200)
  expect(page).toContain('lang="zh')
  expect(englishIn(page)).toEqual([])
})

test.each([
  ['the sign-in', 200, () => pageOf(guarded, '/login')],
  ['a wrong token', 401, () => pageOf(guarded, '/login', { method: 'POST', body: new URLSearchParams({ token: 'wrong' }) })],
  ['names that the visitor may not see', 403, () => signedIn(REFUSED_PAGE)],
  ['an action that the visitor may not take', 403, () => signedIn('/tasks/1001/resume?app=default', { method: 'POST' })],
  ['a page that is not there', 404, () => pageOf(server, '/nowhere')],
  ['an address that is wrong', 400, () => pageOf(server, '/tasks/abc')],
  ['a database that does not answer', 503, () => pageOf(broken, '/')],
  ['nothing tracked yet', 200, () => pageOf(empty, '/')],
] as const)('%s is Chinese throughout', async (_name, expected, load) => {
  const { status, page } = await load()
  expect(status).toBe(expected)
  expect(page).toContain('lang="zh')
  expect(englishIn(page)).toEqual([])
})

test('English that is left is found', () => {
  expect(englishIn('<p title="Not yet">已读</p><q lang="en">system busy</q><code>npm ci</code><p>3 of 5 人</p>')).toEqual([
    '3 of 5 人',
    'Not yet',
  ])
})
