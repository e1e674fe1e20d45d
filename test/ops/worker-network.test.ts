import { describe, expect, onTestFinished, test } from 'vitest'
import { parseWorkerOptions } from '../../src/app/config/worker-options.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createWorker, type WorkerOptions } from '../../src/worker.ts'
import { freePort } from '../support/free-port.ts'

/** What `createWorker` is told of the network: it reads no environment. */

const APP = { agentId: '836390886', credentials: { kind: 'fixed', accessToken: 'a-fixed-token' } } as const
const A = 'http://user:pA55word@proxy.example:3128/'

const proxiesOf = (proxy: unknown) => parseWorkerOptions({ databaseUrl: 'postgres://db/x', apps: [APP], proxy }).proxies

test('no proxy unless one is given, whatever the environment has', () => {
  process.env['HTTPS_PROXY'] = A
  onTestFinished(() => void delete process.env['HTTPS_PROXY'])
  expect(proxiesOf(undefined)).toBeUndefined()
  expect(proxiesOf({ no: '*' })).toBeUndefined()
})

test('a text is the proxy for everything, an object says more', () => {
  expect(proxiesOf(A)).toEqual({ https: A, http: A, no: '' })
  expect(proxiesOf({ https: A })).toEqual({ https: A, http: null, no: '' })
  expect(proxiesOf({ http: 'proxy.example:3128', https: undefined, no: '.example' })).toEqual({
    ...{ https: null, http: 'http://proxy.example:3128/', no: '.example' },
  })
})

test.each([
  ['socks5://u:pA55word@proxy.example', /- proxy "socks5:\/\/proxy\.example" is not an http or https proxy/],
  [{ https: 'http://proxy.example/pA55word' }, /- proxy\.https "http:\/\/proxy\.example" has a path/],
  [{ socks: A }, /- proxy has unknown fields: socks\. Accepted: https, http, no\./],
  [{ no: 7 }, /- proxy\.no must be a text/],
  [7, /- proxy must be an object/],
  ['', /- proxy /],
])('%o is refused once, with its path and without the password', (proxy, says) => {
  const complaint = (): unknown => proxiesOf(proxy)
  expect(complaint).toThrow(says)
  expect(complaint).toThrow(/^One option of createWorker is wrong/)
  expect(complaint).not.toThrow(/pA55word/)
})

describe('a region that no one gave', () => {
  const linesOf = async (app: Partial<WorkerOptions['apps'][number]>): Promise<string> => {
    let lines = ''
    const logger = createLogger({ level: 'warn', pretty: false, destination: { write: (line) => void (lines += line) } })
    const databaseUrl = `postgres://127.0.0.1:${await freePort()}/x`
    const worker = createWorker({ databaseUrl, apps: [{ ...APP, ...app }], logger, shutdownGraceSeconds: 1 })
    await worker.close()
    return lines
  }

  test('is said once in the log, with what was assumed', async () => {
    const lines = (await linesOf({})).split('\n').filter((line) => line.includes('no region is set'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(
      /"name":"default","region":"intl","oapiUrl":"https:\/\/oapi\.dingtalk\.io".*cn.*dingtalk\.com.*intl.*dingtalk\.io/,
    )
  })

  test.each([{ region: 'intl' as const }, { region: 'cn' as const }, { oapiUrl: 'https://gw.example.com' }])(
    '%o: nothing is said',
    async (app) => {
      expect(await linesOf(app)).not.toContain('no region')
    },
  )
})
