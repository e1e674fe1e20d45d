import { createDingTalkApi } from '../dingtalk/client.ts'
import { TrackerError } from '../domain/errors.ts'
import type { Finding } from '../lib/finding.ts'
import { scrubText } from '../lib/redact.ts'
import { withTimeout } from '../lib/timeout.ts'
import { withDatabaseTimeout } from '../ops/checks/check.ts'
import { BUSY_REMEDY, type Probed, probeFinding, unprobed } from '../ops/checks/probe.ts'
import { createPermits } from '../polling/permits.ts'
import { type ProbeDeps, probe } from '../polling/probe.ts'
import type { TaskRates } from '../report/rates.ts'
import type { CallClock } from '../store/call-clock.ts'
import { type Database, openDatabase } from '../store/prisma.ts'
import { createRateLimiter } from '../store/rate-limiter.ts'
import { createRateReader } from '../store/rate-reader.ts'
import { createCallClock } from './calendar.ts'
import type { AppConfig, Config } from './config/config.ts'

export interface TaskToProbe {
  readonly taskId: string
  /** Undefined: the app under which it is tracked, else the only one, else `default`. */
  readonly app: string | undefined
  /** Undefined: that of the tracked task, else that of its app. */
  readonly agentId: string | undefined
}

type ProbeConfig = Pick<Config, 'databaseUrl' | 'apps' | 'privateHosts' | 'proxies' | 'schedule' | 'timeScale'>

/** Of one query, and of the wait for a permit. */
const TIMEOUT_MS = 8_000

/**
 * Makes one real call of getsendresult for a task, tracked or not, and says whether permission, agent id and task fit. Only the counters of the
 * rate and the budget change. Without a database the call is made and not counted. Never rejects.
 */
export async function probeTask(config: ProbeConfig, task: TaskToProbe): Promise<Finding> {
  const database =
    config.databaseUrl === null
      ? null
      : openDatabase(config.databaseUrl, { max: 2, connectionTimeoutMs: TIMEOUT_MS, applicationName: 'dingtalk-delivery doctor' })
  try {
    return await probeWith(config, task, database)
  } catch (error) {
    if (error instanceof TrackerError && error.code === 'SEVERAL_APPS') return unprobed(task, error.message, 'Say which one with --app.')
    const isTimeout = error instanceof Error && error.name === 'TimeoutError'
    if (isTimeout) return unprobed(task, `no call of the app was free within ${TIMEOUT_MS / 1_000} s.`, BUSY_REMEDY)
    const message = scrubText(error instanceof Error ? error.message : String(error))
    return unprobed(task, `it could not be counted. ${message}`, 'Repair what the checks of the database say, then try again.')
  } finally {
    if (database !== null) await withTimeout(1_000, database.close()).catch(() => undefined)
  }
}

async function probeWith(config: ProbeConfig, task: TaskToProbe, database: Database | null): Promise<Finding> {
  const tracked = database === null ? null : await findTracked(database, task)
  const app = chooseApp(config.apps, task.app ?? tracked?.app)
  if (typeof app === 'string') return unprobed(task, app, NO_APP_REMEDY)
  const agentId = task.agentId ?? tracked?.agentId ?? app.agentId
  const { privateHosts, proxies } = config
  const api = createDingTalkApi(new Map([[app.name, app]]), { privateHosts, ...(proxies && { proxies }) })
  try {
    const deps: ProbeDeps = {
      api,
      counting: database === null ? null : countIn(database, app, createCallClock(config.schedule.calendar, config.timeScale)),
    }
    const result = await probe(deps, { app: app.name, taskId: task.taskId, agentId }, AbortSignal.timeout(TIMEOUT_MS))
    const probed: Probed = { taskId: task.taskId, app: app.name, agentId, deadlineAt: tracked?.deadlineAt ?? null, now: new Date() }
    return probeFinding(probed, result)
  } finally {
    await api.close()
  }
}

export const NO_APP_REMEDY = 'Set DINGTALK_APP_KEY and DINGTALK_APP_SECRET, or name an app of DINGTALK_APPS_FILE with --app.'

/** @returns what is wrong, where there is none */
export function chooseApp(apps: readonly AppConfig[], name: string | undefined): AppConfig | string {
  if (apps.length === 0) return 'no app is configured.'
  const only = apps.length === 1 ? apps[0] : apps.find((app) => app.name === 'default')
  const names = apps.map((app) => `"${app.name}"`).join(', ')
  if (name === undefined) return only ?? `several apps are configured: ${names}.`
  return apps.find((app) => app.name === name) ?? `no app "${name}" is configured, only ${names}.`
}

/** Null: it is not tracked. */
async function findTracked(database: Database, { taskId, app }: TaskToProbe): Promise<TaskRates | null> {
  try {
    return await withDatabaseTimeout(TIMEOUT_MS, createRateReader(database).task({ taskId, app }))
  } catch (error) {
    if (error instanceof TrackerError && error.code === 'TASK_NOT_FOUND') return null
    throw error
  }
}

function countIn(
  database: Database,
  { callsPerSecond, monthlyCallBudget }: AppConfig,
  callClock: CallClock | null,
): NonNullable<ProbeDeps['counting']> {
  // The probe that is due of a paused app stays the workers': its result here would change nothing.
  const limiter = createRateLimiter(database, { probeLeaseMs: 0, callClock })
  const limitsOf = () => ({ callsPerSecond, monthlyBudget: monthlyCallBudget })
  // A call that could not be given back counts, which errs on the safe side.
  return { limiter, permits: createPermits({ limiter, limitsOf, now: () => new Date(), maxWaiting: 1, onRefundFailed: () => undefined }) }
}
