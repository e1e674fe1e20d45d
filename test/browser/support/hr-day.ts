import { compareWithTruth, isPerfect } from '../../../src/cli/demo/compare.ts'
import { type Sent, sendAll } from '../../../src/cli/demo/send.ts'
import { createTracker } from '../../../src/index.ts'
import { type Simulator, startSimulator } from '../../../src/simulator/simulator.ts'
import { openDatabase } from '../../../src/store/prisma.ts'
import { createRateReader } from '../../../src/store/rate-reader.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { startCli } from '../../support/process.ts'
import { until } from '../../support/wait.ts'
import { countedIn, type StaffMember } from './staff.ts'

const APP = { appKey: 'hr-day-app-key', appSecret: 'hr-day-app-secret', agentId: '836390886' }
/** A day in a minute and a half. */
const TIME_SCALE = 960

export interface HrDay {
  readonly databaseUrl: string
  readonly simulator: Simulator
  /** Of the dashboard, served by a process. */
  readonly url: string
  /** The environment of commands. */
  readonly env: Readonly<Record<string, string>>
  /** One message to all, in tasks of 100 recipients, tracked as a sender does it. */
  send(campaign: string, staff: readonly StaffMember[]): Promise<readonly Sent[]>
  /** Waits for the end of the simulated day. */
  allEnded(campaign: string): Promise<void>
}

/** A database, a simulated DingTalk, a worker and the dashboard, as processes; closed with the test. */
export async function beginHrDay(onTestFinished: (close: () => Promise<void>) => void): Promise<HrDay> {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const simulator = await startSimulator({ timeScale: TIME_SCALE, seed: 14, callsPerSecond: 400, keepAnswers: true, apps: [APP] })
  onTestFinished(() => simulator.close())
  const env = {
    DATABASE_URL: database.url,
    DINGTALK_OAPI_URL: simulator.url,
    DINGTALK_API_URL: simulator.url,
    DINGTALK_APP_KEY: APP.appKey,
    DINGTALK_APP_SECRET: APP.appSecret,
    DINGTALK_AGENT_ID: APP.agentId,
    MAX_CALLS_PER_SECOND: '200',
    TIME_SCALE: String(TIME_SCALE),
    DATABASE_CONNECTIONS: '6',
    QUEUE_CONNECTIONS: '6',
    TZ: 'Asia/Shanghai',
  }
  const migrated = startCli(['migrate'], { env, onTestFinished })
  const { code } = await migrated.exit
  if (code !== 0) throw new Error(`migrate failed: ${migrated.stderr()}`)
  const worker = startCli(['worker'], { env: { ...env, HEALTH_PORT: '0' }, onTestFinished })
  const server = startCli(['serve'], { env: { ...env, PORT: '0' }, onTestFinished })
  await worker.waitForLine(/worker ready/, 60_000)
  const line = await server.waitForLine(/^Dashboard: /, 60_000)
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? ''
  const open = openDatabase(database.url)
  onTestFinished(() => open.close())
  const reader = createRateReader(open)
  return {
    ...{ databaseUrl: database.url, simulator, url, env },
    async send(campaign, staff) {
      const notifications = inTasks(staff).map((members) => ({
        ...{ campaign, text: '请在周五前完成年度体检预约。', recipientsKnown: true },
        userIds: members.map(({ userId }) => userId),
      }))
      const sent = await sendAll({ url: simulator.url, ...APP }, notifications)
      const tracker = createTracker({ databaseUrl: database.url })
      try {
        await tracker.trackMany(sent.map(({ taskId, sentAt, userIds }) => ({ taskId, sentAt, userIds, campaign })))
      } finally {
        await tracker.close()
      }
      return sent
    },
    async allEnded(campaign) {
      await until(async () => (await reader.campaign({ campaign })).openTasks === 0, {
        what: 'the simulated day is over',
        timeoutMs: 600_000,
      })
    },
  }
}

function inTasks(staff: readonly StaffMember[]): StaffMember[][] {
  return Array.from({ length: Math.ceil(staff.length / 100) }, (_, i) => staff.slice(i * 100, (i + 1) * 100))
}

/** What the simulator knows, as of the final poll of each task: the figures that every page and file must have. */
export interface Truth {
  readonly unread: ReadonlySet<string>
  readonly read: ReadonlySet<string>
  readonly delivered: number
  /** By department, in each of which a person counts once. */
  readonly departments: ReadonlyMap<string, { readonly targeted: number; readonly read: number; readonly unread: number }>
}

/**
 * Holds every stored state against the simulator's truth, and sums up the truth.
 * @throws where a stored state or bracket is not true
 */
export async function readTruth(
  { databaseUrl, simulator }: Pick<HrDay, 'databaseUrl' | 'simulator'>,
  sent: readonly Sent[],
  staff: readonly StaffMember[],
): Promise<Truth> {
  const open = openDatabase(databaseUrl)
  try {
    const reader = createRateReader(open)
    const comparisons = await compareWithTruth(reader, simulator, sent)
    const wrong = comparisons.filter((comparison) => !isPerfect(comparison))
    if (wrong.length > 0) throw new Error(`not true: ${JSON.stringify(wrong)}`)
    return sumUp(simulator, sent, staff)
  } finally {
    await open.close()
  }
}

function sumUp(simulator: Simulator, sent: readonly Sent[], staff: readonly StaffMember[]): Truth {
  const [read, unread] = [new Set<string>(), new Set<string>()]
  for (const { taskId } of sent) {
    // The moment of the answer decides, which lies between the request and what is stored of it.
    const at = simulator.answers(taskId).at(-1)?.at.getTime() ?? 0
    for (const { userId, fate, readAt } of simulator.truth(taskId)?.recipients ?? [])
      if (fate === 'read' || fate === 'never') (readAt !== null && readAt.getTime() <= at ? read : unread).add(userId)
  }
  return { read, unread, delivered: read.size + unread.size, departments: countDepartments(staff, { read, unread }) }
}

function countDepartments(staff: readonly StaffMember[], { read, unread }: Pick<Truth, 'read' | 'unread'>): Truth['departments'] {
  const departments = new Map<string, { targeted: number; read: number; unread: number }>()
  for (const member of staff) {
    for (const department of countedIn(member)) {
      const counts = departments.get(department) ?? { targeted: 0, read: 0, unread: 0 }
      counts.targeted += 1
      counts.read += read.has(member.userId) ? 1 : 0
      counts.unread += unread.has(member.userId) ? 1 : 0
      departments.set(department, counts)
    }
  }
  return departments
}
