import { type QuotaState, SlidingSecond } from './limits.ts'
import { type Endpoint, isTokenEndpoint } from './request.ts'
import { boundedName, type CallNote, increment, TaskCallBook } from './task-calls.ts'

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

interface AppCounter {
  readonly all: SlidingSecond
  readonly byEndpoint: Map<Endpoint, SlidingSecond>
  calls: number
  metered: number
}

interface CodeCounter {
  calls: number
  readonly byCode: Map<string, number>
}

/** A call as it arrives. */
export interface ArrivedCall extends CallNote {
  readonly appKey: string | undefined
  readonly via: string | undefined
}

/** What becomes of a counted call. */
export interface CountedCall {
  /** Called once, with the effective code. */
  answered(code: string): void
  /** Called at most once, when the monthly quota counts the call. */
  metered(): void
}

/** What the simulator was asked and what it said. Calls that the world never saw are counted too. */
export class CallCounter {
  #calls = 0
  #metered = 0
  redirectsFollowed = 0
  readonly tasks = new TaskCallBook()
  readonly #byEndpoint = new Map<string, CodeCounter>()
  readonly #byAgent = new Map<string, CodeCounter>()
  readonly #byVia = new Map<string, CodeCounter>()
  readonly #byApp = new Map<string, AppCounter>()
  readonly #byCode = new Map<string, number>()
  readonly #faults = new Map<string, number>()

  arrived(call: ArrivedCall): CountedCall {
    this.#calls += 1
    const task = this.tasks.arrived(call)
    const counters = this.#countersOf(call)
    for (const counter of counters) counter.calls += 1
    const app = call.appKey === undefined || isTokenEndpoint(call.endpoint) ? undefined : this.#countApp(call.appKey, call)
    return {
      answered: (code) => {
        task.answered(code)
        increment(this.#byCode, code)
        for (const { byCode } of counters) increment(byCode, code)
      },
      metered: () => {
        this.#metered += 1
        task.metered()
        if (app !== undefined) app.metered += 1
      },
    }
  }

  struck(kind: string): void {
    increment(this.#faults, kind)
  }

  snapshot(monthlyQuota: QuotaState): SimulatorStats {
    return {
      calls: this.#calls,
      metered: this.#metered,
      byEndpoint: codeStats(this.#byEndpoint),
      byApp: Object.fromEntries([...this.#byApp].map(([name, counter]) => [name, appStats(counter)] as const)),
      byAgent: codeStats(this.#byAgent),
      byVia: codeStats(this.#byVia),
      byCode: Object.fromEntries(this.#byCode),
      faults: Object.fromEntries(this.#faults),
      monthlyQuota,
      redirectsFollowed: this.redirectsFollowed,
    }
  }

  #countersOf({ endpoint, agentId, via }: ArrivedCall): CodeCounter[] {
    const counters = [counterOf(this.#byEndpoint, endpoint)]
    if (!isTokenEndpoint(endpoint)) counters.push(counterOf(this.#byAgent, agentId ?? 'none'))
    if (via !== undefined) counters.push(counterOf(this.#byVia, via))
    return counters
  }

  #countApp(appKey: string, { endpoint, at }: ArrivedCall): AppCounter {
    const app = this.#app(appKey)
    app.calls += 1
    app.all.add(at)
    const lane = app.byEndpoint.get(endpoint) ?? new SlidingSecond()
    app.byEndpoint.set(endpoint, lane)
    lane.add(at)
    return app
  }

  #app(appKey: string): AppCounter {
    const known = this.#byApp.get(appKey) ?? {
      all: new SlidingSecond(),
      byEndpoint: new Map<Endpoint, SlidingSecond>(),
      calls: 0,
      metered: 0,
    }
    this.#byApp.set(appKey, known)
    return known
  }
}

function counterOf(counters: Map<string, CodeCounter>, wanted: string): CodeCounter {
  const name = boundedName(counters, wanted)
  const counter = counters.get(name) ?? { calls: 0, byCode: new Map<string, number>() }
  counters.set(name, counter)
  return counter
}

function codeStats(counters: ReadonlyMap<string, CodeCounter>): Record<string, CodeStats> {
  return Object.fromEntries([...counters].map(([name, { calls, byCode }]) => [name, { calls, byCode: Object.fromEntries(byCode) }]))
}

function appStats({ calls, metered, all, byEndpoint }: AppCounter): AppStats {
  const lanes = [...byEndpoint].map(([name, lane]) => [name, lane.max] as const)
  return { calls, metered, maxCallsInOneSecond: all.max, maxCallsInOneSecondByEndpoint: Object.fromEntries(lanes) }
}
