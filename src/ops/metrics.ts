import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { packageVersion } from '../lib/package-version.ts'
import { singleFlight } from '../lib/single-flight.ts'
import { withTimeout } from '../lib/timeout.ts'
import { createEventMetrics, type EventMetrics, PREFIX } from './metrics/events.ts'
import { type Check, createGaugeMetrics, type Gauges, type ProcessGauges } from './metrics/gauges.ts'

export type { ProcessGauges } from './metrics/gauges.ts'

/** The metrics of one process, for Prometheus. Methods never throw. */
export interface Metrics extends EventMetrics {
  /** Read at each scrape. Where that fails or takes too long, the page leaves these gauges out instead of showing old values. */
  onCollect(read: () => Promise<Gauges>): void
  /** Read at each scrape: the checks of `/readyz`, for alerts. */
  onHealth(read: () => Promise<readonly Check[]>): void
  /** Read at each scrape, from the process itself. */
  onProcess(read: () => ProcessGauges): void
  /** Read at each scrape: how many refused jobs of senders the queue keeps. */
  onRefusedJobs(read: () => Promise<number>): void
  /** The page that Prometheus reads, within `timeoutMs`. */
  text(): Promise<string>
}

export interface MetricsOptions {
  /** How long a scrape waits for the database, in milliseconds. Default 2,000: Prometheus itself gives up after 10 s. */
  readonly timeoutMs?: number
}

/** Gauges that prom-client names like counters. Prometheus' own checker refuses such names, and each is the sum of a labelled gauge. */
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
      readGauges = orNull(read, timeoutMs)
    },
    onHealth(read) {
      readHealth = orNull(read, timeoutMs)
    },
    onProcess(read) {
      readProcess = read
    },
    onRefusedJobs(read) {
      readRefused = orNull(read, timeoutMs)
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

/** Null where it fails or takes too long. A second call joins a run that hangs. */
function orNull<T>(read: () => Promise<T>, timeoutMs: number): () => Promise<T | null> {
  const single = singleFlight(read)
  return () => withTimeout(timeoutMs, single()).catch(() => null)
}

function addBuildInfo(registry: Registry): void {
  const info = new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the label says which version runs.',
    labelNames: ['version'],
    registers: [registry],
  })
  info.set({ version: packageVersion() }, 1)
}
