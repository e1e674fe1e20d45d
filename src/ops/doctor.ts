import type { DingTalkApp } from '../dingtalk/app.ts'
import { createDingTalkApi } from '../dingtalk/client.ts'
import type { Proxies } from '../dingtalk/proxy.ts'
import { problemRemedy } from '../domain/messages.ts'
import { toProblem } from '../domain/problems.ts'
import type { Finding } from '../lib/finding.ts'
import { withTimeout } from '../lib/timeout.ts'
import { queueError } from '../queue/errors.ts'
import { inspectQueues, inspectShards } from '../queue/inspect-shards.ts'
import { openQueues, type ShardedAddress } from '../queue/shards.ts'
import type { TaskRef } from '../report/rates.ts'
import { openDatabase } from '../store/prisma.ts'
import { type Budgets, callBudgetFindings } from './checks/budget.ts'
import { warning } from './checks/check.ts'
import { connectionsCheck } from './checks/connections.ts'
import { databaseCheck, namesFinding, partitionsFinding, rightsCheck, schemaCheck } from './checks/database.ts'
import { blindGapsCheck, type Lateness, overdueCheck } from './checks/polls.ts'
import { problemFindings, taskFinding } from './checks/problems.ts'
import { clockFound } from './checks/process.ts'
import { refusedJobsCheck } from './checks/queue.ts'
import { surroundings } from './checks/surroundings.ts'
import { createDatabaseClock } from './clock.ts'

/** What of the configuration is checked. */
interface DoctorConfig {
  readonly databaseUrl: string | null
  readonly databaseConnections: number | null
  readonly queue: ShardedAddress | null
  readonly apps: readonly DingTalkApp[]
  readonly privateHosts: readonly string[]
  readonly proxies?: Proxies
  readonly secretFiles?: Readonly<Record<string, string>>
}

const TIMEOUT_MS = 8_000
const CLOSE_TIMEOUT_MS = 1_000
/** A host or a proxy that says nothing is a finding: it must be known before the time of the whole check is over. */
const HTTP_LIMITS = { headersTimeoutMs: 6_000, bodyTimeoutMs: 6_000, deadlineMs: TIMEOUT_MS }
/** The checks of one run are made at the same time. */
const CONNECTIONS = 6

/**
 * Checks everything that a worker needs. It fetches tokens of DingTalk, which costs no metered call. Never rejects; takes ten seconds at most.
 * @param calls the budgets of the month
 * @param task that is checked too
 * @returns findings; one that is a warning is not ok here
 */
export async function diagnose(config: DoctorConfig, lateness: Lateness, calls: Budgets, task: TaskRef | null = null): Promise<Finding[]> {
  const hasQueue = config.queue !== null || task === null
  const groups = [diagnoseDatabase(config, lateness, calls, task), ...(hasQueue ? [diagnoseQueue(config)] : []), diagnoseApps(config)]
  return [...(await Promise.all(groups)).flat(), ...surroundings(config)].map((finding) => ({
    ...finding,
    ok: finding.ok && finding.warning !== true,
  }))
}

async function diagnoseDatabase(config: DoctorConfig, lateness: Lateness, calls: Budgets, task: TaskRef | null): Promise<Finding[]> {
  const { databaseUrl: url, databaseConnections, queue } = config
  // For one call to DingTalk the credentials are enough.
  if (url === null && task !== null) return [{ name: 'database', ok: true, detail: 'not checked: DATABASE_URL is not set' }]
  if (url === null)
    return [{ name: 'database', ok: false, detail: 'DATABASE_URL is not set', remedy: 'set DATABASE_URL to a postgres:// address' }]
  const database = openDatabase(url, {
    max: CONNECTIONS,
    connectionTimeoutMs: TIMEOUT_MS,
    applicationName: 'dingtalk-delivery doctor',
  })
  const needs = { database, timeoutMs: TIMEOUT_MS }
  const clock = createDatabaseClock(database.pool)
  try {
    const [reached, schema, clockFinding, connections, rights, names, partitions, overdue, blind, ofCalls, problems, ofTask] =
      await Promise.all([
        databaseCheck(needs),
        schemaCheck(needs),
        warning('clock', async () => {
          await withTimeout(TIMEOUT_MS, clock.measure())
          return clockFound(clock.differenceMs() ?? 0)
        }),
        connectionsCheck(needs, { databaseUrl: url, databaseConnections, queue }),
        rightsCheck(needs),
        namesFinding(needs),
        partitionsFinding(needs),
        overdueCheck(needs, lateness),
        blindGapsCheck(needs, lateness),
        callBudgetFindings(needs, calls),
        problemFindings(needs),
        task === null ? null : taskFinding(needs, task),
      ])
    // A database that cannot be reached is one fault, not six. One that is not migrated has no polls.
    if (!reached.ok) return [reached]
    // A role without rights may not read the version of the schema.
    if (!schema.ok) return [reached, schema, clockFinding, connections, ...(rights.ok ? [] : [rights])]
    return [
      reached,
      schema,
      clockFinding,
      connections,
      rights,
      names,
      ...(partitions === null ? [] : [partitions]),
      overdue,
      blind,
      ...ofCalls,
      ...problems,
      ...(ofTask === null ? [] : [ofTask]),
    ]
  } finally {
    await withTimeout(CLOSE_TIMEOUT_MS, database.close()).catch(() => undefined)
  }
}

async function diagnoseQueue({ queue }: DoctorConfig): Promise<Finding[]> {
  if (queue === null)
    return [
      { name: 'queue', ok: false, detail: 'neither QUEUE_URL nor DATABASE_URL is set', remedy: 'set QUEUE_URL, or DATABASE_URL for both' },
    ]
  const findings = await withTimeout(TIMEOUT_MS, inspectQueues(queue)).catch((error: unknown): Finding[] => [
    { name: 'queue', ok: false, detail: String(error), remedy: 'check QUEUE_URL and the server' },
  ])
  return findings.every(({ ok }) => ok) ? [...findings, ...(await diagnoseJobs(queue))] : findings
}

async function diagnoseJobs(address: ShardedAddress): Promise<Finding[]> {
  const queues = openQueues(address, 'producer', () => undefined)
  try {
    const shards = await withTimeout(TIMEOUT_MS, inspectShards(queues)).catch((error: unknown): Finding[] => [
      { name: 'queues', ok: false, detail: queueError(error).message, remedy: 'check QUEUE_URL and the server' },
    ])
    return [...shards, await refusedJobsCheck({ queue: queues.it, timeoutMs: TIMEOUT_MS }, true)]
  } finally {
    await withTimeout(CLOSE_TIMEOUT_MS, queues.close()).catch(() => undefined)
    queues.destroy()
  }
}

async function diagnoseApps({ apps, privateHosts, proxies }: DoctorConfig): Promise<Finding[]> {
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
  const api = createDingTalkApi(new Map(apps.map((app) => [app.name, app])), {
    privateHosts,
    ...(proxies && { proxies }),
    http: HTTP_LIMITS,
  })
  try {
    return await Promise.all(
      apps.map(async (app) => {
        const failure = await api.checkToken(app.name, new AbortController().signal)
        const name = `credentials of "${app.name}"`
        if (failure === null)
          return { name, ok: true, detail: app.credentials.kind === 'fixed' ? 'a fixed token, not checked' : `a token from ${app.apiUrl}` }
        const { code, detail } = toProblem(failure, app.agentId)
        const remedy = problemRemedy({ code, detail: { ...detail } }, 'en')
        return { name, ok: false, detail: `${failure.code} ${failure.message}`.trim(), remedy: `${remedy} The host is ${app.apiUrl}.` }
      }),
    )
  } finally {
    await api.close()
  }
}
