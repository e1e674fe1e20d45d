import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { safePath } from '../../src/web/dashboard/links.ts'
import { CANARIES } from '../support/canaries.ts'
import { runs } from '../support/runs.ts'
import { ask } from './support/ask.ts'
import { aServer } from './support/server.ts'

const TOKEN = CANARIES.apiToken
/** Where a reader is; a browser resolves a Location against it. */
const ORIGIN = 'https://tracker.example'

const ELSEWHERE = [
  'https://evil.example/',
  'HTTPS:evil.example',
  'javascript:alert(1)',
  'data:text/html,x',
  'evil.example',
  '//evil.example',
  '///evil.example',
  '//user@evil.example',
  '/\\evil.example',
  '\\/evil.example',
  '\\\\evil.example',
  '/.//evil.example',
  '/./\\evil.example',
  '/.\\/evil.example',
  '/..//evil.example',
  '/a/..//evil.example',
  '/campaigns/x/../..//evil.example',
  '/%2e//evil.example',
  '/%2E%2e//evil.example',
  '/.%2e//evil.example',
  '/%2f%2fevil.example',
  '/%2F/evil.example',
  '/%5cevil.example',
  '/.%2f/evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  '/\r\n/evil.example',
  '/.\t//evil.example',
  '\t//evil.example',
  ' //evil.example',
  '//[',
  '/x\r\nset-cookie: a=b',
  '/tasks\\1',
  '//',
  '/%ff',
  '',
]

describe('the way back after the login', () => {
  test.each(ELSEWHERE)('%j leads to the overview', (next) => expect(safePath(next)).toBe('/'))

  test.each([
    ['/', '/'],
    ['/campaigns/news?state=all&app=hr#people', '/campaigns/news?state=all&app=hr#people'],
    ['/campaigns/%E5%B7%A5%E8%B5%84%2011%2F100%25', '/campaigns/%E5%B7%A5%E8%B5%84%2011%2F100%25'],
    ['/campaigns/a%5Cb%09c', '/campaigns/a%5Cb%09c'],
    ['/campaigns/工资', '/campaigns/%E5%B7%A5%E8%B5%84'],
    ['/?q=//evil.example', '/?q=//evil.example'],
    ['/?q=100%', '/?q=100%'],
    ['/tasks/1/../2', '/tasks/2'],
    ['/@evil.example', '/@evil.example'],
    ['/https://evil.example', '/https://evil.example'],
  ])('%j leads to %j', (next, path) => expect(safePath(next)).toBe(path))

  const part = fc.constantFrom(
    ...[
      '/',
      '\\',
      '.',
      '..',
      '%2e',
      '%2f',
      '%5c',
      '%252f',
      '\t',
      '\n',
      '\r',
      ' ',
      '\0',
      '@',
      ':',
      '?',
      '#',
      '[',
      '%',
      '／',
      'https:',
      'evil.example',
      'a',
    ],
  )
  const spelling = fc.oneof(
    fc.array(part, { maxLength: 9 }).map((parts) => `/${parts.join('')}`),
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
  )

  test('whatever the spelling, a browser stays on this server, also where the path was decoded once more', () => {
    fc.assert(
      fc.property(spelling, (next) => {
        const path = safePath(next)
        const url = new URL(path, ORIGIN)
        expect(url.origin).toBe(ORIGIN)
        // It is canonical: resolving it changes nothing, and neither does judging it again.
        expect(`${url.pathname}${url.search}${url.hash}`).toBe(path)
        expect(safePath(path)).toBe(path)
        expect(new URL(decodeURIComponent(url.pathname), ORIGIN).origin).toBe(ORIGIN)
      }),
      { numRuns: runs(5_000) },
    )
  })
})

describe('every redirect of the dashboard', () => {
  const form = (fields: Readonly<Record<string, string>> | Array<[string, string]>): RequestInit => ({
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams(fields),
  })

  test('stays on this server: after the login, of a reader who is signed in already, and after a preference', async () => {
    const { url } = await aServer({ apiToken: TOKEN })
    const signedIn = await ask(url, '/login', form({ token: TOKEN }))
    const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
    expect([signedIn.status, signedIn.headers.get('location')]).toEqual([303, '/'])
    for (const next of ELSEWHERE) {
      const answers = [
        await ask(url, '/login', form({ token: TOKEN, next })),
        await ask(url, `/login?next=${encodeURIComponent(next)}`, { redirect: 'manual', headers: { cookie } }),
        await ask(url, '/preferences', form({ language: 'zh', back: next })),
      ]
      for (const { status, headers } of answers) expect([next, status, headers.get('location')]).toEqual([next, 303, '/'])
    }
  })

  test('takes one `next`: where there are several, each of them is judged alike', async () => {
    const { url } = await aServer({ apiToken: TOKEN })
    const several = [
      ['/tasks/1', '/.//evil.example'],
      ['/.//evil.example', '/tasks/1'],
    ]
    for (const [first = '', last = ''] of several) {
      const page = await ask(url, `/login?next=${encodeURIComponent(first)}&next=${encodeURIComponent(last)}`)
      expect(page.text).not.toContain('evil.example')
      const { headers } = await ask(
        url,
        '/login',
        form([
          ['token', TOKEN],
          ['next', first],
          ['next', last],
        ]),
      )
      expect(headers.get('location')).toBeOneOf(['/', '/tasks/1'])
    }
  })

  test('from a page that wants a login keeps its address as data', async () => {
    const { url } = await aServer({ apiToken: TOKEN })
    for (const path of ['/campaigns/news?state=all', '/.//evil.example', '//evil.example/', '/%2e//evil.example']) {
      const { headers } = await ask(url, path, { redirect: 'manual', headers: { accept: 'text/html' } })
      const location = new URL(headers.get('location') ?? '', ORIGIN)
      expect([path, location.origin, location.pathname]).toEqual([path, ORIGIN, '/login'])
    }
  })
})
