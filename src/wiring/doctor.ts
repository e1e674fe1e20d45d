import type { Config } from '../config.ts'
import { verdictOf } from '../core/classify.ts'
import { createDingTalkApi } from '../dingtalk/client.ts'
import { inspectQueue } from '../queue/inspect.ts'
import { assertSchemaVersion, type Database, openDatabase } from '../store/prisma.ts'
import { rightsOf } from './rights.ts'
import { within } from './within.ts'

/** One thing that is right, or wrong with what to do about it. */
export interface Diagnosis {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy?: string
}

const PATIENCE_MS = 8_000
/** Brackets and deadlines are as good as the clocks: DingTalk's answers are stamped with the worker's. */
const MAX_CLOCK_DIFFERENCE_MS = 2_000

/** Looks at everything a worker needs. Asks DingTalk for tokens only, which costs no metered call. Never rejects. */
export async function diagnose(config: Config): Promise<Diagnosis[]> {
  const [database, queue, apps] = await Promise.all([diagnoseDatabase(config.databaseUrl), diagnoseQueue(config), diagnoseApps(config)])
  return [...database, ...queue, ...apps]
}

async function diagnoseDatabase(url: string | null): Promise<Diagnosis[]> {
  if (url === null)
    return [{ name: 'database', ok: false, detail: 'DATABASE_URL is not set', remedy: 'set DATABASE_URL to a postgres:// address' }]
  const database = openDatabase(url, { max: 1, connectionTimeoutMs: PATIENCE_MS, applicationName: 'dingtalk-delivery doctor' })
  try {
    const reached = await attempt('database', 'check DATABASE_URL and the server', () => serverOf(database))
    if (!reached.ok) return [reached]
    const schema = await attempt('schema', 'see the finding', async () => {
      await assertSchemaVersion(database.prisma)
      return 'up to date'
    })
    return [reached, schema, await rights(database), await clockOf(database)]
  } finally {
    await database.close()
  }
}

async function serverOf(database: Database): Promise<string> {
  const { rows } = await database.pool.query<{ version: string }>("SELECT current_setting('server_version') AS version")
  return `PostgreSQL ${rows[0]?.version}`
}

async function rights(database: Database): Promise<Diagnosis> {
  const { role, lacking } = await rightsOf(database)
  if (lacking === null) return { name: 'rights', ok: true, detail: `the role "${role}" reads and writes the tracker's tables` }
  const remedy = `run deploy/postgres/roles.sql as the owner of the database, then: GRANT delivery_worker TO "${role}"`
  return { name: 'rights', ok: false, detail: `the role "${role}" lacks ${lacking}`, remedy }
}

async function clockOf(database: Database): Promise<Diagnosis> {
  const before = Date.now()
  const { rows } = await database.pool.query<{ now: string }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text AS now')
  const middle = (before + Date.now()) / 2
  const difference = Math.round(Number(rows[0]?.now) - middle)
  const ok = Math.abs(difference) <= MAX_CLOCK_DIFFERENCE_MS
  return {
    name: 'clock',
    ok,
    detail: `${difference} ms from the database's`,
    ...(!ok && { remedy: 'synchronise the clocks of both machines (NTP)' }),
  }
}

async function diagnoseQueue({ queue }: Config): Promise<Diagnosis[]> {
  if (queue === null)
    return [
      { name: 'queue', ok: false, detail: 'neither QUEUE_URL nor DATABASE_URL is set', remedy: 'set QUEUE_URL, or DATABASE_URL for both' },
    ]
  return inspectQueue(queue)
}

async function diagnoseApps({ apps, privateHosts }: Config): Promise<Diagnosis[]> {
  if (apps.length === 0) {
    return [
      {
        name: 'credentials',
        ok: false,
        detail: 'no app is configured',
        remedy: 'set DINGTALK_APP_KEY, DINGTALK_APP_SECRET and DINGTALK_AGENT_ID, or DINGTALK_APPS_FILE',
      },
    ]
  }
  const api = createDingTalkApi(new Map(apps.map((app) => [app.name, app])), { privateHosts })
  try {
    return await Promise.all(
      apps.map(async (app) => {
        const failure = await api.checkToken(app.name, AbortSignal.timeout(PATIENCE_MS))
        const name = `credentials of "${app.name}"`
        if (failure === null)
          return { name, ok: true, detail: app.credentials.kind === 'fixed' ? 'a fixed token, not checked' : `a token from ${app.apiUrl}` }
        const verdict = verdictOf(failure.code, failure.message)
        return {
          name,
          ok: false,
          detail: `${failure.code} ${failure.message}`.trim(),
          remedy: 'remedy' in verdict ? verdict.remedy : `check that ${app.apiUrl} can be reached from here`,
        }
      }),
    )
  } finally {
    await api.close()
  }
}

async function attempt(name: string, remedy: string, work: () => Promise<string>): Promise<Diagnosis> {
  try {
    return { name, ok: true, detail: await within(PATIENCE_MS, work()) }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error), remedy }
  }
}
