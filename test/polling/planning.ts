import { HOUR_MS } from '../../src/domain/delivery.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { Calendar, Law } from '../../src/domain/schedule/types.ts'
import type { CallOutlook, CallOutlooks } from '../../src/polling/call-outlook.ts'
import type { Laws, UnscheduledTask } from '../../src/polling/ports.ts'
import { keyOf, SENT } from './support.ts'

let lastId = 0

/** A task of unnamed recipients that is sent now. */
export function aNewTask(columns: Partial<UnscheduledTask> = {}): UnscheduledTask {
  lastId++
  return {
    ...{ key: keyOf(`new${lastId}`), campaign: null, sentAt: SENT, sentAtGiven: true, people: 0 },
    ...{ pollOffsetsMs: null, admitted: true, resumed: false },
    ...columns,
  }
}

const DAY_MS = 24 * HOUR_MS

/** Local time is UTC; Saturdays and Sundays are free. 1970-01-01 was a Thursday. */
export const calendar: Calendar = {
  localAt: (at) => at.getTime(),
  isFreeDay: (day) => [0, 6].includes((day + 4) % 7),
}

export const settings = {
  pollsPerTask: null,
  targetWidthMs: null,
  reportAgesMs: [HOUR_MS, 4 * HOUR_MS],
  maxGap: { ms: 6 * HOUR_MS, isHard: false },
}

/** A law that can be replaced, and how often it was read. */
export function someLaws(law: Law | null = PRIOR_LAW) {
  const laws = { law, version: 1, reads: 0 }
  const port: Laws = {
    async latest() {
      laws.reads++
      if (laws.law === null) return null
      return { law: laws.law, version: laws.version, tasks: 50, people: 2_500, lastSentAt: SENT, learnedAt: SENT }
    },
  }
  return Object.assign(laws, port)
}

/** An app in the middle of its month, without history. */
export function anOutlook(columns: Partial<CallOutlook> = {}): CallOutlook {
  const month = { startsAt: new Date(SENT.getTime() - 15 * DAY_MS), endsAt: new Date(SENT.getTime() + 15 * DAY_MS) }
  return { month, used: 0, finalPolls: 0, open: { tasks: 0, sample: [] }, waiting: 1, isOld: false, sent: [], recent: [], ...columns }
}

/** An outlook that can be replaced, and what was asked. */
export function someOutlooks(columns: Partial<CallOutlook> = {}) {
  const asked: Array<Parameters<CallOutlooks['read']>[1]> = []
  const outlooks = { outlook: anOutlook(columns), asked, recentReads: 0 }
  const port: CallOutlooks = {
    async read(_, question) {
      outlooks.asked.push(question)
      return outlooks.outlook
    },
    async recentTasks() {
      outlooks.recentReads++
      return outlooks.outlook.recent
    },
  }
  return Object.assign(outlooks, port)
}
