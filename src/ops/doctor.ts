import type { Config, QueueConfig } from '../app/config/config.ts'
import { workerTiming } from '../app/settings.ts'
import { createDingTalkApi } from '../dingtalk/client.ts'
import { problemRemedy } from '../domain/messages.ts'
import { problemOf } from '../domain/problems.ts'
import type { Finding } from '../lib/finding.ts'
import { withTimeout } from '../lib/timeout.ts'
import { openQueue } from '../queue/connection.ts'
import { inspectQueue } from '../queue/inspect.ts'
import type { TaskRef } from '../report/rates.ts'
import { openDatabase } from '../store/prisma.ts'
import { blindGapsCheck, overdueCheck } from './checks/blind-gaps.ts'
import { advisory } from './checks/check.ts'
import { databaseCheck, rightsCheck, schemaCheck } from './checks/database.ts'
import { problemFindings, taskFinding } from './checks/problems.ts'
import { clockFound } from './checks/process.ts'
import { refusedJobsCheck } from './checks/queue.ts'
import { createDatabaseClock } from './clock.ts'

/** One thing that is right, or wrong with what to do about it. A warning is wrong too, but the work goes on. */
export type Diagnosis = Finding

const PATIENCE_MS = 8_000
const CLOSE_MS = 1_000
/** The questions of one run are asked side by side. */
const CONNECTIONS = 6

/** checks everything a worker needs. Asks DingTalk for tokens only, which costs no metered call. Never rejects; takes ten seconds at most. @param task to be looked at besides */
export async function diagnose(config: Config, task: TaskRef | null = null): Promise<Diagnosis[]> {
  const [database, queue, apps] = await Promise.all([diagnoseDatabase(config, task), diagnoseQueue(config), diagnoseApps(config)])
  return [...database, ...queue, ...apps].map((finding) => ({ ...finding, ok: finding.ok && finding.warning !== true }))
}

async function diagnoseDatabase(config: Config, task: TaskRef | null): Promise<Finding[]> {
  const { databaseUrl: url } = config
  if (url === null)
    return [{ name: 'database', ok: false, detail: 'DATABASE_URL is not set', remedy: 'set DATABASE_URL to a postgres:// address' }]
  const database = openDatabase(url, {
    max: CONNECTIONS,
    connectionTimeoutMs: PATIENCE_MS,
    applicationName: 'dingtalk-delivery doctor',
  })
  const asked = { database, timeoutMs: PATIENCE_MS }
  const pace = workerTiming(config)
  const clock = createDatabaseClock(database.pool)
  try {
    const [reached, schema, clockFinding, rights, overdue, blind, problems, ofTask] = await Promise.all([
      databaseCheck(asked),
      schemaCheck(asked),
      advisory('clock', async () => {
        await withTimeout(PATIENCE_MS, clock.measure())
        return clockFound(clock.differenceMs() ?? 0)
      }),
      rightsCheck(asked),
      overdueCheck(asked, pace),
      blindGapsCheck(asked, pace),
      problemFindings(asked),
      task === null ? null : taskFinding(asked, task),
    ])
    // What cannot be reached has one fault, and not six; what is not migrated has no polls.
    if (!reached.ok) return [reached]
    // A role without rights may not even see of which version the schema is.
    if (!schema.ok) return [reached, schema, clockFinding, ...(rights.ok ? [] : [rights])]
    return [reached, schema, clockFinding, rights, overdue, blind, ...problems, ...(ofTask === null ? [] : [ofTask])]
  } finally {
    await withTimeout(CLOSE_MS, database.close()).catch(() => undefined)
  }
}

async function diagnoseQueue({ queue }: Config): Promise<Finding[]> {
  if (queue === null)
    return [
      { name: 'queue', ok: false, detail: 'neither QUEUE_URL nor DATABASE_URL is set', remedy: 'set QUEUE_URL, or DATABASE_URL for both' },
    ]
  const findings = await withTimeout(PATIENCE_MS, inspectQueue(queue)).catch((error: unknown): Finding[] => [
    { name: 'queue', ok: false, detail: String(error), remedy: 'check QUEUE_URL and the server' },
  ])
  return findings.every(({ ok }) => ok) ? [...findings, await diagnoseRefused(queue)] : findings
}

async function diagnoseRefused(address: QueueConfig): Promise<Finding> {
  const queue = openQueue(address, 'producer', () => undefined)
  try {
    return await refusedJobsCheck({ queue: queue.it, timeoutMs: PATIENCE_MS }, true)
  } finally {
    await withTimeout(CLOSE_MS, queue.close()).catch(() => undefined)
    queue.leave()
  }
}

async function diagnoseApps({ apps, privateHosts }: Config): Promise<Finding[]> {
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
        const { code, detail } = problemOf({ ...failure, requestId: null }, app.agentId)
        const remedy = problemRemedy({ code, detail: { ...detail } }, 'en')
        return { name, ok: false, detail: `${failure.code} ${failure.message}`.trim(), remedy: `${remedy} The host is ${app.apiUrl}.` }
      }),
    )
  } finally {
    await api.close()
  }
}
