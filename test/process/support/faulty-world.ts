import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { createTracker, type TrackInput } from '../../../src/index.ts'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../../src/simulator/simulator.ts'
import { CANARIES } from '../../support/canaries.ts'
import { until } from '../../support/wait.ts'
import { type Backend, makeWorld, type World } from '../../support/world.ts'

export const AGENT_ID = '836390886'
export const POLLS_PER_TASK = 24
/** What a task may cost: its polls, and a quarter of them again for what fails. */
export const MAX_CALLS = 30

/** A row of the public view, as a person would see it. */
export interface TaskRow {
  readonly app: string
  readonly task_id: string
  readonly status: string
  readonly reason_code: string | null
  readonly reason_detail: Record<string, unknown> | null
  readonly problem_code: string | null
  readonly problem_detail: Record<string, unknown> | null
  readonly delay_code: string | null
  readonly sent_at_given: boolean
  readonly sent_at: Date
  readonly deadline_at: Date
  readonly last_observed_at: Date | null
  readonly polls: number
  readonly good_polls: number
  readonly calls: number
}

export interface FaultyWorld extends World {
  readonly simulator: Simulator
  readonly dayMs: number
  sql<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** Tells the tracker of tasks that the simulator has, at one moment. */
  track(...inputs: readonly TrackInput[]): Promise<void>
  /** A task of one person who reads after some hours; the tracker knows it where `input` is not null. */
  send(task: {
    readonly agentId?: string
    readonly appKey?: string
    readonly readAfterHours?: number | null
    readonly sentAt?: Date
  }): string
  row(taskId: string): Promise<TaskRow>
  rows(): Promise<TaskRow[]>
  /** Waits until the tracker's row is as wanted. */
  untilRow(taskId: string, what: string, isSo: (row: TaskRow) => boolean): Promise<TaskRow>
  /** Waits until no task is open. */
  allEnded(): Promise<TaskRow[]>
  calls(taskId: string): number
}

export interface FaultyWorldOptions {
  readonly timeScale: number
  readonly simulator?: SimulatorOptions
  /** More variables for every worker. */
  readonly env?: Readonly<Record<string, string>>
}

type OnTestFinished = (close: () => Promise<void>) => void

/** A world whose DingTalk is the simulator, which can fail in every scope. */
export async function makeFaultyWorld(backend: Backend, options: FaultyWorldOptions, onTestFinished: OnTestFinished): Promise<FaultyWorld> {
  const { timeScale } = options
  const simulator = await startSimulator({
    timeScale,
    callsPerSecond: 1_000,
    monthlyQuota: null,
    apps: [{ appKey: CANARIES.appKey, appSecret: CANARIES.appSecret, agentId: AGENT_ID }],
    ...options.simulator,
  })
  onTestFinished(() => simulator.close())
  const env = { DINGTALK_OAPI_URL: simulator.url, DINGTALK_API_URL: simulator.url, ...options.env }
  const world = await makeWorld(backend, { timeScale, pollsPerTask: POLLS_PER_TASK }, onTestFinished, { env })
  const pool = new pg.Pool({ connectionString: world.databaseUrl, max: 2 })
  pool.on('error', () => undefined)
  onTestFinished(() => pool.end())
  const tracker = createTracker({ databaseUrl: world.databaseUrl })
  onTestFinished(() => tracker.close())
  const dayMs = 86_400_000 / timeScale

  const sql = async <Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await pool.query<Row>(text, [...values])).rows
  const rows = (): Promise<TaskRow[]> => sql<TaskRow & pg.QueryResultRow>('SELECT * FROM delivery_task_rates ORDER BY app, task_id')
  const row = async (taskId: string): Promise<TaskRow> => {
    const found = (await rows()).find((each) => each.task_id === taskId)
    if (found === undefined) throw new Error(`no row of task ${taskId}`)
    return found
  }
  return {
    ...world,
    simulator,
    dayMs,
    sql,
    rows,
    row,
    async track(...inputs) {
      // A machine that is too busy refuses within two seconds; a sender tries again.
      await until(() => tracker.trackMany(inputs).then(() => true), { what: 'tasks are taken' })
    },
    send({ readAfterHours = null, sentAt, ...task }) {
      const person = {
        userId: '0123',
        ...(readAfterHours === null ? { fate: 'never' as const } : { readAfterMs: readAfterHours * 3_600_000 }),
      }
      return simulator.createTask({ ...task, ...(sentAt && { sentAt: sentAt.getTime() }), recipients: [person] }).taskId
    },
    async untilRow(taskId, what, isSo) {
      return until(async () => row(taskId).then((found) => (isSo(found) ? found : null)), { timeoutMs: dayMs + 60_000, what })
    },
    async allEnded() {
      return until(
        async () => rows().then((found) => (found.length > 0 && found.every(({ status }) => status !== 'tracking') ? found : null)),
        {
          ...{ timeoutMs: dayMs + 60_000, everyMs: 200, what: 'all tasks have ended' },
        },
      )
    },
    calls: (taskId) => simulator.taskCalls(taskId).byEndpoint['getsendresult'] ?? 0,
  }
}

/** A file for DINGTALK_APPS_FILE. */
export async function appsFile(apps: ReadonlyArray<Readonly<Record<string, unknown>>>): Promise<string> {
  const path = join(tmpdir(), `apps-${process.pid}-${Math.random().toString(36).slice(2)}.json`)
  await writeFile(path, JSON.stringify({ apps }))
  return path
}
