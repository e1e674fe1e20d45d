import { CHINA_OFFSET_MS } from './answer.ts'

const SECOND_MS = 1_000

/** Counts what happened within the second that ends now. Each event is added and dropped once. */
export class SlidingSecond {
  #times: number[] = []
  #first = 0
  max = 0

  countAt(at: number): number {
    while ((this.#times[this.#first] ?? Infinity) <= at - SECOND_MS) this.#first += 1
    if (this.#first > 1_000) this.#compact()
    return this.#times.length - this.#first
  }

  add(at: number): void {
    this.#times.push(at)
    this.max = Math.max(this.max, this.countAt(at))
  }

  #compact(): void {
    this.#times = this.#times.slice(this.#first)
    this.#first = 0
  }
}

interface Lane {
  readonly calls: SlidingSecond
  bannedUntil: number
}

/** Calls per sliding second, per app and API. Going over it bans that app from that API until the end of a later full second. */
export class RateLimits {
  readonly #callsPerSecond: number
  readonly #penaltyMs: number
  readonly #lanes = new Map<string, Lane>()
  readonly #apps = new Map<string, number>()

  constructor(callsPerSecond: number, penaltySeconds: number) {
    this.#callsPerSecond = callsPerSecond
    this.#penaltyMs = penaltySeconds * SECOND_MS
  }

  /** @returns when the penalty ends (epoch ms), or undefined for a call that may pass */
  refusal(appKey: string, api: string, at: number): number | undefined {
    const lane = this.#lane(`${appKey}\u0000${api}`)
    const bannedUntil = Math.max(lane.bannedUntil, this.#apps.get(appKey) ?? 0)
    if (at < bannedUntil) return bannedUntil
    if (lane.calls.countAt(at) < this.#callsPerSecond) {
      lane.calls.add(at)
      return undefined
    }
    lane.bannedUntil = nextFullSecond(at + this.#penaltyMs)
    return lane.bannedUntil
  }

  /** Bans an app from every API. */
  ban(appKey: string, until: number): void {
    this.#apps.set(appKey, until)
  }

  unbanAll(): void {
    this.#apps.clear()
  }

  #lane(key: string): Lane {
    const lane = this.#lanes.get(key) ?? { calls: new SlidingSecond(), bannedUntil: 0 }
    this.#lanes.set(key, lane)
    return lane
  }
}

/** The message that names the end of a penalty knows whole seconds only. */
export function nextFullSecond(at: number): number {
  return Math.ceil(at / SECOND_MS) * SECOND_MS
}

/** What is left of a month's quota; null: there is no limit. */
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
    this.#used = this.usedAt(at) + 1
    this.#month = monthOf(at)
    return true
  }

  usedAt(at: number): number {
    return monthOf(at) === this.#month ? this.#used : 0
  }

  /** As if so many calls had been made this month that `left` are left. A quota without a limit gets one. */
  leave(left: number, at: number): void {
    this.limit ??= this.usedAt(at) + left
    this.limit = Math.max(this.limit, left)
    this.#used = this.limit - left
    this.#month = monthOf(at)
  }

  /** More calls for this month and every later one. */
  buy(calls: number): void {
    if (this.limit !== null) this.limit += calls
  }

  stateAt(at: number): QuotaState {
    const used = this.usedAt(at)
    return { limit: this.limit, used, left: this.limit === null ? null : Math.max(0, this.limit - used) }
  }
}

function monthOf(at: number): string {
  return new Date(at + CHINA_OFFSET_MS).toISOString().slice(0, 7)
}
