import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aTask, lookAt, minutesLater } from '../store/support/polls.ts'
import { execute } from '../support/postgres.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

const READ = 'a-token-with-user-ids'
const NAMES = 'a-token-that-sees-names'
const HOSTILE = `<img src=x onerror="alert('1')">&`
const CAMPAIGN = 'payroll-11'

const PEOPLE = [
  { userId: 'ann', name: '李娜', departments: ['总部/销售部/华北', '总部/销售部/华南'], managerUserId: 'boss' },
  { userId: 'bob', name: 'Bob Wang', departments: ['总部/销售部/华北'] },
  { userId: 'cai', name: HOSTILE, departments: [`总部/${HOSTILE}`] },
  { userId: 'boss', name: '王总', departments: ['总部'] },
]

let served: Served
let close: () => Promise<void>
let taskId: string
beforeAll(async () => {
  ;({ served, close } = await openServer({ apiToken: `read:${READ},read+names:${NAMES}` }))
  // The login of these tests has the rights of delivery_worker alone, to which names are not granted.
  await execute(served.databaseUrl, 'GRANT SELECT ON delivery_people TO delivery_worker')
  await served.database.pool.query('SELECT delivery_put_people($1::jsonb)', [JSON.stringify(PEOPLE)])
  const { key } = await aTask(served.store, { campaign: CAMPAIGN, userIds: ['ann', 'bob', 'cai', 'dan'] })
  taskId = key.taskId
  await lookAt(served.store, key, { read: ['ann'], unread: ['bob', 'cai', 'dan'] }, 5)
  const other = await aTask(served.store, { campaign: 'drill', userIds: ['ann', 'only-sent'], sentAt: minutesLater(10) })
  await lookAt(served.store, other.key, { unread: ['ann', 'only-sent'] }, 20)
})
afterAll(() => close())

const session = new Map<string, string>()

/** A page as this caller sees it. */
async function get(path: string, token = NAMES, language = 'en') {
  if (!session.has(token)) {
    const body = new URLSearchParams({ token })
    const { headers } = await ask(served.url, '/login', { method: 'POST', redirect: 'manual', body, headers: { accept: 'text/html' } })
    session.set(token, headers.get('set-cookie')?.split(';')[0] ?? '')
  }
  const headers = { accept: 'text/html', 'accept-language': language, cookie: session.get(token) ?? '' }
  return ask(served.url, path, { redirect: 'manual', headers })
}

async function textOf(path: string, token = NAMES, language = 'en'): Promise<string> {
  const { status, text } = await get(path, token, language)
  expect([path, status]).toEqual([path, 200])
  return textIn(text)
}

function textIn(markup: string): string {
  const entities: Readonly<Record<string, string>> = { '&quot;': '"', '&#39;': "'", '&lt;': '<', '&gt;': '>', '&amp;': '&' }
  const text = markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/&(?:quot|#39|lt|gt|amp);/g, (entity) => entities[entity] ?? '')
  return text.replaceAll(/\s+/g, ' ')
}

/** The people that a page lists, in its order. */
function listed(markup: string): string[] {
  const [, section = ''] = /<section id="people"(.*?)<\/section>/s.exec(markup) ?? []
  return [...section.matchAll(/<tr data-key="([^"]*)"/g)].map(([, key = '']) => key)
}

function linksIn(markup: string): string[] {
  return [...markup.matchAll(/ href="([^"]+)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&'))
}

const campaign = (query = ''): string => `/campaigns/${CAMPAIGN}?app=default${query}`

describe.each([
  ['the page of a campaign', () => campaign('&state=all')],
  ['the page of a task', () => `/tasks/${taskId}?app=default&state=all`],
])('%s', (_name, path) => {
  test('has names with the user id beside, and departments', async () => {
    const { text } = await get(path())
    expect(text).toContain('<a class="name" href="/people/ann?app=default">李娜</a> <span class="user-id">ann</span>')
    expect(textIn(text)).toContain('李娜 ann 总部/销售部/华北; 总部/销售部/华南')
    expect(text).toContain(`<a href="/tasks/${taskId}/people/dan?app=default">dan</a>`)
    expect(text).not.toContain('<img')
    expect(textIn(text)).toContain(HOSTILE)
  })

  test('finds people by name, by user id and by department, and its links keep what was chosen', async () => {
    expect(listed((await get(`${path()}&q=bob+w`)).text)).toEqual(['bob'])
    expect(listed((await get(`${path()}&q=李`)).text)).toEqual(['ann'])
    expect(listed((await get(`${path()}&q=CAI`)).text)).toEqual(['cai'])
    const department = encodeURIComponent('总部/销售部')
    const { text } = await get(`${path()}&department=${department}`)
    expect(listed(text)).toEqual(['ann', 'bob'])
    const kept = linksIn(text).filter(
      (link) =>
        link.includes('people.csv') || link.endsWith('state=read&department=%E6%80%BB%E9%83%A8%2F%E9%94%80%E5%94%AE%E9%83%A8#people'),
    )
    expect(kept).toHaveLength(2)
    expect(kept.every((link) => new URL(link, served.url).searchParams.get('department') === '总部/销售部')).toBe(true)
    expect(textIn(text)).toMatch(/Unread 1 Read 1 All 2/)
    expect(listed((await get(`${path()}&department=${department}&state=unread&q=b`)).text)).toEqual(['bob'])
    expect(listed((await get(`${path()}&department=/`)).text)).toEqual(['dan'])
    const file = await get(kept.find((link) => link.includes('people.csv')) ?? '')
    expect(
      file.text
        .split('\r\n')
        .slice(1, -1)
        .map((row) => row.split(',')[3]),
    ).toEqual(['ann', 'bob'])
  })

  test('offers each department with its people, sub-departments indented, and marks the chosen one', async () => {
    const { text } = await get(`${path()}&department=${encodeURIComponent('总部/销售部')}`)
    const options = [...text.matchAll(/<option value="([^"]*)"( selected)?>([^<]*)</g)].map(([, value, selected, name]) => [
      value,
      name?.replaceAll('\u00A0', '_'),
      selected !== undefined,
    ])
    expect(options.filter(([value]) => !String(value).includes('img'))).toEqual([
      ['', 'All departments', false],
      ['总部', '总部 (3)', false],
      ['总部/销售部', '___销售部 (2)', true],
      ['总部/销售部/华北', '______华北 (2)', false],
      ['总部/销售部/华南', '______华南 (1)', false],
      ['/', 'Department not known (1)', false],
    ])
  })

  test('has no name, department or filter for a caller without the right', async () => {
    const { text } = await get(path(), READ)
    expect(listed(text)).toEqual(['ann', 'bob', 'cai', 'dan'])
    expect(text).not.toMatch(/李娜|Bob Wang|销售部<|<select|onerror|href="\/people\//)
    expect(listed((await get(`${path()}&q=李`, READ)).text)).toEqual([])
    const refused = await get(`${path()}&department=${encodeURIComponent('总部/销售部')}`, READ)
    expect([refused.status, refused.text]).toEqual([403, expect.not.stringContaining('<table')])
  })
})

describe('departments of a campaign', () => {
  test('have their rates, sub-departments folded, and lead to their unread people', async () => {
    const { text } = await get(campaign())
    const [section = ''] = /<section id="departments".*?<\/section>/s.exec(text) ?? []
    const shown = textIn(section)
    expect(shown).toMatch(/总部 1 of 3 33\.3% 2 .*销售部 1 of 2 50\.0% 1 .*Department not known 0 of 1 0\.0% 1 销售部: 2 sub-departments /)
    expect(shown).toMatch(/2 sub-departments .*华北 1 of 2 50\.0% 1 华南 1 of 1 100\.0% 0 $/)
    expect(section).toMatch(/class="name indent-1"[^>]*>销售部</)
    expect(textIn(section)).toContain('counts in each of them')
    const links = linksIn(section).filter((link) => !link.includes('img'))
    expect(links).toHaveLength(4)
    for (const link of links) {
      const { searchParams, pathname } = new URL(link, served.url)
      expect([pathname, searchParams.get('state')]).toEqual([`/campaigns/${CAMPAIGN}`, 'unread'])
    }
    const toSales = links.find((link) => new URL(link, served.url).searchParams.get('department') === '总部/销售部') ?? ''
    expect(listed((await get(toSales)).text)).toEqual(['bob'])
  })

  test('are not there without the right, and where none is known', async () => {
    expect((await get(campaign(), READ)).text).not.toContain('id="departments"')
    await aTask(served.store, { campaign: 'strangers', userIds: ['x1', 'x2'] })
    const { text } = await get('/campaigns/strangers?state=all')
    expect(text).not.toMatch(/id="departments"|<select/)
    expect(textIn(text)).toContain('Find a user id')
  })

  test('of which there are too many for a page are listed down to a level, and the chosen one always', async () => {
    const people = Array.from({ length: 7 }, (_, i) => ({
      userId: `wide-${i}`,
      departments: Array.from({ length: 50 }, (__, j) => `Wide/D${i * 50 + j}`),
    }))
    await served.database.pool.query('SELECT delivery_put_people($1::jsonb)', [JSON.stringify(people)])
    await aTask(served.store, { campaign: 'wide', userIds: people.map(({ userId }) => userId) })
    const { text } = await get('/campaigns/wide?state=all&department=Wide/D349')
    expect(textIn(text)).toContain('There are more departments than this page lists')
    expect(text).toContain('<option value="Wide/D349" selected>Wide/D349</option>')
    expect([listed(text), text.includes('Wide/D1"')]).toEqual([['wide-6'], false])
  })

  test('are in Chinese, too', async () => {
    const text = await textOf(campaign(), NAMES, 'zh-CN')
    expect(text).toContain('销售部：2 个子部门')
    expect(text).toContain('部门未知')
    expect(text).toContain('姓名或员工 userid')
  })
})

describe('one person', () => {
  test('has everything that they were sent, latest first, with links to campaigns, polls and manager', async () => {
    const { text } = await get('/people/ann?app=default')
    expect(text).toContain('<h1 class="name">李娜</h1><span class="user-id">ann</span>')
    expect(textIn(text)).toMatch(/Department 总部\/销售部\/华北 总部\/销售部\/华南 Manager 王总/)
    expect(text).toContain('<a href="/people/boss?app=default">王总</a>')
    const [section = ''] = /<section id="sent".*?<\/section>/s.exec(text) ?? []
    expect(textIn(section)).toMatch(/drill .*Unread unread as of .*Show .*payroll-11 .*Read read (by|between) .*Show/)
    expect(linksIn(section)).toContain(`/campaigns/${CAMPAIGN}?app=default`)
    expect(linksIn(section)).toContain(`/tasks/${taskId}/people/ann?app=default`)
  })

  test('has the user id alone for a caller without the right', async () => {
    const { text } = await get('/people/ann?app=default', READ)
    expect(text).toContain('<h1 class="name">ann</h1>')
    expect(text).not.toMatch(/李娜|销售部|王总|boss/)
    expect(textIn(text)).toContain('payroll-11')
    expect((await get(`/tasks/${taskId}/people/ann`, READ)).text).not.toContain('李娜')
  })

  test('in one task has the name, and leads to everything', async () => {
    const { text } = await get(`/tasks/${taskId}/people/ann?app=default`)
    expect(text).toContain('<h1 class="name">李娜</h1>')
    expect(linksIn(text)).toContain('/people/ann?app=default')
  })

  test('who was sent nothing has a page, an unknown one has none', async () => {
    expect(await textOf('/people/boss')).toContain('Nothing was sent to this person.')
    expect((await get('/people/nobody-knows')).status).toBe(404)
    expect((await get('/people/%00')).status).toBe(400)
  })

  test('of several apps is told apart by the app', async () => {
    const put = 'SELECT delivery_put_people(\'[{"userId": "twin", "name": "Twin of NAME"}]\'::jsonb, \'NAME\')'
    for (const app of ['hr', 'it']) await served.database.pool.query(put.replaceAll('NAME', app))
    expect(await textOf('/people/twin')).toMatch(/twin App hr Person Twin of hr App it Person Twin of it/)
    expect(await textOf('/people?q=Twin')).toMatch(/Twin of hr twin – hr Twin of it twin – it/)
  })

  test('of many tasks has pages', async () => {
    for (let i = 0; i < 27; i++) await aTask(served.store, { campaign: `weekly ${i}`, userIds: ['busy'], sentAt: minutesLater(-i) })
    const first = await get('/people/busy')
    const next = linksIn(first.text).find((link) => link.includes('cursor=')) ?? ''
    const second = await get(next)
    const campaignsIn = (text: string) => linksIn(text).filter((link) => link.startsWith('/campaigns/'))
    expect([campaignsIn(first.text).length, campaignsIn(second.text).length]).toEqual([25, 2])
    expect(linksIn(second.text).some((link) => link.includes('cursor='))).toBe(false)
  })
})

describe('a search for people', () => {
  test('leads straight to the only one, by name, by user id, and by one that only tasks have', async () => {
    for (const [search, found] of [
      ['李娜', '/people/ann?app=default'],
      ['BOB', '/people/bob?app=default'],
      ['only-sent', '/people/only-sent?app=default'],
    ] as const) {
      const { status, headers } = await get(`/people?q=${encodeURIComponent(search)}`)
      expect([search, status, headers.get('location')]).toEqual([search, 303, found])
    }
  })

  test('lists several, and says where there is none', async () => {
    const several = await textOf('/people?q=b')
    expect(several).toMatch(/Bob Wang bob .*王总 boss/)
    expect(await textOf('/people?q=no-one')).toContain('No person is found for “no-one”.')
    expect(await textOf('/people')).toContain('Find a person')
    expect((await get('/people?q=<img src=x>')).text).not.toContain('<img')
  })

  test('without the right finds a whole user id, and no name', async () => {
    expect((await get('/people?q=ann', READ)).headers.get('location')).toBe('/people/ann?app=default')
    for (const search of ['李娜', 'an', 'Bob']) {
      const text = await textOf(`/people?q=${encodeURIComponent(search)}`, READ)
      expect(text).toContain('a search needs the whole user id')
      expect(text).not.toContain('Wang')
    }
  })

  test('is that of the overview: by name, and by a user id that only tasks have; a name is found for no caller without the right', async () => {
    for (const [search, found] of [
      ['李娜', '/people/ann?app=default'],
      ['only-sent', '/people/only-sent?app=default'],
    ] as const)
      expect([search, linksIn((await get(`/?q=${encodeURIComponent(search)}`)).text)]).toEqual([search, expect.arrayContaining([found])])
    const hidden = await get(`/?q=${encodeURIComponent('李娜')}`, READ)
    expect([hidden.status, linksIn(hidden.text).some((link) => link.startsWith('/people/'))]).toEqual([200, false])
    expect(linksIn((await get('/?q=only-sent', READ)).text)).toContain('/people/only-sent?app=default')
  })
})

test('no name, department or search for one is in the log of the server', () => {
  expect(served.log.join('\n')).not.toMatch(/李娜|Bob Wang|王总|销售部|%E6%9D%8E/)
})

/** Of the login of the server, whichever role gives it. */
const REVOKE = `DO $$ BEGIN
  REVOKE SELECT ON delivery_people FROM delivery_worker;
  IF to_regrole('delivery_names') IS NOT NULL THEN EXECUTE 'REVOKE SELECT ON delivery_people FROM delivery_names'; END IF;
END $$`

test('a server whose role in the database may not see names shows user ids', async () => {
  const { served: without, close: end } = await openServer({})
  try {
    await execute(without.databaseUrl, REVOKE)
    await without.database.pool.query('SELECT delivery_put_people($1::jsonb)', [JSON.stringify(PEOPLE)])
    const { key } = await aTask(without.store, { campaign: CAMPAIGN, userIds: ['ann', 'bob'] })
    for (const path of [
      campaign('&state=all'),
      `/tasks/${key.taskId}?state=all`,
      '/people/ann',
      `/tasks/${key.taskId}/people/ann`,
      '/people?q=n',
    ]) {
      const { status, text } = await ask(without.url, path, { headers: { accept: 'text/html' } })
      expect([path, status]).toEqual([path, 200])
      expect(text).not.toMatch(/李娜|Bob Wang|销售部/)
    }
  } finally {
    await end()
  }
})
