import { type QuotaState, SlidingSecond } from './limits.ts'
import { type Endpoint, isTokenEndpoint } from './request.ts'

export interface AppStats {
  /** Without token calls, which are exempt from every limit. */
  readonly calls: number
  /** Of these, how many were counted for the monthly quota. */
  readonly metered: number
  /** The most calls in any sliding second, as they arrived here. */
  readonly maxCallsInOneSecond: number
  readonly maxCallsInOneSecondByEndpoint: Readonly<Record<string, number>>
}

export interface CodeStats {
  readonly calls: number
  /** By effective code; `fault:KIND` where a fault left no code. */
  readonly byCode: Readonly<Record<string, number>>
}

export interface SimulatorStats {
  readonly calls: number
  /** Of these, how many were counted for a monthly quota: neither token calls nor what the rate limit or the quota refused. */
  readonly metered: number
  readonly byEndpoint: Readonly<Record<string, CodeStats>>
  readonly byApp: Readonly<Record<string, AppStats>>
  /** By agent id, `none` for calls without one; token calls have none and are not here. */
  readonly byAgent: Readonly<Record<string, CodeStats>>
  /** By the name in the base URL `…/via/NAME`, token calls too. */
  readonly byVia: Readonly<Record<string, CodeStats>>
  /** By effective code, over all endpoints. */
  readonly byCode: Readonly<Record<string, number>>
  /** How many calls each kind of fault has struck. */
  readonly faults: Readonly<Record<string, number>>
  /** Of the first app's organisation. */
  readonly monthlyQuota: QuotaState
  /** Clients that followed a redirect fault. None should. */
  readonly redirectsFollowed: number
}

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

/** The names come from clients: beyond a thousand of them, the others are counted as `other`. */
const MAX_NAMES = 1_000
const MAX_NAME = 100

/** Counts by name. */
class Counts<V> {
  readonly #values = new Map<string, V>()
  readonly #create: () => V

  constructor(create: () => V) {
    this.#create = create
  }

  at(wanted: string): V {
    const short = wanted.slice(0, MAX_NAME)
    const name = this.#values.has(short) || this.#values.size < MAX_NAMES ? short : 'other'
    const value = this.#values.get(name) ?? this.#create()
    this.#values.set(name, value)
    return value
  }

  read<R>(map: (value: V) => R): Record<string, R> {
    return Object.fromEntries([...this.#values].map(([name, value]) => [name, map(value)]))
  }
}

interface Tally {
  calls: number
}

const newTallies = (): Counts<Tally> => new Counts(() => ({ calls: 0 }))
const readTallies = (tallies: Counts<Tally>): Record<string, number> => tallies.read(({ calls }) => calls)

interface CodeCounter extends Tally {
  readonly byCode: Counts<Tally>
}

const newCodeCounters = (): Counts<CodeCounter> => new Counts(() => ({ calls: 0, byCode: newTallies() }))
const readCodeCounters = (counters: Counts<CodeCounter>): Record<string, CodeStats> =>
  counters.read(({ calls, byCode }) => ({ calls, byCode: readTallies(byCode) }))

interface AppCounter extends Tally {
  metered: number
  readonly all: SlidingSecond
  readonly byEndpoint: Counts<SlidingSecond>
}

/** A call as it arrives. */
export interface ArrivedCall {
  readonly endpoint: Endpoint
  readonly taskId: string | undefined
  readonly agentId: string | undefined
  /** Epoch ms. */
  readonly at: number
  readonly appKey: string | undefined
  readonly via: string | undefined
}

/** Completes the count of a call. */
export interface CountedCall {
  /** Called once, with the effective code. */
  answered(code: string): void
  /** Called at most once, when the monthly quota counts the call. */
  metered(): void
}

export type CallCounter = ReturnType<typeof createCallCounter>

/** Counts the calls and their answers, also the calls that the world never saw. prom-client has no lists of polls and no bound for names. */
export function createCallCounter() {
  const total = { calls: 0, metered: 0, redirectsFollowed: 0 }
  const tasks = createTaskCallBook()
  const [byEndpoint, byAgent, byVia] = [newCodeCounters(), newCodeCounters(), newCodeCounters()]
  const [byCode, faults] = [newTallies(), newTallies()]
  // Not bounded: only the apps of the simulator are here.
  const byApp = new Map<string, AppCounter>()

  function listCounters({ endpoint, agentId, via }: ArrivedCall): CodeCounter[] {
    const counters = [byEndpoint.at(endpoint)]
    if (!isTokenEndpoint(endpoint)) counters.push(byAgent.at(agentId ?? 'none'))
    if (via !== undefined) counters.push(byVia.at(via))
    return counters
  }

  return {
    tasks,
    arrived(call: ArrivedCall): CountedCall {
      total.calls += 1
      const task = tasks.arrived(call)
      const counters = listCounters(call)
      for (const counter of counters) counter.calls += 1
      const app = countApp(byApp, call)
      return {
        answered(code) {
          task.answered(code)
          byCode.at(code).calls += 1
          for (const counter of counters) counter.byCode.at(code).calls += 1
        },
        metered() {
          total.metered += 1
          task.metered()
          if (app !== undefined) app.metered += 1
        },
      }
    },
    struck(kind: string): void {
      faults.at(kind).calls += 1
    },
    redirectFollowed(): void {
      total.redirectsFollowed += 1
    },
    snapshot: (monthlyQuota: QuotaState): SimulatorStats => ({
      ...total,
      byEndpoint: readCodeCounters(byEndpoint),
      byApp: Object.fromEntries([...byApp].map(([name, counter]) => [name, appStats(counter)])),
      byAgent: readCodeCounters(byAgent),
      byVia: readCodeCounters(byVia),
      byCode: readTallies(byCode),
      faults: readTallies(faults),
      monthlyQuota,
    }),
  }
}

function countApp(byApp: Map<string, AppCounter>, { appKey, endpoint, at }: ArrivedCall): AppCounter | undefined {
  if (appKey === undefined || isTokenEndpoint(endpoint)) return undefined
  const newApp = () => ({ calls: 0, metered: 0, all: new SlidingSecond(), byEndpoint: new Counts(() => new SlidingSecond()) })
  const app = byApp.get(appKey) ?? newApp()
  byApp.set(appKey, app)
  app.calls += 1
  app.all.add(at)
  app.byEndpoint.at(endpoint).add(at)
  return app
}

function appStats({ calls, metered, all, byEndpoint }: AppCounter): AppStats {
  return { calls, metered, maxCallsInOneSecond: all.max, maxCallsInOneSecondByEndpoint: byEndpoint.read(({ max }) => max) }
}

interface KeptPoll {
  readonly at: number
  readonly agentId: string | undefined
  code: string | null
}

interface TaskCounter extends Tally {
  metered: number
  readonly byEndpoint: Counts<Tally>
  readonly byAgent: Counts<Tally>
  readonly byCode: Counts<Tally>
  readonly polls: KeptPoll[]
  pollsNotKept: number
}

/** Bounds the memory of a simulator that runs for long: 10,000 tasks of 100 polls are kept whole. */
const LIMITS = { maxTasks: 100_000, maxPolls: 1_000_000 }

/** Counts by task. Beyond the limits, new tasks and polls are counted in total only. */
export function createTaskCallBook({ maxTasks, maxPolls } = LIMITS) {
  const tasks = new Map<string, TaskCounter>()
  let kept = 0

  function findOrAddCounter(taskId: string | undefined): TaskCounter | undefined {
    // A client may write any text as a task id; a longer one is none.
    if (taskId === undefined || taskId.length > 20) return undefined
    const known = tasks.get(taskId)
    if (known !== undefined || tasks.size >= maxTasks) return known
    const counter = newTaskCounter()
    tasks.set(taskId, counter)
    return counter
  }

  function keep(counter: TaskCounter, poll: KeptPoll): KeptPoll | undefined {
    if (kept >= maxPolls) {
      counter.pollsNotKept += 1
      return undefined
    }
    kept += 1
    counter.polls.push(poll)
    return poll
  }

  return {
    arrived({ endpoint, taskId, agentId, at }: Pick<ArrivedCall, 'endpoint' | 'taskId' | 'agentId' | 'at'>): CountedCall {
      const counter = findOrAddCounter(taskId)
      if (counter === undefined) return NOT_KEPT
      counter.calls += 1
      counter.byEndpoint.at(endpoint).calls += 1
      counter.byAgent.at(agentId ?? 'none').calls += 1
      const poll = endpoint === 'getsendresult' ? keep(counter, { at, agentId, code: null }) : undefined
      return {
        answered(code) {
          counter.byCode.at(code).calls += 1
          if (poll !== undefined) poll.code = code
        },
        metered() {
          counter.metered += 1
        },
      }
    },
    find: (taskId: string): TaskCalls => readTask(taskId, tasks.get(taskId) ?? newTaskCounter()),
    list: (): TaskCalls[] => [...tasks].map(([taskId, counter]) => readTask(taskId, counter)),
  }
}

const NOT_KEPT: CountedCall = { answered: () => {}, metered: () => {} }

function newTaskCounter(): TaskCounter {
  return { calls: 0, metered: 0, byEndpoint: newTallies(), byAgent: newTallies(), byCode: newTallies(), polls: [], pollsNotKept: 0 }
}

function readTask(taskId: string, { calls, metered, byEndpoint, byAgent, byCode, polls, pollsNotKept }: TaskCounter): TaskCalls {
  return {
    ...{ taskId, calls, metered, pollsNotKept },
    byEndpoint: readTallies(byEndpoint),
    byAgent: readTallies(byAgent),
    byCode: readTallies(byCode),
    polls: polls.map(({ at, agentId, code }) => ({ at: new Date(at), agentId: agentId ?? null, code })),
  }
}
