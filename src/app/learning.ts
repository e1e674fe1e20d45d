import { learnLaws } from '../polling/learn-laws.ts'
import type { EventLog, Laws } from '../polling/ports.ts'
import { createLaws } from '../store/laws.ts'
import type { Database } from '../store/prisma.ts'
import { createCalendar } from './calendar.ts'
import type { WorkerConfig } from './config/worker-options.ts'

interface LearningDeps {
  readonly database: Database
  readonly events: Pick<EventLog, 'failed' | 'learned'>
  readonly leaseMs: number
}

export interface Learning {
  readonly laws: Laws
  /** One pass of learning when people read, as a worker does it. Nothing is learned while it rests after a long one. */
  learn(): Promise<unknown>
  /** Ends a pass that is under way, soon. */
  stop(): void
}

export function createLearning(
  { apps, schedule, timeScale }: Pick<WorkerConfig, 'apps' | 'schedule' | 'timeScale'>,
  { database, events, leaseMs }: LearningDeps,
): Learning {
  const store = createLaws(database, { leaseMs, onUnreadable: (app, version) => events.failed(unreadable(app, version)) })
  const stopping = new AbortController()
  const deps = {
    store,
    signal: stopping.signal,
    calendar: createCalendar(schedule.calendar, timeScale),
    apps: apps.map(({ name }) => name),
    events,
  }
  return { laws: store, learn: withRests(() => learnLaws(deps)), stop: () => stopping.abort() }
}

/** After learning it rests so many times as long. With many apps, or in a compressed day, one pass would follow the other and polls would be late. */
const RESTS = 9

function withRests<T>(work: () => Promise<T>): () => Promise<T | null> {
  let restsUntilMs = -Infinity
  return async () => {
    const startedMs = performance.now()
    if (startedMs < restsUntilMs) return null
    try {
      return await work()
    } finally {
      const endedMs = performance.now()
      restsUntilMs = endedMs + RESTS * (endedMs - startedMs)
    }
  }
}

function unreadable(app: string, version: number): Parameters<EventLog['failed']>[0] {
  const error = new Error(
    `version ${version} of app ${app} has another form: another version of the program wrote it, and it is learned anew`,
  )
  return { what: 'reading when people read', error }
}
