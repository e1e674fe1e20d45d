import type { Endpoint } from './request.ts'

/** The calls that named one task, as they arrived. */
export interface TaskCalls {
  readonly taskId: string
  readonly calls: number
  /** Of these, how many were counted for the monthly quota. */
  readonly metered: number
  readonly byEndpoint: Readonly<Record<string, number>>
  /** By agent id; `none` for calls without one. */
  readonly byAgent: Readonly<Record<string, number>>
  readonly byCode: Readonly<Record<string, number>>
  /** Every getsendresult call, in the order of arrival. */
  readonly polls: readonly TaskPoll[]
  /** Calls of getsendresult that are counted above, but no longer kept one by one. */
  readonly pollsNotKept: number
}

export interface TaskPoll {
  readonly at: Date
  readonly agentId: string | null
  /** The effective code, `fault:KIND` where a fault left none, null while there is no answer yet. */
  readonly code: string | null
}

/** What is to be remembered of a call; the code follows with the answer. */
export interface CallNote {
  readonly endpoint: Endpoint
  readonly taskId: string | undefined
  readonly agentId: string | undefined
  /** Epoch ms. */
  readonly at: number
}

interface KeptPoll {
  readonly at: number
  readonly agentId: string | undefined
  code: string | null
}

interface Counts {
  calls: number
  metered: number
  readonly byEndpoint: Map<string, number>
  readonly byAgent: Map<string, number>
  readonly byCode: Map<string, number>
  readonly polls: KeptPoll[]
  pollsNotKept: number
}

/** A long-lived simulator does not grow for ever: 10,000 tasks of 100 polls are kept whole. */
const LIMITS = { maxTasks: 100_000, maxPolls: 1_000_000 }
const MAX_NAMES = 1_000
const MAX_NAME = 100

/** Counts by task. Beyond the limits of memory, new tasks and polls are counted in total only. */
export class TaskCallBook {
  readonly #tasks = new Map<string, Counts>()
  #polls = 0
  readonly #limits: typeof LIMITS

  constructor(limits = LIMITS) {
    this.#limits = limits
  }

  /** @returns what to call with the answer, and once more if the quota counted the call */
  arrived({ endpoint, taskId, agentId, at }: CallNote): CallProgress {
    const counts = this.#counts(taskId)
    if (counts === undefined) return NOT_KEPT
    counts.calls += 1
    increment(counts.byEndpoint, endpoint)
    increment(counts.byAgent, agentId ?? 'none')
    const poll = endpoint === 'getsendresult' ? this.#keep(counts, { at, agentId, code: null }) : undefined
    return {
      answered: (code) => {
        increment(counts.byCode, code)
        if (poll !== undefined) poll.code = code
      },
      metered: () => {
        counts.metered += 1
      },
    }
  }

  find(taskId: string): TaskCalls {
    return snapshot(taskId, this.#tasks.get(taskId) ?? noCounts())
  }

  list(): TaskCalls[] {
    return [...this.#tasks].map(([taskId, counts]) => snapshot(taskId, counts))
  }

  #counts(taskId: string | undefined): Counts | undefined {
    // A task id is whatever a client wrote; what cannot be one is no task.
    if (taskId === undefined || taskId.length > 20) return undefined
    const known = this.#tasks.get(taskId)
    if (known !== undefined || this.#tasks.size >= this.#limits.maxTasks) return known
    const fresh = noCounts()
    this.#tasks.set(taskId, fresh)
    return fresh
  }

  #keep(counts: Counts, poll: KeptPoll): KeptPoll | undefined {
    if (this.#polls >= this.#limits.maxPolls) {
      counts.pollsNotKept += 1
      return undefined
    }
    this.#polls += 1
    counts.polls.push(poll)
    return poll
  }
}

export interface CallProgress {
  readonly answered: (code: string) => void
  readonly metered: () => void
}

const NOT_KEPT: CallProgress = { answered: () => {}, metered: () => {} }

/** Names come from clients: beyond a thousand of them, the others are counted as `other`. */
export function boundedName(known: ReadonlyMap<string, unknown>, wanted: string): string {
  const name = wanted.slice(0, MAX_NAME)
  return known.has(name) || known.size < MAX_NAMES ? name : 'other'
}

export function increment(counts: Map<string, number>, key: string): void {
  const name = boundedName(counts, key)
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function noCounts(): Counts {
  return { calls: 0, metered: 0, byEndpoint: new Map(), byAgent: new Map(), byCode: new Map(), polls: [], pollsNotKept: 0 }
}

function snapshot(taskId: string, { calls, metered, byEndpoint, byAgent, byCode, polls, pollsNotKept }: Counts): TaskCalls {
  return {
    taskId,
    calls,
    metered,
    byEndpoint: Object.fromEntries(byEndpoint),
    byAgent: Object.fromEntries(byAgent),
    byCode: Object.fromEntries(byCode),
    polls: polls.map(({ at, agentId, code }) => ({ at: new Date(at), agentId: agentId ?? null, code })),
    pollsNotKept,
  }
}
