import { readFileSync } from 'node:fs'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { createEventMetrics, type EventMetrics, PREFIX } from './metrics/events.ts'
import { type Check, createGaugeMetrics, type Gauges, type ProcessGauges } from './metrics/gauges.ts'

export type { ProcessGauges } from './metrics/gauges.ts'

/** Counts what happens, for Prometheus. Methods never throw. */
export interface Metrics extends EventMetrics {
  /** Asked at each scrape. Where it fails or is late, the page goes without these gauges rather than with old values. */
  onCollect(read: () => Promise<Gauges>): void
  /** Asked at each scrape: the checks of `/readyz`, for alerts. */
  onHealth(read: () => Promise<readonly Check[]>): void
  /** Asked at each scrape: what the process knows without asking anybody. */
  onProcess(read: () => ProcessGauges): void
  /** Asked at each scrape: how many jobs of senders the queue keeps as refused. */
  onRefusedJobs(read: () => Promise<number>): void
  /** The page that Prometheus reads. Never waits longer than the patience. */
  text(): Promise<string>
}

export interface MetricsOptions {
  /** How long a scrape waits for the database, in milliseconds. Default 2,000: Prometheus itself gives up after 10 s. */
  readonly timeoutMs?: number
}

/** Gauges that prom-client names like counters; Prometheus' own checker refuses such names, and each is the sum of a labelled gauge. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

export function createMetrics({ timeoutMs = 2_000 }: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  addBuildInfo(registry)
  const gauges = createGaugeMetrics(registry)
  let readGauges: () => Promise<Gauges | null> = async () => null
  let readHealth: () => Promise<readonly Check[] | null> = async () => null
  let readProcess: () => ProcessGauges | null = () => null
  let readRefused: () => Promise<number | null> = async () => null

  return {
    ...createEventMetrics(registry),
    onCollect(read) {
      readGauges = onceInTime(read, timeoutMs)
    },
    onHealth(read) {
      readHealth = onceInTime(read, timeoutMs)
    },
    onProcess(read) {
      readProcess = read
    },
    onRefusedJobs(read) {
      readRefused = onceInTime(read, timeoutMs)
    },
    async text() {
      const [values, checks, refused] = await Promise.all([readGauges(), readHealth(), readRefused()])
      gauges.setDatabase(values)
      gauges.setHealth(checks)
      gauges.setProcess(readProcess())
      gauges.setRefusedJobs(refused)
      return registry.metrics()
    },
  }
}

/** Null where it fails or takes too long. A run that hangs is not joined by a second one. */
function onceInTime<T>(read: () => Promise<T>, timeoutMs: number): () => Promise<T | null> {
  let running: Promise<T | null> | null = null
  return async () => {
    running ??= read()
      .catch(() => null)
      .finally(() => {
        running = null
      })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), timeoutMs)
    })
    return Promise.race([running, late]).finally(() => clearTimeout(timer))
  }
}

function addBuildInfo(registry: Registry): void {
  const info = new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the label says which version runs.',
    labelNames: ['version'],
    registers: [registry],
  })
  info.set({ version: ownVersion() }, 1)
}

/** The file is beside src/ and dist/ alike. */
function ownVersion(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : 'unknown'
}
