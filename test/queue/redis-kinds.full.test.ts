import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, Redis } from 'ioredis'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { createTracker } from '../../src/index.ts'
import type { QueueAddress } from '../../src/queue/connection.ts'
import type { GivenRedis } from '../../src/queue/given-redis.ts'
import { inspectQueue } from '../../src/queue/inspect.ts'
import { createPollTimers } from '../../src/queue/timers.ts'
import { CANARIES } from '../support/canaries.ts'
import { freePort } from '../support/free-port.ts'
import { expectMatrix, type MatrixRow } from '../support/matrix.ts'
import { runCli } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { MASTER_NAME, type RedisGroup, type SentinelGroup, startCluster, startSentinels } from '../support/redis-groups.ts'
import { type RedisServer, redisAvailable, startRedis } from '../support/redis-server.ts'
import { until } from '../support/wait.ts'
import { aQueue, aWorker } from './support.ts'

const PASSWORD = CANARIES.redisPassword
/** A sender has two seconds; the rest is a busy machine's. */
const SENDER_MS = 6_000
const WORKS = 'works'
const DAY = 'test/faults/redis-groups.test.ts: a day with a failover; doctor, a sender, a worker'
const RUN = 'doctor, a sender, a worker'

const rows: MatrixRow[] = []

describeRedis('what a queue can live in', () => {
  let [folder, tlsPort] = ['', 0]
  let [server, replica]: RedisServer[] = []
  let cluster: RedisGroup
  let sentinels: SentinelGroup
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-kinds-'))
    makeCertificate(folder)
    tlsPort = await freePort()
    const certificate = { 'tls-ca-cert-file': join(folder, 'ca.crt'), 'tls-cert-file': join(folder, 'server.crt') }
    const tls = { ...certificate, 'tls-key-file': join(folder, 'server.key'), 'tls-port': String(tlsPort), 'tls-auth-clients': 'no' }
    server = await startRedis({ password: PASSWORD, config: { ...tls, unixsocket: join(folder, 'redis.sock') } })
    replica = await startRedis({ config: { replicaof: `127.0.0.1 ${server.port}`, masterauth: PASSWORD } })
    cluster = await startCluster()
    sentinels = await startSentinels()
    return async () => {
      await Promise.all([server?.stop(), replica?.stop(), cluster?.stop(), sentinels?.stop()])
      await rm(folder, { recursive: true, force: true })
    }
  })
  const withoutUser = (url: string): string => url.replace(/\/\/[^@]*@/, '//')
  const portsOf = (url: string): Array<{ host: string; port: number }> =>
    [...url.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => ({ host: '127.0.0.1', port: Number(port) }))
  const worker = { username: 'delivery_worker', password: PASSWORD }

  test('each kind that works', { timeout: 300_000 }, async () => {
    const plain = await startRedis()
    const users = await startRedis({ users: true })
    onTestFinished(() => plain.stop())
    onTestFinished(() => users.stop())
    const row = async (setup: string, where: string | GivenRedis, run = RUN): Promise<void> => {
      await takesAndFires(where)
      rows.push({ setup, result: WORKS, run })
    }
    await row('`redis://HOST`', plain.url)
    await row('`redis://HOST/3`, another database', `${plain.url}/3`)
    await row('`redis://:PASSWORD@HOST`', server?.url ?? '')
    await row('`redis://USER:PASSWORD@HOST` with deploy/redis/users.acl', users.url)
    await row('TLS, `createTracker({ queue: { host, port, tls: { ca } } })`', {
      ...{ host: '127.0.0.1', port: tlsPort, password: PASSWORD, tls: { ca: await readFile(join(folder, 'ca.crt'), 'utf8') } },
    })
    await row('Unix socket, `createTracker({ queue: { path } })`', { path: join(folder, 'redis.sock'), password: PASSWORD })
    const own = new Redis(plain.url)
    onTestFinished(() => own.disconnect())
    await row('`createTracker({ queue: redis })`, a client of ioredis', own)
    expect(own.status, 'it is left open').toBe('ready')
    await row('`redis+sentinel://USER:PASSWORD@HOST,HOST,HOST/MASTER?sentinel_password=…`', sentinels.url, DAY)
    await row('Sentinel, `createTracker({ queue: { sentinels, name } })`', {
      ...{ sentinels: portsOf(sentinels.url), name: MASTER_NAME, sentinelPassword: PASSWORD, ...worker },
    })
    await row('`redis+cluster://USER:PASSWORD@HOST,HOST,HOST`', cluster.url, DAY)
    await row('`redis+cluster://USER:PASSWORD@HOST`, one node of three', cluster.url.replace(/,.*/, ''))
    await row('Cluster, `createTracker({ queue: { nodes } })`', { nodes: portsOf(cluster.url), redisOptions: worker })
    const clusterClient = new Cluster(portsOf(cluster.url), { redisOptions: worker })
    onTestFinished(() => clusterClient.disconnect())
    await row('`createTracker({ queue: cluster })`, a Cluster of ioredis', clusterClient)
    await until(() => clusterClient.status === 'ready', { what: 'it is left open' })
  })

  test('TLS by the address, with a certificate that Node is told of', { timeout: 120_000 }, async () => {
    const url = `rediss://:${PASSWORD}@localhost:${tlsPort}`
    const doctor = async (env: Record<string, string>) => {
      const { stdout } = await runCli(['doctor', '--json'], { env: { QUEUE_URL: url, ...env } })
      return (JSON.parse(stdout) as Array<{ name: string; ok: boolean; detail: string }>).find(({ name }) => name === 'queue')
    }
    expect(await doctor({ NODE_EXTRA_CA_CERTS: join(folder, 'ca.crt') })).toMatchObject({ ok: true })
    rows.push({ setup: '`rediss://`, the CA in `NODE_EXTRA_CA_CERTS`', result: WORKS, run: 'doctor' })
    expect(await doctor({})).toMatchObject({ ok: false, detail: expect.stringMatching(/certificate/) })
    rows.push({ setup: '`rediss://`, a CA that Node does not know', result: 'refused: the certificate is named', run: 'doctor' })
  })

  test('each kind that does not fit its address says so, to a sender in time and to doctor', { timeout: 300_000 }, async () => {
    const row = async (setup: string, url: string, remedy: RegExp): Promise<void> => {
      const said = await refusedBy(url)
      expect(said.sender).toMatch(remedy)
      expect(said.doctor).toMatch(remedy)
      expect(`${said.sender} ${said.doctor}`).not.toContain(PASSWORD)
      rows.push({ setup, result: `refused: ${said.sender}`, run: 'doctor, a sender' })
    }
    const node = `redis://delivery_worker:${PASSWORD}@127.0.0.1:${portsOf(cluster.url)[0]?.port}`
    await row('`redis://` to a node of a cluster', node, /redis\+cluster:\/\/HOST:PORT/)
    await row('`redis://` to a sentinel', `redis://:${PASSWORD}@127.0.0.1:${sentinels.sentinelPorts[0]}`, /redis\+sentinel:\/\/HOST:26379/)
    await row('`redis://` to a replica', replica?.url ?? '', /primary/)
    await row('`redis+sentinel://` to a server', `redis+sentinel://127.0.0.1:${replica?.port}/${MASTER_NAME}`, /is no sentinel/)
    await row(
      '`redis+sentinel://` with a master that is not watched',
      sentinels.url.replace(`/${MASTER_NAME}?`, '/other?'),
      /SENTINEL MASTERS/,
    )
    await row('`redis+sentinel://` without `sentinel_password`', sentinels.url.replace(/\?.*/, ''), /sentinel_password/)
    await row(
      '`redis+cluster://` to a server by itself',
      `redis+cluster://127.0.0.1:${replica?.port}`,
      /no node of a cluster: write redis:\/\//,
    )
    await row('`redis+cluster://` without the password', withoutUser(cluster.url), /wants a password/)
    const list = { setup: '`redis://HOST,HOST`', result: 'refused at the start, with the two forms', run: 'the configuration' }
    expect(() => parseConfig({ QUEUE_URL: 'redis://a,b' })).toThrow(/QUEUE_URL: names several hosts\. Several sentinels: redis\+sentinel/)
    rows.push(list)
  })

  test.runIf(mayRunValkey())('Valkey', { timeout: 120_000 }, async () => {
    const valkey = await startRedis({ program: 'valkey-server' })
    onTestFinished(() => valkey.stop())
    await takesAndFires(valkey.url)
    expect((await inspectQueue(addressOf(valkey.url)))[0]).toMatchObject({ ok: true, detail: expect.stringMatching(/^Valkey \d/) })
    rows.push({ setup: 'Valkey 8, `redis://HOST`', result: WORKS, run: RUN })
  })

  test.runIf(mayRunValkey())('the table in docs/compatibility.md is what was seen', () => {
    expectMatrix('redis-kinds', [
      ...rows,
      { setup: 'KeyDB, Dragonfly, managed services', result: 'not run: Debian has none of them', run: 'nothing' },
    ])
  })
})

function fail(what: string): never {
  throw new Error(what)
}

function mayRunValkey(): boolean {
  if (redisAvailable('valkey-server')) return true
  const message = 'valkey-server is not installed: its row, and so the table in docs/compatibility.md, needs it'
  if (process.env['CI'] === 'true') throw new Error(`${message}, and with CI=true nothing is skipped.`)
  console.warn(`SKIPPED: ${message}`)
  return false
}

function addressOf(where: string | GivenRedis): QueueAddress {
  return {
    ...(typeof where === 'string' ? { url: where } : { url: 'redis://given', given: where }),
    name: 'dingtalk-delivery',
    prefix: 'bull',
  }
}

let taskNo = 0

/** Doctor finds nothing, a sender's task reaches a worker, and a timer fires. */
async function takesAndFires(where: string | GivenRedis): Promise<void> {
  const address = addressOf(where)
  expect((await inspectQueue(address)).filter(({ remedy }) => remedy !== undefined)).toEqual([])
  const [tracked, polled]: string[][] = [[], []]
  const worker = aWorker(address, {
    track: async ({ taskId }) => void tracked?.push(taskId),
    poll: async ({ taskId }) => {
      polled?.push(taskId)
      return { kind: 'done' }
    },
  })
  const tracker = createTracker(typeof where === 'string' ? { queueUrl: where } : { queue: where })
  try {
    const taskId = String(++taskNo)
    await tracker.track({ taskId })
    await until(() => tracked?.includes(taskId), { what: 'a worker has the task' })
    const timer = { key: { app: 'default', taskId }, deadlineAt: new Date(Date.now() + 3_600_000), poll: { at: new Date(), last: false } }
    await createPollTimers(aQueue(address), () => new Date()).set([timer])
    await until(() => polled?.includes(taskId), { what: 'the timer fires' })
  } finally {
    await tracker.close()
    await worker.close()
  }
}

async function refusedBy(url: string): Promise<{ sender: string; doctor: string }> {
  const tracker = createTracker({ queueUrl: url })
  const begun = performance.now()
  const error = await tracker.track({ taskId: '1' }).then(
    () => fail(`${url} took a task`),
    (reason: unknown) => reason,
  )
  expect(performance.now() - begun).toBeLessThan(SENDER_MS)
  expect(error).toMatchObject({ code: 'QUEUE_UNAVAILABLE' })
  await tracker.close()
  const wrong = (await inspectQueue(addressOf(url))).filter(({ ok }) => !ok)
  expect(wrong).not.toEqual([])
  const sender = error instanceof Error ? error.message : ''
  return {
    // Without what the server said, which has ports and slots.
    sender: sender
      .replace(/^The queue did not do its part \(.*?\)\. /, '')
      .replace(/ (Nothing was taken|It may have been taken nevertheless);.*/, ''),
    doctor: wrong.map(({ detail, remedy }) => `${detail} ${remedy}`).join('\n'),
  }
}

/** A certificate for localhost, by a certificate authority of this test. */
function makeCertificate(folder: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  const [key, subject] = [['-newkey', 'rsa:2048', '-nodes', '-days', '2'], '/CN=localhost'] as const
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test CA')
  openssl(
    'req',
    ...key.slice(0, 3),
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
    '-subj',
    subject,
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
  )
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'server.crt',
    '-days',
    '2',
    '-copy_extensions',
    'copy',
  )
}
