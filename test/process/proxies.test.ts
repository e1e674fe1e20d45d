import { describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../src/lib/finding.ts'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts'
import { CANARIES } from '../support/canaries.ts'
import { type CompanyCa, describeWithCa } from '../support/company-ca.ts'
import { type CompanyProxy, type ProxyBehaviour, startCompanyProxy } from '../support/company-proxy.ts'
import { freePort } from '../support/free-port.ts'
import { expectMatrix, type MatrixRow } from '../support/matrix.ts'
import { runCli } from '../support/process.ts'
import { hasTinyproxy, startTinyproxy } from '../support/tinyproxy.ts'
import { until } from '../support/wait.ts'
import { backends } from '../support/world.ts'
import { AGENT_ID, makeFaultyWorld } from './support/faulty-world.ts'

/** The network of a company: proxies, gateways and certificates of its own, each with the command as a process. */

type Register = (close: () => Promise<void>) => void
type Env = Readonly<Record<string, string>>

interface Company {
  readonly simulator: Simulator
  readonly taskId: string
  /** The credentials of the app. */
  readonly app: Env
  readonly register: Register
}

async function aCompany(register: Register): Promise<Company> {
  const apps = [{ appKey: CANARIES.appKey, appSecret: CANARIES.appSecret, agentId: AGENT_ID }]
  const simulator = await startSimulator({ apps })
  register(() => simulator.close())
  const { taskId } = simulator.createTask({ recipients: [{ userId: '0123', fate: 'never' }] })
  return {
    ...{ simulator, taskId, register },
    app: { DINGTALK_APP_KEY: CANARIES.appKey, DINGTALK_APP_SECRET: CANARIES.appSecret, DINGTALK_AGENT_ID: AGENT_ID },
  }
}

interface Told {
  readonly code: number | null
  readonly stderr: string
  readonly findings: readonly Finding[]
  /** What the call for the task showed. */
  readonly call: Finding | undefined
}

async function ask({ taskId, app, register }: Company, env: Env): Promise<Told> {
  const { code, stdout, stderr } = await runCli(['doctor', '--task', taskId, '--json'], {
    ...{ env: { ...app, ...env }, cwd: '/', onTestFinished: register },
  })
  const findings: Finding[] = stdout === '' ? [] : JSON.parse(stdout)
  return { code, stderr, findings, call: findings.find(({ name }) => name === `call for task ${taskId}`) }
}

const atSimulator = ({ simulator }: Company): Env => ({ DINGTALK_OAPI_URL: simulator.url, DINGTALK_API_URL: simulator.url })

const DINGTALK = ['oapi.dingtalk.io', 'api.dingtalk.io', 'oapi.dingtalk.com', 'api.dingtalk.com'] as const
const LOGIN = `user:${CANARIES.proxyPassword}`
const withLogin = ({ url }: CompanyProxy, login = LOGIN): string => url.replace('//', `//${login}@`)

/** A set-up of the matrix: what to start, and the variables that lead there. */
interface Setup {
  readonly name: string
  readonly prepare: (company: Company, ca: CompanyCa) => Promise<Env>
  /** Holds of what the command told; what is returned stands in the table. */
  readonly result: string
  readonly says: RegExp
  /** Default: the call succeeds. */
  readonly fails?: true
}

const WORKS = 'works'
const works = { result: WORKS, says: /permission, agent id and task fit\. DingTalk lists 1 person: 1 unread/ } as const

const behaving =
  (behaviour: ProxyBehaviour) =>
  async (company: Company): Promise<Env> => {
    const proxy = await startCompanyProxy({ register: company.register })
    proxy.behave(behaviour)
    return { HTTP_PROXY: withLogin(proxy), ...atSimulator(company) }
  }

const inspecting =
  (more: (ca: CompanyCa) => Env) =>
  async ({ simulator, register }: Company, ca: CompanyCa): Promise<Env> => {
    const proxy = await startCompanyProxy({ login: LOGIN, inspect: { ...ca.issue(...DINGTALK), upstream: simulator.url }, register })
    return { HTTPS_PROXY: withLogin(proxy), DINGTALK_REGION: 'cn', ...more(ca) }
  }

const SETUPS: readonly Setup[] = [
  {
    ...{ name: '`HTTPS_PROXY` with user and password, which inspects TLS, and `NODE_EXTRA_CA_CERTS`', ...works },
    prepare: inspecting((ca) => ({ NODE_EXTRA_CA_CERTS: ca.file() })),
  },
  {
    name: 'the same without `NODE_EXTRA_CA_CERTS`',
    prepare: inspecting(() => ({})),
    fails: true,
    result: '`UNKNOWN_CA`: the remedy names `NODE_EXTRA_CA_CERTS`',
    says: /UNKNOWN_CA .*https:\/\/api\.dingtalk\.com through the proxy http.*set NODE_EXTRA_CA_CERTS/,
  },
  {
    ...{ name: '`https_proxy`, in lower case', ...works },
    async prepare({ simulator, register }, ca) {
      const proxy = await startCompanyProxy({ inspect: { ...ca.issue(...DINGTALK), upstream: simulator.url }, register })
      return { https_proxy: proxy.url, DINGTALK_REGION: 'intl', NODE_EXTRA_CA_CERTS: ca.file() }
    },
  },
  {
    ...{ name: '`HTTP_PROXY` alone, with a tunnel to a host that no one inspects', ...works },
    async prepare(company) {
      const proxy = await startCompanyProxy({ login: LOGIN, register: company.register })
      return { HTTP_PROXY: withLogin(proxy), ...atSimulator(company) }
    },
  },
  {
    ...{ name: 'a proxy that is reached by https, and `NODE_EXTRA_CA_CERTS`', ...works },
    async prepare(company, ca) {
      const proxy = await startCompanyProxy({ tls: ca.issue('127.0.0.1'), register: company.register })
      return { HTTP_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: ca.file(), ...atSimulator(company) }
    },
  },
  {
    name: 'the same without `NODE_EXTRA_CA_CERTS`',
    async prepare(company, ca) {
      const proxy = await startCompanyProxy({ tls: ca.issue('127.0.0.1'), register: company.register })
      return { HTTP_PROXY: proxy.url, ...atSimulator(company) }
    },
    fails: true,
    result: '`PROXY_UNKNOWN_CA`: the remedy names `NODE_EXTRA_CA_CERTS`',
    says: /PROXY_UNKNOWN_CA .*the proxy https:.*NODE_EXTRA_CA_CERTS/,
  },
  {
    ...{ name: '`NO_PROXY` with the host, and a proxy that refuses everything', ...works },
    prepare: async (company) => ({ ...(await behaving(403)(company)), NO_PROXY: 'localhost,127.0.0.1' }),
  },
  {
    ...{ name: 'a base URL on loopback, and a proxy on another machine', ...works },
    prepare: async (company) => ({ HTTP_PROXY: 'http://proxy.invalid:3128', ...atSimulator(company) }),
  },
  {
    name: 'a wrong password',
    async prepare(company) {
      const proxy = await startCompanyProxy({ login: 'user:another', register: company.register })
      return { HTTP_PROXY: withLogin(proxy), ...atSimulator(company) }
    },
    fails: true,
    result: '`PROXY_LOGIN`: the proxy, HTTP 407, and how to give user and password',
    says: /PROXY_LOGIN .*the proxy http:\/\/127.0.0.1:\d+ answered HTTP 407.*http:\/\/USER:PASSWORD@HOST:PORT/,
  },
  {
    name: 'a proxy that refuses `CONNECT` (HTTP 403)',
    prepare: behaving(403),
    fails: true,
    result: '`PROXY_REFUSED`: the proxy, HTTP 403, the host, and what to ask for',
    says: /PROXY_REFUSED .*answered HTTP 403 to CONNECT 127.*allow CONNECT to DingTalk's hosts at port 443/,
  },
  {
    name: 'a proxy that finds no way (HTTP 502)',
    prepare: behaving(502),
    fails: true,
    result: '`PROXY_REFUSED`: the proxy, HTTP 502, the host',
    says: /PROXY_REFUSED .*answered HTTP 502 to CONNECT 127/,
  },
  {
    name: 'a proxy that is down',
    prepare: async (company) => ({ HTTP_PROXY: `http://127.0.0.1:${await freePort()}`, ...atSimulator(company) }),
    fails: true,
    result: '`PROXY_UNREACHABLE`: the proxy, and which variables to check',
    says: /PROXY_UNREACHABLE .*the proxy http:\/\/127.0.0.1:\d+ cannot be reached \(ECONNREFUSED\).*Check HTTPS_PROXY/,
  },
  {
    name: 'a proxy that says nothing',
    prepare: behaving('silent'),
    fails: true,
    result: '`PROXY_UNREACHABLE` after ten seconds',
    says: /PROXY_UNREACHABLE .*UND_ERR_HEADERS_TIMEOUT.*Check HTTPS_PROXY/,
  },
  {
    name: '`HTTPS_PROXY=socks5://…`',
    prepare: async (company) => ({ HTTPS_PROXY: 'socks5://proxy.example:1080', ...atSimulator(company) }),
    fails: true,
    result: 'refused at the start, among all that is wrong',
    says: /HTTPS_PROXY: "socks5:\/\/proxy\.example:1080" is not an http or https proxy/,
  },
  {
    ...{ name: 'a gateway with a prefix, `https://HOST/dingtalk`, in a private network, and `NODE_EXTRA_CA_CERTS`', ...works },
    async prepare({ simulator, register }, ca) {
      const url = await startGateway(ca, simulator, register)
      return { DINGTALK_OAPI_URL: `${url}/dingtalk`, DINGTALK_API_URL: `${url}/dingtalk`, NODE_EXTRA_CA_CERTS: ca.file() }
    },
  },
  {
    ...{ name: 'the same behind a proxy that resolves its name, with `DINGTALK_PRIVATE_HOSTS`', ...works },
    async prepare({ simulator, register }, ca) {
      const inspect = { ...ca.issue('gw.internal'), upstream: simulator.url }
      const proxy = await startCompanyProxy({ inspect, register, prefix: '/dingtalk' })
      const url = 'https://gw.internal/dingtalk'
      const hosts = { DINGTALK_OAPI_URL: url, DINGTALK_API_URL: url, DINGTALK_PRIVATE_HOSTS: 'gw.internal' }
      return { ...hosts, HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: ca.file() }
    },
  },
  {
    name: 'the same without `DINGTALK_PRIVATE_HOSTS`',
    async prepare({ register }) {
      const proxy = await startCompanyProxy({ register })
      return { HTTPS_PROXY: proxy.url, DINGTALK_OAPI_URL: 'https://gw.internal/dingtalk', DINGTALK_API_URL: 'https://gw.internal/dingtalk' }
    },
    fails: true,
    result: '`PRIVATE_ADDRESS`: nothing is asked of the proxy',
    says: /PRIVATE_ADDRESS .*gw\.internal is a name of a private network.*DINGTALK_PRIVATE_HOSTS/,
  },
]

async function startGateway(ca: CompanyCa, simulator: Simulator, register: Register): Promise<string> {
  const gateway = await startCompanyProxy({ tls: ca.issue('127.0.0.1'), forwardsTo: simulator.url, prefix: '/dingtalk', register })
  return gateway.url
}

/** Those that need the program tinyproxy. */
const TINYPROXY: readonly Setup[] = [
  {
    ...{ name: 'tinyproxy with `BasicAuth`', ...works },
    async prepare(company) {
      const { port, stop } = await startTinyproxy(`BasicAuth user ${CANARIES.proxyPassword}`)
      company.register(stop)
      return { HTTP_PROXY: `http://${LOGIN}@127.0.0.1:${port}`, ...atSimulator(company) }
    },
  },
  {
    name: 'the same without user and password',
    async prepare(company) {
      const { port, stop } = await startTinyproxy(`BasicAuth user ${CANARIES.proxyPassword}`)
      company.register(stop)
      return { HTTP_PROXY: `127.0.0.1:${port}`, ...atSimulator(company) }
    },
    fails: true,
    result: '`PROXY_LOGIN`',
    says: /PROXY_LOGIN .*answered HTTP 407/,
  },
  {
    name: 'tinyproxy that allows `CONNECT` to port 443 alone, and a host at another',
    async prepare(company) {
      const { port, stop } = await startTinyproxy('ConnectPort 443')
      company.register(stop)
      return { HTTP_PROXY: `127.0.0.1:${port}`, ...atSimulator(company) }
    },
    fails: true,
    result: '`PROXY_REFUSED`: HTTP 403',
    says: /PROXY_REFUSED .*answered HTTP 403 to CONNECT/,
  },
]

const RUN = '`doctor --task`: a token and one call'

describeWithCa('ways to DingTalk', (ca) => {
  const rows = new Map<string, MatrixRow>()
  const all = [...SETUPS, ...TINYPROXY]

  /** @returns what the command told of the call, or why it made none */
  const check = async (setup: Setup, key: string, register: Register): Promise<string> => {
    const company = await aCompany(register)
    const { code, stderr, findings, call } = await ask(company, await setup.prepare(company, ca))
    expect(code === 0).toBe(setup.fails !== true)
    // Neither a warning of Node nor anything else beside the remedies.
    expect(stderr).not.toMatch(/Warning|node:/)
    expect(JSON.stringify(findings)).not.toContain(CANARIES.proxyPassword)
    expect(company.simulator.stats().metered).toBe(setup.fails === true ? 0 : 1)
    rows.set(key, { setup: setup.name, result: setup.result, run: RUN })
    return call === undefined ? stderr : `${call.detail} ${call.remedy ?? ''}`
  }

  test.each(SETUPS.map((setup, i) => [setup.name, setup, `s${i}`] as const))('%s', { timeout: 120_000 }, async (_, setup, key) => {
    expect(await check(setup, key, onTestFinished)).toMatch(setup.says)
  })

  describe.skipIf(!hasTinyproxy())('with tinyproxy', () => {
    test.each(TINYPROXY.map((setup, i) => [setup.name, setup, `t${i}`] as const))('%s', { timeout: 120_000 }, async (_, setup, key) => {
      expect(await check(setup, key, onTestFinished)).toMatch(setup.says)
    })

    test('docs/compatibility.md says what came out', () => {
      expectMatrix('proxies', [...rows.values()])
      expect(rows.size).toBe(all.length)
    })
  })

  test('doctor shows which host goes which way, and the region that no one set', { timeout: 120_000 }, async () => {
    const company = await aCompany(onTestFinished)
    const env = await inspecting((each) => ({ NODE_EXTRA_CA_CERTS: each.file(), DINGTALK_REGION: '' }))(
      { ...company, register: onTestFinished },
      ca,
    )
    const { findings, code } = await ask({ ...company, register: onTestFinished }, { ...env, NO_PROXY: 'api.dingtalk.io.example' })
    const proxy = expect.stringMatching(
      /^https:\/\/oapi\.dingtalk\.io through http:\/\/127.0.0.1:\d+, https:\/\/api\.dingtalk\.io through http/,
    )
    expect(findings).toContainEqual({ name: 'proxy', ok: true, detail: proxy })
    expect(findings).toContainEqual({
      ...{ name: 'region of "default"', ok: false, warning: true },
      detail: 'no region is set, so "intl" (https://oapi.dingtalk.io) is assumed',
      remedy: expect.stringMatching(/DINGTALK_REGION.*"cn".*dingtalk\.com.*"intl".*dingtalk\.io/),
    })
    expect(code).toBe(1)
  })

  test('credentials that the assumed region refuses: the remedy says that it was assumed', { timeout: 120_000 }, async () => {
    const company = await aCompany(onTestFinished)
    const env = await inspecting((each) => ({ NODE_EXTRA_CA_CERTS: each.file(), DINGTALK_REGION: '' }))(company, ca)
    company.simulator.inject({ kind: 'code', code: 40089, match: { endpoint: 'accessToken' } })
    const { call } = await ask(company, env)
    expect(call).toMatchObject({ ok: false, remedy: expect.stringMatching(/No region is set.*"intl" was assumed: set "cn"/) })
    const set = await ask(company, { ...env, DINGTALK_REGION: 'intl' })
    expect(set.call).toMatchObject({ ok: false, remedy: expect.not.stringContaining('assumed') })
  })
})

describe('a worker behind a proxy', () => {
  const [backend = 'postgres' as const] = backends()

  test('that goes away: no task is lost, no call is counted, and all go on when it is back', { timeout: 300_000 }, async () => {
    const proxy = await startCompanyProxy({ login: LOGIN, register: onTestFinished })
    const world = await makeFaultyWorld(backend, { timeScale: 360, env: { HTTP_PROXY: withLogin(proxy) } }, onTestFinished)
    proxy.behave(503)
    const worker = await world.start()
    expect(worker.stderr()).toContain(`"http":"${proxy.url}"`)
    const taskIds = Array.from({ length: 5 }, () => world.send({ sentAt: new Date() }))
    await world.track(...taskIds.map((taskId) => ({ taskId, userIds: ['0123'], sentAt: new Date() })))
    await until(
      async () => (await world.rows()).every(({ problem_code, delay_code }) => problem_code === 'proxy' || delay_code === 'paused'),
      {
        ...{ timeoutMs: 60_000, what: 'every task knows of the proxy' },
      },
    )
    expect((await world.rows()).map(({ status, calls, polls }) => [status, calls, polls])).toEqual(taskIds.map(() => ['tracking', 0, 0]))
    expect(await world.sql('SELECT calls_used, pause_code FROM delivery_app_usage')).toEqual([{ calls_used: 0, pause_code: null }])
    expect(worker.stderr()).toContain('PROXY_REFUSED')
    proxy.behave('pass')
    await until(async () => (await world.rows()).every(({ good_polls, problem_code }) => good_polls > 0 && problem_code === null), {
      ...{ timeoutMs: 120_000, what: 'all are polled' },
    })
    expect(world.simulator.stats().metered).toBeGreaterThanOrEqual(taskIds.length)
  })
})
