import { CHINA_OFFSET_MS } from './answer.ts'

const SECOND_MS = 1_000

/** Counts the events of the last second. */
export class SlidingSecond {
  readonly #times: number[] = []
  max = 0

  countAt(at: number): number {
    while ((this.#times[0] ?? Infinity) <= at - SECOND_MS) this.#times.shift()
    return this.#times.length
  }

  add(at: number): void {
    this.#times.push(at)
    this.max = Math.max(this.max, this.countAt(at))
  }
}

export type RateLimits = ReturnType<typeof createRateLimits>

/**
 * Calls per sliding second, per app and API, in the simulator's time, which rate-limiter-flexible cannot use. Above the limit the app is refused
 * at that API until the end of a later full second.
 */
export function createRateLimits(callsPerSecond: number, penaltySeconds: number) {
  const apis = new Map<string, { readonly calls: SlidingSecond; bannedUntil: number }>()
  const bannedApps = new Map<string, number>()
  return {
    /** @returns when the penalty ends (epoch ms), or undefined for a call that may pass */
    refusal(appKey: string, api: string, at: number): number | undefined {
      const name = `${appKey}\u0000${api}`
      const state = apis.get(name) ?? { calls: new SlidingSecond(), bannedUntil: 0 }
      apis.set(name, state)
      const bannedUntil = Math.max(state.bannedUntil, bannedApps.get(appKey) ?? 0)
      if (at < bannedUntil) return bannedUntil
      if (state.calls.countAt(at) < callsPerSecond) {
        state.calls.add(at)
        return undefined
      }
      state.bannedUntil = nextFullSecond(at + penaltySeconds * SECOND_MS)
      return state.bannedUntil
    },
    /** Bans an app from every API. */
    ban: (appKey: string, until: number) => bannedApps.set(appKey, until),
    unbanAll: () => bannedApps.clear(),
  }
}

/** The message that names the end of a penalty has whole seconds. */
export function nextFullSecond(at: number): number {
  return Math.ceil(at / SECOND_MS) * SECOND_MS
}

/** The rest of a month's quota; null: there is no limit. */
export interface QuotaState {
  readonly limit: number | null
  readonly used: number
  readonly left: number | null
}

/** The calls of one organisation in one month of China's calendar. */
export class MonthlyQuota {
  limit: number | null
  #month = ''
  #used = 0

  constructor(limit: number | null) {
    this.limit = limit
  }

  /** Counts the call if the quota allows it. */
  take(at: number): boolean {
    if (this.limit !== null && this.usedAt(at) >= this.limit) return false
    this.#use(this.usedAt(at) + 1, at)
    return true
  }

  usedAt(at: number): number {
    return formatMonth(at) === this.#month ? this.#used : 0
  }

  /** As if so many calls had been made this month that `left` are left. A quota without a limit gets one. */
  leave(left: number, at: number): void {
    this.limit = Math.max(this.limit ?? this.usedAt(at) + left, left)
    this.#use(this.limit - left, at)
  }

  /** More calls for this month and every later one. */
  buy(calls: number): void {
    if (this.limit !== null) this.limit += calls
  }

  stateAt(at: number): QuotaState {
    const used = this.usedAt(at)
    return { limit: this.limit, used, left: this.limit === null ? null : Math.max(0, this.limit - used) }
  }

  #use(used: number, at: number): void {
    this.#used = used
    this.#month = formatMonth(at)
  }
}

function formatMonth(at: number): string {
  return new Date(at + CHINA_OFFSET_MS).toISOString().slice(0, 7)
}
