import { SlidingSecond } from './limits.ts'
import { type Endpoint, isTokenEndpoint } from './request.ts'

export interface EndpointStats {
  readonly calls: number
  /** By effective code; `fault:KIND` where a fault left no code. */
  readonly byCode: Readonly<Record<string, number>>
}

export interface AppStats {
  /** Without token calls, which are exempt from every limit. */
  readonly calls: number
  /** The most calls in any sliding second, as they arrived here. */
  readonly maxCallsInOneSecond: number
  readonly maxCallsInOneSecondByEndpoint: Readonly<Record<string, number>>
}

export interface SimulatorStats {
  readonly calls: number
  readonly byEndpoint: Readonly<Record<string, EndpointStats>>
  readonly byApp: Readonly<Record<string, AppStats>>
  /** How many calls each kind of fault has struck. */
  readonly faults: Readonly<Record<string, number>>
  readonly monthlyQuota: { readonly limit: number | null; readonly used: number }
  /** Clients that followed a redirect fault. None should. */
  readonly redirectsFollowed: number
}

interface AppCounter {
  readonly all: SlidingSecond
  readonly byEndpoint: Map<Endpoint, SlidingSecond>
  calls: number
}

/** What the simulator was asked and what it said. Calls that the world never saw are counted too. */
export class CallCounter {
  #calls = 0
  redirectsFollowed = 0
  readonly #byEndpoint = new Map<Endpoint, { calls: number; byCode: Map<string, number> }>()
  readonly #byApp = new Map<string, AppCounter>()
  readonly #faults = new Map<string, number>()

  arrived(endpoint: Endpoint, appKey: string | undefined, at: number): void {
    this.#calls += 1
    this.#endpoint(endpoint).calls += 1
    if (appKey === undefined || isTokenEndpoint(endpoint)) return
    const app = this.#app(appKey)
    app.calls += 1
    app.all.add(at)
    const lane = app.byEndpoint.get(endpoint) ?? new SlidingSecond()
    app.byEndpoint.set(endpoint, lane)
    lane.add(at)
  }

  struck(kind: string): void {
    increment(this.#faults, kind)
  }

  answered(endpoint: Endpoint, code: string): void {
    increment(this.#endpoint(endpoint).byCode, code)
  }

  snapshot(monthlyQuota: SimulatorStats['monthlyQuota']): SimulatorStats {
    const endpoints = [...this.#byEndpoint].map(
      ([name, { calls, byCode }]) => [name, { calls, byCode: Object.fromEntries(byCode) }] as const,
    )
    return {
      calls: this.#calls,
      byEndpoint: Object.fromEntries(endpoints),
      byApp: Object.fromEntries([...this.#byApp].map(([name, counter]) => [name, appStats(counter)] as const)),
      faults: Object.fromEntries(this.#faults),
      monthlyQuota,
      redirectsFollowed: this.redirectsFollowed,
    }
  }

  #endpoint(endpoint: Endpoint): { calls: number; byCode: Map<string, number> } {
    const known = this.#byEndpoint.get(endpoint) ?? { calls: 0, byCode: new Map<string, number>() }
    this.#byEndpoint.set(endpoint, known)
    return known
  }

  #app(appKey: string): AppCounter {
    const known = this.#byApp.get(appKey) ?? { all: new SlidingSecond(), byEndpoint: new Map<Endpoint, SlidingSecond>(), calls: 0 }
    this.#byApp.set(appKey, known)
    return known
  }
}

function appStats({ calls, all, byEndpoint }: AppCounter): AppStats {
  const lanes = [...byEndpoint].map(([name, lane]) => [name, lane.max] as const)
  return { calls, maxCallsInOneSecond: all.max, maxCallsInOneSecondByEndpoint: Object.fromEntries(lanes) }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
