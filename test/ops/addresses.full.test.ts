import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { migrateAll } from '../../src/app/operations.ts'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createRates } from '../../src/rates.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createWorker } from '../../src/worker.ts'
import { describeOpenSsl, makeCa, type TestCa } from '../support/certificates.ts'
import { type Cluster, PASSWORD, startCluster } from '../support/cluster.ts'
import { freePort } from '../support/free-port.ts'
import { expectMatrix, type MatrixRow } from '../support/matrix.ts'
import { execute } from '../support/postgres.ts'
import { until } from '../support/wait.ts'
import { diagnose } from './support.ts'

const RUN = 'migrate, worker, createTracker by database and by queue, createRates, doctor'
const HBA = [
  'local all all scram-sha-256',
  'hostssl all tlsonly all scram-sha-256',
  'hostssl all certified all cert',
  'host all tlsonly,certified all reject',
  'host all all all scram-sha-256',
]

/** What the servers of the matrix have. `{secure}` and the like in an address stand for host and port. */
interface Servers {
  readonly secure: Cluster
  readonly plain: Cluster
  readonly expired: Cluster
  readonly standby: Cluster
}

/** Without a result: it works, with or without TLS. */
interface Case {
  readonly setup: string
  readonly url: string
  readonly result: RegExp | 'with TLS' | 'without TLS'
  readonly by?: string
}

const at = (query: string, server = '{secure}'): string => `postgres://postgres:{password}@localhost:${server}/postgres${query}`

const CASES: readonly Case[] = [
  { setup: 'no sslmode, a server with TLS', url: at(''), result: 'with TLS' },
  { setup: 'no sslmode, a server without TLS', url: at('', '{plain}'), result: 'without TLS' },
  { setup: 'sslmode=disable', url: at('?sslmode=disable'), result: 'without TLS' },
  { setup: 'sslmode=allow', url: at('?sslmode=allow'), result: 'without TLS' },
  { setup: 'sslmode=allow, a role that needs TLS', url: at('?sslmode=allow').replace('postgres:{p', 'tlsonly:{p'), result: 'with TLS' },
  { setup: 'sslmode=prefer', url: at('?sslmode=prefer'), result: 'with TLS' },
  { setup: 'sslmode=prefer, a server without TLS', url: at('?sslmode=prefer', '{plain}'), result: 'without TLS' },
  { setup: 'sslmode=require, a CA that is not known', url: at('?sslmode=require'), result: 'with TLS' },
  { setup: 'sslmode=require, a server without TLS', url: at('?sslmode=require', '{plain}'), result: /has no TLS: turn it on there/ },
  {
    setup: 'sslmode=disable, a role that needs TLS',
    url: at('?sslmode=disable').replace('postgres:{p', 'tlsonly:{p'),
    result: /rejects connection.*give sslmode=require/,
  },
  { setup: 'sslmode=require with sslrootcert', url: at('?sslmode=require&sslrootcert={ca}'), result: 'with TLS' },
  {
    setup: 'sslmode=require with the sslrootcert of another CA',
    url: at('?sslmode=require&sslrootcert={other}'),
    result: /CA that is not known here/,
  },
  { setup: 'sslmode=verify-ca with sslrootcert', url: at('?sslmode=verify-ca&sslrootcert={ca}'), result: 'with TLS' },
  {
    setup: 'sslmode=verify-ca, another name',
    url: at('?sslmode=verify-ca&sslrootcert={ca}').replace('localhost', '127.0.0.1'),
    result: 'with TLS',
  },
  { setup: 'sslmode=verify-full with sslrootcert', url: at('?sslmode=verify-full&sslrootcert={ca}'), result: 'with TLS' },
  {
    setup: 'sslmode=verify-full, another name',
    url: at('?sslmode=verify-full&sslrootcert={ca}').replace('localhost', '127.0.0.1'),
    result: /is for another host/,
  },
  { setup: 'sslmode=verify-full, a CA that is not known', url: at('?sslmode=verify-full'), result: /sslrootcert=.*NODE_EXTRA_CA_CERTS/ },
  {
    setup: 'sslmode=verify-full, a certificate that has expired',
    url: at('?sslmode=verify-full&sslrootcert={ca}', '{expired}'),
    result: /has expired/,
  },
  { setup: 'sslrootcert=system, a CA that the system lacks', url: at('?sslrootcert=system'), result: /CA that is not known here/ },
  {
    setup: 'sslrootcert of a missing file',
    url: at('?sslmode=verify-full&sslrootcert=/no/such/ca.pem'),
    result: /cannot be read \(ENOENT\)/,
  },
  {
    setup: 'sslcert and sslkey, a role that needs them',
    url: 'postgres://certified@localhost:{secure}/postgres?sslmode=require&sslcert={cert}&sslkey={key}',
    result: 'with TLS',
  },
  { setup: 'channel_binding=require', url: at('?sslmode=require&channel_binding=require'), result: 'with TLS' },
  { setup: 'channel_binding=require without TLS', url: at('?channel_binding=require', '{plain}'), result: /channel binding/ },
  { setup: 'a socket, host=', url: 'postgres://postgres:{password}@/postgres?host={socket}&port={plain}', result: 'without TLS' },
  { setup: 'a socket, encoded host', url: 'postgres://postgres:{password}@{socket%}:{plain}/postgres', result: 'without TLS' },
  {
    setup: 'a socket, Prisma’s form',
    url: 'postgres://postgres:{password}@localhost/postgres?host={socket}&port={plain}&schema=public',
    result: 'without TLS',
  },
  { setup: 'a socket that is not there', url: 'postgres:///postgres?host=/no/such/place&user=postgres', result: /there is no socket/ },
  {
    setup: 'user, password and dbname as parameters',
    url: 'postgres://localhost:{plain}?user=postgres&password={password}&dbname=postgres',
    result: 'without TLS',
  },
  {
    setup: 'the first of two hosts is away',
    url: 'postgres://postgres:{password}@localhost:{closed},localhost:{plain}/postgres',
    result: 'without TLS',
  },
  {
    setup: 'both hosts are away',
    url: 'postgres://postgres:{password}@localhost:{closed},127.0.0.1:{closed}/postgres',
    result: /nothing listens at localhost.*nothing listens at 127/,
  },
  {
    setup: 'two hosts, target_session_attrs=primary, a standby first',
    url: at('?target_session_attrs=primary', '{standby},localhost:{plain}'),
    result: 'without TLS',
  },
  {
    setup: 'two hosts, target_session_attrs=read-write, a standby first',
    url: at('?target_session_attrs=read-write', '{standby},localhost:{plain}'),
    result: 'without TLS',
  },
  {
    setup: 'two hosts, load_balance_hosts=random, read-write',
    url: at('?target_session_attrs=read-write&load_balance_hosts=random', '{standby},localhost:{plain}'),
    result: 'without TLS',
  },
  {
    setup: 'only a standby, target_session_attrs=primary',
    url: at('?target_session_attrs=primary', '{standby}'),
    result: /no server fits target_session_attrs=primary: .* is a standby/,
  },
  {
    setup: 'a host name that does not exist',
    url: 'postgres://postgres:{password}@no-such-host.invalid/postgres',
    result: /host name no-such-host\.invalid is not found/,
  },
  { setup: 'nothing listens', url: at('', '{closed}'), result: /nothing listens at localhost/ },
  {
    setup: 'a wrong password',
    url: 'postgres://postgres:wrong@localhost:{plain}/postgres',
    result: /password authentication failed.*check user and password/,
  },
  { setup: 'no password', url: 'postgres://postgres@localhost:{plain}/postgres', result: /asks for a password/ },
  {
    setup: 'a database that does not exist',
    url: 'postgres://postgres:{password}@localhost:{plain}/nowhere',
    result: /"nowhere" does not exist.*create it/,
  },
  {
    setup: 'connection_limit, pool_timeout, pgbouncer, connect_timeout of Prisma',
    url: at('?connection_limit=2&pool_timeout=10&pgbouncer=true&connect_timeout=10', '{plain}'),
    result: 'without TLS',
  },
  { setup: 'options=-c lock_timeout=5s', url: at('?options=-c%20lock_timeout%3D5s', '{plain}'), result: 'without TLS' },
  { setup: 'a parameter that is not known', url: at('?sslmod=require'), result: /"sslmod", which is not known/ },
]

describeOpenSsl('addresses of PostgreSQL', () => {
  let ca: TestCa
  let other: TestCa
  let servers: Servers | undefined
  let values: Readonly<Record<string, string>>
  const warnings: string[] = []
  const onWarning = (warning: Error): void => void warnings.push(String(warning))

  beforeAll(async () => {
    process.on('warning', onWarning)
    ca = makeCa()
    other = makeCa()
    const secureBy = (pair: { readonly cert: string; readonly key: string }) => ({
      hba: HBA,
      files: { 'server.pem': pair.cert, 'server.key': pair.key, 'ca.pem': ca.cert },
      settings: { ssl: 'on', ssl_cert_file: '{dir}/server.pem', ssl_key_file: '{dir}/server.key', ssl_ca_file: '{dir}/ca.pem' },
    })
    const [secure, expired, plain] = await Promise.all([
      startCluster(secureBy(ca.issue('DNS:localhost'))),
      startCluster(secureBy(ca.issue('DNS:localhost', -1))),
      startCluster(),
    ])
    await execute(
      `${secure.url}?sslmode=disable`,
      `CREATE ROLE tlsonly LOGIN SUPERUSER PASSWORD '${PASSWORD}'`,
      'CREATE ROLE certified LOGIN SUPERUSER',
    )
    const primary = await startCluster()
    await primary.halt()
    const standby = await startCluster({ standbyOf: primary, settings: { hot_standby: 'on' } })
    await primary.stop()
    servers = { secure, plain, expired, standby }
    const client = ca.issue('DNS:client', 30, 'certified')
    writeFileSync(join(ca.directory, 'client.pem'), client.cert)
    writeFileSync(join(ca.directory, 'client.key'), client.key, { mode: 0o600 })
    values = {
      ...Object.fromEntries(Object.entries(servers).map(([name, { port }]) => [name, String(port)])),
      ...{ closed: String(await freePort()), password: PASSWORD, socket: plain.sockets, 'socket%': encodeURIComponent(plain.sockets) },
      ...{ ca: join(ca.directory, 'ca.pem'), other: join(other.directory, 'ca.pem') },
      ...{ cert: join(ca.directory, 'client.pem'), key: join(ca.directory, 'client.key') },
    }
    for (const { url } of [secure, plain]) await migrateAll(configOf(url))
  }, 240_000)

  afterAll(async () => {
    process.off('warning', onWarning)
    for (const server of servers === undefined ? [] : Object.values<Cluster>({ ...servers })) await server.stop()
    ca.remove()
    other.remove()
  })

  const fill = (url: string): string => url.replaceAll(/\{([a-z%]+)\}/g, (_, name: string) => values[name] ?? name)

  /** Without what differs from run to run. */
  const steady = (text: string): string =>
    Object.entries(values)
      .filter(([name]) => name !== 'password')
      .toSorted(([, a], [, b]) => b.length - a.length)
      .reduce((shown, [name, value]) => shown.replaceAll(value, `{${name}}`), text.replace('EAI_AGAIN', 'ENOTFOUND'))

  test('each works with everything that connects, or fails with one line that has the cause and the remedy', async () => {
    const rows: MatrixRow[] = []
    for (const [i, { setup, url, result, by }] of CASES.entries()) {
      const filled = fill(url)
      const [seen, shown] = result instanceof RegExp ? await refusal(filled) : await use(filled, String(1_000 + i))
      if (result instanceof RegExp) expect(shown, setup).toMatch(result)
      else expect(shown, setup).toBe(`works, ${result}`)
      expect(shown, setup).not.toContain('\n')
      rows.push({ setup: `${setup}: \`${showUrl(url)}\``, result: steady(shown), run: by ?? seen })
    }
    expect(warnings).toEqual([])
    expectMatrix('database-addresses', rows)
  }, 600_000)

  const showUrl = (url: string): string => url.replace('{password}', '…').replaceAll('localhost:{', 'localhost:{')

  /** @returns what was run, and that it works */
  async function use(url: string, taskId: string): Promise<readonly [string, string]> {
    await migrateAll(configOf(url))
    const worker = createWorker({ databaseUrl: url, apps: [APP], logger: silent() })
    onTestFinished(() => worker.close())
    await worker.ready
    for (const options of [{ databaseUrl: url }, { queueUrl: url }]) {
      const tracker = createTracker(options)
      onTestFinished(() => tracker.close())
      // On a busy machine two seconds may pass; tracking again is safe.
      await until(() => tracker.track({ taskId, agentId: '1', userIds: ['ann'] }), { what: 'the task is taken' })
    }
    const rates = createRates({ databaseUrl: url })
    onTestFinished(() => rates.close())
    expect(await rates.task(taskId)).toMatchObject({ targeted: 1 })
    const found = await diagnose(parseConfig({ DATABASE_URL: url }))
    for (const name of ['database', 'schema', 'queue', 'connections'])
      expect(found.find((finding) => finding.name === name)?.ok, name).toBe(true)
    const isEncrypted = await usesTls(url)
    await Promise.all([worker.close(), rates.close()])
    return [RUN, `works, ${isEncrypted ? 'with TLS' : 'without TLS'}`]
  }

  async function usesTls(url: string): Promise<boolean> {
    const database = openDatabase(url)
    try {
      const { rows } = await database.pool.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
      return rows[0]?.ssl === true
    } finally {
      await database.close()
    }
  }

  /** @returns what was run, and the cause that all of them say */
  async function refusal(url: string): Promise<readonly [string, string]> {
    const failures = {
      migrate: () => migrateAll(configOf(url)),
      'createTracker by database': () => once(createTracker, { databaseUrl: url }),
      'createTracker by queue': () => once(createTracker, { queueUrl: url }),
      createRates: async () => {
        const rates = createRates({ databaseUrl: url })
        onTestFinished(() => rates.close())
        await rates.task('1')
      },
      doctor: async () => {
        const [database] = await diagnose(parseConfig({ DATABASE_URL: url }))
        throw new Error(database?.detail ?? 'nothing')
      },
    }
    const said = new Map<string, string>()
    for (const [name, work] of Object.entries(failures)) {
      const error: unknown = await work().then(
        () => new Error(`${name} did not fail`),
        (caught: unknown) => caught,
      )
      said.set(name, error instanceof Error ? error.message : String(error))
    }
    const message = said.get('migrate') ?? ''
    const cause =
      (/(?:cannot be used: |address of the database |DATABASE_URL: )(.*?)\.?$/s.exec(message)?.[1] ?? message).split(': give')[0] ?? ''
    for (const [name, text] of said)
      expect(text.replaceAll('QUEUE_URL', 'DATABASE_URL'), `${name} for ${url}`).toContain(cause.slice(0, 60))
    return [[...said.keys()].join(', '), message]
  }
})

async function once(create: typeof createTracker, options: Parameters<typeof createTracker>[0]): Promise<void> {
  const tracker = create(options)
  onTestFinished(() => tracker.close())
  await tracker.track({ taskId: '1', agentId: '1' })
}

function configOf(url: string) {
  return {
    databaseUrl: url,
    queue: { url, backend: 'postgres', name: 'dingtalk-delivery', prefix: 'bull', schema: 'bullmq', connections: null },
  } as const
}

const silent = () => createLogger({ level: 'silent', pretty: false })

/** No server of it is ever called: no task is due before the end of the test. */
const APP = {
  credentials: { kind: 'fixed', accessToken: 'token' },
  agentId: '1',
  oapiUrl: 'http://127.0.0.1:9',
  apiUrl: 'http://127.0.0.1:9',
} as const
