import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toPageProblem } from '../../src/web/dashboard/pages/problem.ts'
import { forbidden, hideNames } from '../../src/web/guard.ts'
import { type Answer, ask } from './support/ask.ts'
import { apiOf, type Operation } from './support/document.ts'
import { openServer, type Served, type ServerOptions } from './support/server.ts'
import { CAMPAIGN, fillWorld, TASK } from './support/world.ts'

/** Every way to read that there is, found in the document and by the links of the pages: names reach those who may see them, and nobody else. */

const TOKENS = {
  read: 'a-token-that-may-read',
  write: 'a-token-that-may-write',
  'read+names': 'a-token-that-may-read-names',
  'write+names': 'a-token-that-may-write-names',
} as const
type Role = keyof typeof TOKENS
const BLIND = ['read', 'write'] as const satisfies readonly Role[]
const SEEING = ['read+names', 'write+names'] as const satisfies readonly Role[]
const LIST = Object.entries(TOKENS)
  .map(([role, token]) => `${role}:${token}`)
  .join(',')
const NOW = new Date('2026-11-23T01:00:00Z')

/** What no other text has. Searches give them in another case, and departments are given whole: what a caller wrote may come back. */
const CANARY = /Zquirrel|Zsales|Zghost|zmanager77/
const PEOPLE = [
  { userId: 'ann', name: 'Ann Zquirrel', departments: ['Zhead/Zsales'], managerUserId: 'zmanager77' },
  { userId: 'never-sent', name: 'Gus Zghost', departments: ['Zhead'] },
]

let server: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served: server, close } = await filled('serve'))
})
afterAll(() => close())

async function filled(role: 'serve' | 'worker', options: ServerOptions = {}): ReturnType<typeof openServer> {
  const opened = await openServer({ apiToken: LIST, role, now: () => NOW, ...options })
  await fillWorld(opened.served.store)
  for (const app of ['default', 'hr'])
    await opened.served.database.pool.query('SELECT delivery_put_people($1, $2)', [JSON.stringify(PEOPLE), app])
  return opened
}

const bearer = (role: Role): Record<string, string> => ({ authorization: `Bearer ${TOKENS[role]}` })
const NAMES: Readonly<Record<string, string>> = { taskId: TASK, name: CAMPAIGN, userId: 'ann', app: 'default' }
const NEEDED: Readonly<Record<string, string>> = { at: '2026-11-23T01:00:00Z', app: 'default', recipients: '100' }

/** Each list, in each form, and by each name that is there or not. */
const QUESTIONS: ReadonlyArray<Readonly<Record<string, string>>> = [
  {},
  { format: 'csv' },
  { search: 'zquirrel' },
  { search: 'zquirrel', format: 'csv' },
  { search: 'ZGHOST' },
  { department: 'Zhead' },
  { department: 'Zhead', format: 'csv' },
  { department: '' },
]

async function readsOf({ url }: Served): Promise<Operation[]> {
  const { operations } = apiOf((await ask(url, '/v1/openapi.json')).body)
  return operations.filter(({ method }) => method === 'GET')
}

/** The parameters that the operation does not have are left out; null: then it is another question. */
function pathOf({ path, parameters }: Operation, question: Readonly<Record<string, string>>, userId = 'ann'): string | null {
  const names = new Set(parameters.flatMap((each) => (each.in === 'query' ? [each.name] : [])))
  if (Object.keys(question).some((name) => !names.has(name))) return null
  const needed = Object.entries(NEEDED).filter(([name]) => names.has(name))
  const query = new URLSearchParams([...needed, ...Object.entries(question)])
  if (names.has('campaign') && parameters.some(({ name, required }) => name === 'campaign' && required))
    for (const campaign of ['twin', CAMPAIGN]) query.append('campaign', campaign)
  const filledPath = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(name === 'userId' ? userId : (NAMES[name] ?? '')),
  )
  return `${filledPath}?${query.toString()}`
}

/** Of every read, with every question that it takes. */
async function pathsOf(served: Served, userIds: readonly string[]): Promise<string[]> {
  const asked = userIds.flatMap((userId) => QUESTIONS.map((question) => ({ question, userId })))
  const paths = (await readsOf(served)).flatMap((operation) => asked.map(({ question, userId }) => pathOf(operation, question, userId)))
  return [...new Set(paths.filter((path) => path !== null))]
}

describe('the API', () => {
  test.each(BLIND)('shows %s no name, whatever is asked', async (role) => {
    const paths = await pathsOf(server, ['ann', 'never-sent'])
    expect(paths.length).toBeGreaterThan(30)
    for (const path of paths) {
      const answer = await ask(server.url, path, { headers: bearer(role) })
      const whole = `${JSON.stringify([...answer.headers])}\n${answer.text}`
      expect([path, answer.status < 500, CANARY.exec(whole)?.[0]]).toEqual([path, true, undefined])
    }
  })

  test.each(BLIND)('tells %s by no search whether a name is there', async (role) => {
    const search = async (operation: Operation, text: string): Promise<string | null> => {
      const path = pathOf(operation, { search: text })
      if (path === null) return null
      const { status, text: body } = await ask(server.url, path, { headers: bearer(role) })
      return `${status} ${body.replaceAll(text, 'x')}`
    }
    const found: string[] = []
    for (const operation of await readsOf(server)) {
      const [named, nonsense] = [await search(operation, 'zquirrel'), await search(operation, 'zzzzzzzz')]
      expect([operation.id, named]).toEqual([operation.id, nonsense])
      if (named !== null) found.push(operation.id)
    }
    expect(found).toEqual(expect.arrayContaining(['listTaskRecipients', 'listCampaignRecipients']))
  })

  test('tells nobody without the right who is in the directory only', async () => {
    for (const operation of (await readsOf(server)).filter(({ path }) => path.startsWith('/v1/people/'))) {
      const answers = await Promise.all(
        ['never-sent', 'unknown-id'].map((userId) => ask(server.url, pathOf(operation, {}, userId) ?? '', { headers: bearer('write') })),
      )
      expect([operation.id, answers.map(({ status }) => status)]).toEqual([operation.id, [404, 404]])
    }
  })

  test('refuses a question about a department with the role that it needs', async () => {
    for (const operation of await readsOf(server)) {
      const path = pathOf(operation, { department: 'Zhead' })
      if (path === null) continue
      const statuses: Record<string, number> = {}
      for (const role of [...BLIND, ...SEEING]) {
        const { status, body } = await ask(server.url, path, { headers: bearer(role) })
        statuses[role] = status
        if (status === 403) expect(body.error).toEqual({ code: 'FORBIDDEN', message: expect.stringContaining('read+names:TOKEN') })
      }
      expect([path, statuses]).toEqual([path, { read: 403, write: 403, 'read+names': 200, 'write+names': 200 }])
    }
    const hidden = hideNames(server.options.rates)
    for (const question of [
      () => hidden.campaignRecipients({ campaign: CAMPAIGN }, { department: 'Zhead' }),
      () => hidden.recipients({ taskId: TASK }, { department: '' }),
      () => hidden.people({}),
      () => hidden.campaignDepartments({ campaign: CAMPAIGN }),
    ])
      await expect(question()).rejects.toMatchObject({ statusCode: 403, code: 'FORBIDDEN' })
  })

  test.each(SEEING)('shows %s names, in JSON and CSV, and finds people by them', async (role) => {
    const campaign = `/v1/campaigns/${encodeURIComponent(CAMPAIGN)}`
    for (const path of [
      `/v1/tasks/${TASK}/recipients`,
      `/v1/tasks/${TASK}/recipients?format=csv`,
      `/v1/tasks/${TASK}/recipients?search=zquirrel`,
      `/v1/tasks/${TASK}/people/ann`,
      `${campaign}/recipients`,
      `${campaign}/recipients?format=csv&search=ZQUIRREL`,
    ]) {
      const { status, text } = await ask(server.url, path, { headers: bearer(role) })
      expect([path, status, text.includes('Ann Zquirrel'), text.includes('Zhead/Zsales')]).toEqual([path, 200, true, true])
    }
  })
})

describe('the pages', () => {
  const HTML = { accept: 'text/html', 'accept-language': 'en' }

  async function signIn(role: Role): Promise<Record<string, string>> {
    const { headers } = await ask(server.url, '/login', {
      ...{ method: 'POST', redirect: 'manual', headers: HTML },
      body: new URLSearchParams({ token: TOKENS[role] }),
    })
    return { ...HTML, cookie: headers.get('set-cookie')?.split(';')[0] ?? '' }
  }

  const LIMIT = 250
  const linksIn = ({ text }: Answer): string[] =>
    [...text.matchAll(/ (?:href|action)="(\/[^"]*)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&').split('#')[0] ?? '')
  const isPage = (link: string): boolean => !/^\/(assets|logout|preferences|v1|metrics)\b/.test(link) && !link.endsWith('/resume')
  const withQuery = (link: string, query: string): string => `${link}${link.includes('?') ? '&' : '?'}${query}`

  /** Follows every link from the overview, and asks for each page with the searches and departments too. */
  async function crawl(role: Role): Promise<Array<{ path: string; status: number; text: string }>> {
    const headers = await signIn(role)
    const seen = new Set(['/'])
    const pages: Array<{ path: string; status: number; text: string }> = []
    for (const path of seen) {
      if (pages.length >= LIMIT) break
      const answer = await ask(server.url, path, { headers, redirect: 'manual' })
      pages.push({ path, status: answer.status, text: answer.text })
      const found = linksIn(answer).filter(isPage)
      const own = path.includes('?') ? [] : ['search=zquirrel', 'department=Zhead', 'q=zquirrel'].map((query) => withQuery(path, query))
      for (const link of [...found, ...own]) seen.add(link)
    }
    return pages
  }

  test.each(BLIND)('show %s no name, by any link', { timeout: 120_000 }, async (role) => {
    const pages = await crawl(role)
    expect(pages.map(({ path }) => path)).toEqual(expect.arrayContaining([`/tasks/${TASK}`]))
    for (const { path, status, text } of pages) expect([path, status < 500, CANARY.exec(text)?.[0]]).toEqual([path, true, undefined])
  })

  test.each(SEEING)('show %s names', { timeout: 120_000 }, async (role) => {
    const pages = await crawl(role)
    for (const { path, status } of pages) expect([path, status < 500]).toEqual([path, true])
    expect(pages.filter(({ text }) => text.includes('Ann Zquirrel')).length).toBeGreaterThan(0)
  })

  test('the file of a list has names for those who may see them', async () => {
    const path = `/campaigns/${encodeURIComponent(CAMPAIGN)}/people.csv?state=read`
    for (const role of [...BLIND, ...SEEING]) {
      const { status, text } = await ask(server.url, path, { headers: await signIn(role) })
      expect([role, status, text.includes('Ann Zquirrel')]).toEqual([role, 200, role.includes('names')])
    }
  })

  test.each([
    ['a proxy has signed in, by default', { authHeader: 'x-user', trustedProxies: ['127.0.0.1'] }, false],
    [
      'a proxy has signed in, with the role read+names',
      { authHeader: 'x-user', trustedProxies: ['127.0.0.1'], authHeaderRole: 'read+names' },
      true,
    ],
    ['needs no token on this machine', { apiToken: null }, true],
  ] as const)('show names to a user who %s: %o', async (_, options, shown) => {
    const opened = await filled('serve', options)
    try {
      const path = `/campaigns/${encodeURIComponent(CAMPAIGN)}/people.csv?state=read`
      const { status, text } = await ask(opened.served.url, path, { headers: { ...HTML, 'x-user': 'hr@example.com' } })
      expect([status, text.includes('ann'), text.includes('Ann Zquirrel')]).toEqual([200, true, shown])
    } finally {
      await opened.close()
    }
  })

  test('a refusal has a page of its own, and names the role in its text', () => {
    expect(toPageProblem(forbidden('names'))).toEqual({ kind: 'namesHidden', status: 403, detail: null })
    expect(toPageProblem(forbidden('write+names'))).toEqual({ kind: 'namesFixed', status: 403, detail: null })
    expect(toPageProblem(forbidden('write'))).toMatchObject({ kind: 'readOnly', status: 403 })
  })
})

test('a server whose role in the database may not see names answers everything, with user ids', { timeout: 120_000 }, async () => {
  const blind = await filled('worker')
  try {
    const { url } = blind.served
    for (const path of await pathsOf(blind.served, ['ann'])) {
      const { status, text } = await ask(url, path, { headers: bearer('write+names') })
      expect([path, status, CANARY.exec(text)?.[0]]).toEqual([path, 200, undefined])
    }
    const { body } = await ask(url, `/v1/tasks/${TASK}/recipients?search=ann`, { headers: bearer('write+names') })
    expect(body.recipients).toMatchObject([{ userId: 'ann', name: null, department: null }])
    expect(blind.served.log.filter((line) => line.includes('permission denied'))).toEqual([])
  } finally {
    await blind.close()
  }
})

test('no name and no search is in the log of the server, or in its metrics', async () => {
  await ask(server.url, `/v1/tasks/${TASK}/recipients?search=zquirrel&state=bogus`, { headers: bearer('read+names') })
  const metrics = await ask(server.url, '/metrics', { headers: bearer('read+names') })
  for (const [what, text] of Object.entries({ log: server.log.join('\n'), metrics: metrics.text }))
    expect([what, CANARY.exec(text)?.[0], /zquirrel|zghost|Zhead/i.exec(text)?.[0]]).toEqual([what, undefined, undefined])
})
