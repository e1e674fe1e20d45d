import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { VARIABLES } from '../../app/config/config.ts'
import { createTracker } from '../../index.ts'
import type { RateReader } from '../../report/rates.ts'
import type { Simulator } from '../../simulator/simulator.ts'
import { assertGuarded } from '../../web/exposure.ts'
import type { Context } from '../context.ts'
import { shellQuoted } from '../figures.ts'
import { campaignTable } from '../report.ts'
import { openServer, openWorker, runService, type Service } from '../service.ts'
import { plainText, renderTable } from '../text/table.ts'
import { type Comparison, compareWithTruth, isPerfect } from './compare.ts'
import { createProgress } from './progress.ts'
import { demoNotifications, demoPeople } from './scenario.ts'
import { type Sender, type Sent, sendAll } from './send.ts'

/** A day in a minute. */
const TIME_SCALE = 1_440
/** When the day begins: whatever the hour is, people are at work, and a night follows. */
const CLOCK_START = 'Tue 10:00'
/** Windows, final polls and a slow machine: after this the demo has failed. */
const TIMEOUT_MS = 120_000
const REFRESH_MS = 250
/** The variables of the environment that the demo uses. */
const KEPT = new Set<string>([
  'HOST',
  'PORT',
  'API_TOKEN',
  'ALLOWED_HOSTS',
  'BASE_PATH',
  'TRUSTED_PROXIES',
  'AUTH_HEADER',
  'AUTH_HEADER_ROLE',
  'HEALTH_PORT',
  'LOG_LEVEL',
  'LOG_PRETTY',
  'SHUTDOWN_GRACE_SECONDS',
])
/** Free ports, and a log of errors only. */
const DEFAULTS = { PORT: '0', HEALTH_PORT: '0', LOG_LEVEL: 'error' }

/** The whole demo. @param exit end with the day instead of staying up */
export async function demo(context: Context, exit: boolean): Promise<number> {
  const settings = context.config(demoSettings(context))
  assertGuarded(settings.host, settings.apiToken ?? settings.authHeader)
  return runService(context, settings, (service) => runDemo(context, service, exit))
}

async function runDemo(context: Context, service: Service, exit: boolean): Promise<number | undefined> {
  context.note('Starting a PostgreSQL, a simulated DingTalk and a worker…')
  const { simulator, sender } = await openSimulator(service)
  const databaseUrl = await openDatabase(service)
  const config = context.config(demoSettings(context, databaseUrl, sender))
  const { migrateAll, openReads } = await import('../../app/operations.ts')
  await migrateAll(config)
  await storeNames(databaseUrl)
  let dashboard = ''
  const { health } = await openWorker(config, service, async (shared) => {
    const { url } = await openServer(config, service, shared)
    dashboard = `${url}/`
    context.note(`Watch it live: ${dashboard}`)
  })
  const { reader, close } = openReads(databaseUrl)
  service.closers.add('reads', close)

  const sent = await sendAll(sender, demoNotifications())
  await trackAll(databaseUrl, sent)
  context.note(`Sent and tracking ${sent.length} work notifications. A day takes a minute here.`)
  await follow(context, reader, service)
  if (!(await showResult(context, reader, simulator, sent)))
    throw new Error('the tracked states differ from the truth of the simulator, see ✗ above. LOG_LEVEL=info shows what the worker did.')
  if (exit) return 0
  const campaign = shellQuoted(sent[0]?.campaign ?? '')
  context.note(`
Still up until Ctrl-C:
  dashboard  ${dashboard}
  health     ${health.url}/readyz
  metrics    ${health.url}/metrics
  simulator  ${simulator.url}

The other commands, in another terminal:
  export DATABASE_URL=${databaseUrl}
  npx dingtalk-delivery report
  npx dingtalk-delivery report --campaign ${campaign}
  npx dingtalk-delivery unread --campaign ${campaign}`)
  return undefined
}

/** The demo has its own database, queue and app, whatever the environment has, so it cannot change a real installation. */
function demoSettings(context: Context, databaseUrl: string | null = null, sender: Sender | null = null): Record<string, string | null> {
  return {
    ...Object.fromEntries(VARIABLES.filter(({ name }) => !KEPT.has(name)).map(({ name }) => [name, null])),
    DATABASE_URL: databaseUrl,
    DINGTALK_OAPI_URL: sender?.url ?? null,
    DINGTALK_API_URL: sender?.url ?? null,
    DINGTALK_APP_KEY: sender?.appKey ?? null,
    DINGTALK_APP_SECRET: sender?.appSecret ?? null,
    DINGTALK_AGENT_ID: sender?.agentId ?? null,
    // A minute has the final polls of a whole day, all within its last half second.
    MAX_CALLS_PER_SECOND: '200',
    TIME_SCALE: String(TIME_SCALE),
    CLOCK_START: sender?.clockStart ?? null,
    ...Object.fromEntries(Object.entries(DEFAULTS).filter(([name]) => !context.has(name))),
  }
}

async function openSimulator({ closers }: Service): Promise<{ simulator: Simulator; sender: Sender }> {
  const { startSimulator } = await import('../../simulator/simulator.ts')
  const app = { appKey: 'demo-app-key', appSecret: 'demo-app-secret', agentId: '836390886' }
  const simulator = await startSimulator({
    ...{ timeScale: TIME_SCALE, seed: 11, callsPerSecond: 400, apps: [app] },
    ...{ attention: 'office', clockStart: CLOCK_START },
  })
  closers.add('simulator', () => simulator.close())
  return { simulator, sender: { url: simulator.url, clockStart: simulator.clockStart, ...app } }
}

async function openDatabase({ closers, log }: Service): Promise<string> {
  const { startEmbeddedPostgres } = await import('../../embedded/postgres.ts')
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-demo-'))
  closers.add('demo directory', () => rm(directory, { recursive: true, force: true }))
  const database = await startEmbeddedPostgres({ directory, durable: false, onLog: (line) => log.debug({ line }, 'embedded PostgreSQL') })
  closers.add('embedded PostgreSQL', () => database.close())
  return database.url
}

async function storeNames(databaseUrl: string): Promise<void> {
  const { withPeople } = await import('../../app/people.ts')
  await withPeople(databaseUrl, 'default', (directory) => directory.write(demoPeople(), {}))
}

async function trackAll(databaseUrl: string, sent: readonly Sent[]): Promise<void> {
  const tracker = createTracker({ databaseUrl })
  try {
    await tracker.trackMany(
      sent.map(({ taskId, campaign, sentAt, userIds, recipientsKnown }) => ({
        taskId,
        campaign,
        sentAt,
        ...(recipientsKnown && { userIds }),
      })),
    )
  } finally {
    await tracker.close()
  }
}

/** Shows the progress until every task has ended. */
async function follow(context: Context, reader: RateReader, { closers }: Service): Promise<void> {
  const progress = createProgress(context, TIME_SCALE)
  closers.add('progress display', () => progress.close())
  const begin = performance.now()
  try {
    for (;;) {
      const { items: campaigns } = await reader.campaigns({})
      const elapsedMs = performance.now() - begin
      progress.show(elapsedMs, campaigns)
      if (campaigns.every(({ openTasks }) => openTasks === 0)) return
      if (elapsedMs > TIMEOUT_MS)
        throw new Error(`not every task had ended after ${TIMEOUT_MS / 1_000} s. LOG_LEVEL=info shows what happened.`)
      await sleep(REFRESH_MS)
    }
  } finally {
    progress.close()
  }
}

/** Prints the tracked figures, and the comparison with the simulator's truth. */
async function showResult(context: Context, reader: RateReader, simulator: Simulator, sent: readonly Sent[]): Promise<boolean> {
  const { items } = await reader.campaigns({})
  const table = await campaignTable(reader, items, context.now())
  context.print(`\n${table(context)}`)
  const comparisons = await compareWithTruth(reader, simulator, sent)
  context.print(`\n${comparisonTable(comparisons.toReversed(), context)}`)
  return comparisons.every(isPerfect)
}

function comparisonTable(comparisons: readonly Comparison[], { colors }: Context): string {
  return renderTable<Comparison>(
    [
      { title: "Against the simulator's truth", show: ({ campaign }) => plainText(campaign) },
      { title: 'States right', align: 'right', show: ({ agree, people }) => `${agree} of ${people}` },
      { title: 'Read times in their bracket', align: 'right', show: ({ bracketed, readers }) => `${bracketed} of ${readers}` },
      { title: '', show: (comparison) => (isPerfect(comparison) ? colors.green('✓') : colors.red('✗')) },
    ],
    comparisons,
    colors,
  )
}
