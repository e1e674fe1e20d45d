import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import { expect } from 'vitest'

export interface Page {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface VisitorOptions {
  /** Of the server or of the proxy in front of it, on loopback. */
  readonly port: number
  /** What is in the address bar: `https://tracker.example:8443`. */
  readonly origin: string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** The address from which the visitor connects. */
  readonly localAddress?: string
}

/** A browser as far as servers see it: Host, Origin, Sec-Fetch-Site and cookies with their paths. It follows no redirect. */
export interface Visitor {
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Page>
  submit(path: string, fields: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Promise<Page>
  /** As they were set: `Path=/dingtalk; HttpOnly; …`, by name. */
  readonly cookies: ReadonlyMap<string, string>
}

export function aVisitor({ port, origin, headers: always = {}, localAddress }: VisitorOptions): Visitor {
  const cookies = new Map<string, string>()
  const { protocol, host } = new URL(origin)
  const cookiesFor = (path: string): string =>
    [...cookies]
      .filter(([, set]) => path.startsWith(/; Path=([^;]*)/.exec(set)?.[1] ?? '/') && (protocol === 'https:' || !set.includes('; Secure')))
      .map(([name, set]) => `${name}=${set.split(';')[0] ?? ''}`)
      .join('; ')
  const send = (method: string, path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Page> =>
    new Promise((resolve, reject) => {
      const all = {
        host,
        accept: 'text/html',
        'accept-language': 'en',
        cookie: cookiesFor(path),
        'sec-fetch-site': 'same-origin',
        ...always,
        ...headers,
      }
      const options = {
        host: '127.0.0.1',
        port,
        path,
        method,
        headers: all,
        agent: false,
        localAddress,
        rejectUnauthorized: false,
        servername: 'tracker.example',
      }
      const sent = (protocol === 'https:' ? httpsRequest : httpRequest)(options, (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) {
          const [, name = '', set = ''] = /^([^=]+)=(.*)$/.exec(cookie) ?? []
          cookies.set(name, set)
        }
        text(response).then((got) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: got }), reject)
      })
      sent.on('error', reject).end(body)
    })
  return {
    cookies,
    get: (path, headers = {}) => send('GET', path, headers),
    submit(path, fields, headers = {}) {
      const body = new URLSearchParams(fields).toString()
      const form = { origin, 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) }
      return send('POST', path, { ...form, ...headers }, body)
    },
  }
}

/** The first address of this kind in a page. */
function addressIn({ body }: Page, pattern: RegExp): string {
  const address = pattern.exec(body)?.[1]
  if (address === undefined) throw new Error(`the page has no ${String(pattern)}: ${body.slice(0, 2_000)}`)
  return address.replaceAll('&amp;', '&')
}

interface Walk {
  /** The task whose page has a button to resume it. */
  readonly taskId: string
  /** Where the dashboard is: `/dingtalk`, or empty. */
  readonly path: string
  /** Null: a proxy has signed the reader in. */
  readonly token: string | null
}

/** Uses the dashboard as a reader does, by what its own pages say. Returns what worked; what does not fails the test. */
export async function walkDashboard(visitor: Visitor, { taskId, path, token }: Walk): Promise<string> {
  const worked: string[] = []
  const expectPage = async (name: string, address: string, type = 'text/html'): Promise<Page> => {
    expect([name, address.startsWith(`${path}/`)]).toEqual([name, true])
    const page = await visitor.get(address)
    expect([name, page.status, page.headers['content-type']?.split(';')[0]]).toEqual([name, 200, type])
    worked.push(name)
    return page
  }
  const wanted = `${path}/tasks/${taskId}?app=default`
  if (token !== null) {
    const refused = await visitor.get(wanted)
    expect(refused.headers.location).toBe(`${path}/login?next=${encodeURIComponent(`/tasks/${taskId}?app=default`)}`)
    const login = await visitor.get(refused.headers.location ?? '')
    const next = addressIn(login, /name="next" value="([^"]+)"/)
    const signedIn = await visitor.submit(addressIn(login, /method="post" action="([^"]+login)"/), { token, next })
    expect([signedIn.status, signedIn.headers.location]).toEqual([303, wanted])
    worked.push('sign-in')
  }
  const page = await expectPage('pages', wanted)
  await expectPage('style', addressIn(page, /rel="stylesheet" href="([^"]+)"/), 'text/css')
  await expectPage('script', addressIn(page, /<script src="([^"]+)"/), 'text/javascript')
  await expectPage('file', addressIn(page, /href="([^"]+people\.csv[^"]*)"/), 'text/csv')
  const overview = await visitor.get(addressIn(page, /class="brand" href="([^"]+)"/))
  await expectPage('search', `${addressIn(overview, /method="get" action="([^"]+)"/)}?q=${taskId}`)
  await expectPage('OpenAPI', `${path}/v1/openapi.json`, 'application/json')
  const preferred = await visitor.submit(addressIn(page, /method="post" action="([^"]+preferences)"/), { theme: 'dark', back: '/' })
  expect([preferred.status, preferred.headers.location]).toEqual([303, `${path}/`])
  worked.push('preferences')
  if (page.body.includes('/resume')) {
    const resumed = await visitor.submit(addressIn(page, /action="([^"]+resume[^"]*)"/), {})
    expect([resumed.status, resumed.headers.location]).toEqual([303, wanted])
    worked.push('resume')
  }
  if (token !== null) {
    const out = await visitor.submit(addressIn(page, /action="([^"]+logout)"/), {})
    expect([out.status, out.headers.location]).toEqual([303, `${path}/login`])
    expect((await visitor.get(wanted)).status).toBe(303)
    worked.push('sign-out')
  }
  return worked.join(', ')
}
