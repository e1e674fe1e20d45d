import { spawnSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiPageServer, startApiPageServer } from '../support/api-page-server.ts'
import { CANARIES } from '../support/canaries.ts'
import { freePort } from '../support/free-port.ts'
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts'
import { builtFile, type NodeProcess, runCli, startCli } from '../support/process.ts'
import { describeRedis } from '../support/redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'
import { SECRETS_FOLDER, WORKLOADS } from './support/kubernetes.ts'
import { credentialsOf, environmentOf, UNITS } from './support/systemd.ts'

/** The commands of Kubernetes and of systemd as processes: another user, nothing that can be written to, secrets as files that only that user may read. */

interface Supervised {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The folder in which `env` expects the secrets, and their names. */
  readonly secrets: { readonly folder: string; readonly names: readonly string[] }
  readonly graceSeconds: number
}

const CREDENTIALS = '/run/credentials/unit'
const SUPERVISORS: ReadonlyArray<readonly [string, readonly Supervised[]]> = [
  [
    'Kubernetes',
    WORKLOADS.map(({ name, container, env, pod }) => ({
      command: name,
      args: container.args,
      env,
      secrets: { folder: SECRETS_FOLDER, names: namesIn(env, SECRETS_FOLDER) },
      graceSeconds: pod.terminationGracePeriodSeconds,
    })),
  ],
  [
    'systemd',
    UNITS.map((unit) => ({
      command: unit.command,
      args: [unit.command],
      env: environmentOf(unit, '9090', CREDENTIALS),
      secrets: { folder: CREDENTIALS, names: credentialsOf(unit).map(({ name }) => name) },
      graceSeconds: Number(unit.sections['Service']?.['TimeoutStopSec']?.[0] ?? 90),
    })),
  ],
]

function namesIn(env: Readonly<Record<string, string>>, folder: string): string[] {
  return Object.values(env).flatMap((value) => (value.startsWith(`${folder}/`) ? [value.slice(folder.length + 1)] : []))
}

const AGENT_ID = '836390886'
const USER = anotherUser()
/** An hour ago: the polls that were due meanwhile are made as one, at once. */
const SENT_AT = Date.now() - 3_600_000

describeRedis('the commands, as a supervisor starts them', () => {
  let postgres: PostgresServer
  let redis: RedisServer
  let dingtalk: ApiPageServer
  let folder: string
  beforeAll(async () => {
    ;[postgres, redis, dingtalk] = await Promise.all([startPostgresServer(), startRedis({ users: true }), startApiPageServer()])
    folder = await mkdtemp(join(tmpdir(), 'supervised-'))
    await chmod(folder, 0o755)
  }, 120_000)
  afterAll(async () => {
    await Promise.all([postgres?.stop(), redis?.stop(), dingtalk?.close()])
    await rm(folder, { recursive: true, force: true })
  })

  test.each(SUPERVISORS)(
    'of %s: a task is tracked and polled, and everything ends in the time that it is given',
    async (name, supervised) => {
      const owner = await createDatabase(name.toLowerCase())
      const taskId = `2562716675${SUPERVISORS.findIndex(([each]) => each === name)}`
      const people = [
        { userId: 'ann', fate: 'delivered', listedAt: SENT_AT, readAt: SENT_AT },
        { userId: 'bob', fate: 'delivered', listedAt: SENT_AT, readAt: null },
      ] as const
      dingtalk.add({ taskId, agentId: AGENT_ID, sentAt: SENT_AT, windowMs: 86_400_000, people })
      const command = async (which: string) => prepare(which, supervised, owner, name)

      const migrate = await command('migrate')
      for (const expected of [/^database: applied /m, /^database: up to date$/m]) {
        const { code, stdout, stderr } = await runCli(migrate.args, migrate.options)
        expect([code, stdout], stderr).toEqual([0, expect.stringMatching(expected)])
      }
      await giveRights(owner)
      const [worker, serve] = await Promise.all([command('worker'), command('serve')])
      const running = [worker, serve].map(({ args, options }) => startCli(args, options))
      await Promise.all([isReady(worker.url), isReady(serve.url)])

      const answer = await fetch(`${serve.url}/v1/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${CANARIES.apiToken}` },
        body: JSON.stringify({ taskId, userIds: ['ann', 'bob'], sentAt: new Date(SENT_AT) }),
      })
      expect(answer.status).toBe(202)
      await until(
        async () => (await ask(owner, `SELECT FROM delivery_task_rates WHERE task_id = '${taskId}' AND read = 1 AND unread = 1`)) === 1,
        {
          what: 'the task is polled',
          timeoutMs: 60_000,
        },
      )
      for (const [i, child] of running.entries()) await endsInTime(child, [worker, serve][i]?.graceSeconds ?? 0)
    },
  )

  describe('a secret that is not there', () => {
    test.each(SUPERVISORS)('stops every command of %s, which names the variable and the file', async (name, supervised) => {
      for (const { args, env, secrets } of supervised) {
        const [missing = ''] = secrets.names
        const { code, stderr } = await runCli(args, { env, ...USER })
        const variable = Object.entries(env).find(([, value]) => value === `${secrets.folder}/${missing}`)?.[0]
        expect([code, stderr], name).toEqual([1, expect.stringContaining(`${variable}`)])
        expect(stderr).toContain(`${secrets.folder}/${missing}`)
      }
    })
  })

  async function createDatabase(name: string): Promise<string> {
    await ask(postgres.url, `CREATE DATABASE ${name}`)
    await ask(postgres.url, `ALTER DATABASE ${name} SET search_path = dingtalk, public`)
    const url = new URL(postgres.url)
    url.pathname = `/${name}`
    await giveRights(url.href)
    return url.href
  }

  /** Free ports take the place of those of the files, and the servers of this test that of the examples. */
  async function prepare(which: string, supervised: readonly Supervised[], owner: string, supervisor: string) {
    const found = supervised.find(({ command }) => command === which)
    if (found === undefined) throw new Error(`there is no ${which}`)
    const values: Readonly<Record<string, string>> = {
      'database-url': urlAs(which === 'migrate' || which === 'serve' ? which : 'worker', owner),
      'queue-url': redis.url,
      'app-key': CANARIES.appKey,
      'app-secret': CANARIES.appSecret,
      'api-token': CANARIES.apiToken,
    }
    const mounted = join(folder, supervisor, which)
    const empty = join(folder, supervisor, 'empty')
    await mkdir(mounted, { recursive: true })
    await mkdir(empty, { recursive: true, mode: 0o555 })
    for (const secret of found.secrets.names) {
      const file = join(mounted, secret)
      // With a line end, as an editor leaves it.
      await writeFile(file, `${values[secret]}\n`, { mode: 0o400 })
      if (USER !== null) await chown(file, USER.uid, USER.gid)
    }
    const port = String(await freePort())
    const env = Object.entries({
      ...found.env,
      ...{ DINGTALK_AGENT_ID: AGENT_ID, DINGTALK_OAPI_URL: dingtalk.url, DINGTALK_API_URL: dingtalk.url },
      ...{ PORT: port, HEALTH_PORT: port, HOME: '/nonexistent' },
    }).map(([variable, value]): [string, string] => [variable, value.replace(found.secrets.folder, mounted)])
    return {
      args: found.args,
      options: { env: Object.fromEntries(env), cwd: empty, ...USER },
      url: `http://127.0.0.1:${port}`,
      graceSeconds: found.graceSeconds,
    }
  }
})

async function endsInTime(child: NodeProcess, graceSeconds: number): Promise<void> {
  const begin = performance.now()
  child.kill('SIGTERM')
  expect(await child.exit).toEqual({ code: 0, signal: null })
  expect(performance.now() - begin).toBeLessThan(graceSeconds * 1_000)
}

async function isReady(url: string): Promise<void> {
  const answer = async () => {
    const response = await fetch(`${url}/readyz`)
    if (!response.ok) throw new Error(await response.text())
    return true
  }
  await until(answer, { what: `${url} is ready`, timeoutMs: 120_000 })
}

/** @returns how many rows there are */
async function ask(url: string, sql: string): Promise<number | null> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rowCount
  } finally {
    await client.end()
  }
}

/** As root, the user of the image, where this checkout is open to it. Anybody else has no other user to be. */
function anotherUser(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const user = { uid: 1000, gid: 1000 }
  return spawnSync(process.execPath, [builtFile('cli/main.js'), '--version'], { ...user, cwd: '/' }).status === 0 ? user : null
}
