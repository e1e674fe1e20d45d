import { parseConfig } from '../../src/app/config/config.ts'
import { openServerDeps } from '../../src/app/server-deps.ts'
import { createTracker, TrackerError, type TrackerErrorCode, type TrackInput } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { createMetrics } from '../../src/ops/metrics.ts'
import type { QueueAddress } from '../../src/queue/connection.ts'
import { startPollWorker } from '../../src/queue/worker.ts'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { startHttpServer } from '../../src/web/server.ts'
import type { Finished } from './support.ts'

/** Sending code at one of the ways to enqueue. */
export interface Sender {
  /** Rejects with a {@link TrackerError} at every door. */
  track(inputs: readonly TrackInput[]): Promise<unknown>
  close(): Promise<unknown>
}

export interface Door {
  readonly server: 'redis' | 'postgres'
  readonly unavailable: TrackerErrorCode
  open(url: string): Promise<Sender> | Sender
}

const library = (server: Door['server'], option: 'queueUrl' | 'databaseUrl'): Door => ({
  server,
  unavailable: option === 'queueUrl' ? 'QUEUE_UNAVAILABLE' : 'DATABASE_UNAVAILABLE',
  open(url) {
    const tracker = createTracker({ [option]: url })
    return {
      track: (inputs) => (inputs.length === 1 && inputs[0] !== undefined ? tracker.track(inputs[0]) : tracker.trackMany(inputs)),
      close: () => tracker.close(),
    }
  },
})

export const DOORS = {
  'library, queue on Redis': library('redis', 'queueUrl'),
  'library, queue on PostgreSQL': library('postgres', 'queueUrl'),
  'library, database': library('postgres', 'databaseUrl'),
  'POST /v1/tasks': { server: 'postgres', unavailable: 'DATABASE_UNAVAILABLE', open: openApi },
} as const satisfies Readonly<Record<string, Door>>

export type DoorName = keyof typeof DOORS

/** The server as `serve` puts it together; `start` does it with the same parts. */
async function openApi(databaseUrl: string): Promise<Sender> {
  const log = createLogger({ level: 'silent', pretty: false, destination: { write: () => undefined } })
  const { schedule } = parseConfig({})
  const { rates, schedules, forecast, tracking, forecastCalls, health, close } = openServerDeps(
    { databaseUrl, databaseConnections: null, apps: [], monthlyCallBudget: null, pollsPerTask: 24, timeScale: 1, schedule },
    log,
    null,
  )
  const server = await startHttpServer({
    ...{ host: '127.0.0.1', port: 0, apiToken: null, allowedHosts: [], pollsPerTask: 24, version: '1.2.3' },
    ...{ rates, schedules, forecast, tracking, forecastCalls, checks: health },
    now: () => new Date(),
    metrics: () => createMetrics().text(),
  })
  return {
    track: (inputs) => Promise.all(inputs.map((input) => post(`${server.url}/v1/tasks`, input))),
    async close() {
      await server.close()
      await close()
    },
  }
}

async function post(url: string, input: TrackInput): Promise<void> {
  const body = JSON.stringify(input)
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const answer = (await response.json()) as { readonly error: { readonly code: TrackerErrorCode; readonly message: string } }
  if (response.status === 202) return
  if (response.status !== 503 || response.headers.get('retry-after') === null)
    throw new Error(`${response.status} ${JSON.stringify(answer)}`)
  throw new TrackerError(answer.error.code, answer.error.message)
}

/** What of a worker takes tasks out of a queue and stores them. */
export function aTaker(databaseUrl: string, address: QueueAddress, finished: Finished): void {
  const database = openDatabase(databaseUrl)
  const store = createDeliveryStore(database)
  const worker = startPollWorker({
    address,
    concurrency: 20,
    lockMs: 10_000,
    poll: async () => ({ kind: 'done' }),
    track: async (request) => void (await store.track([request])),
    now: () => new Date(),
    events: { failed: () => undefined, lock: () => undefined },
  })
  finished(async () => {
    await worker.close()
    await database.close()
  })
}
