import type { Problem } from '../domain/problems.ts'
import type { AppLimits, Clock, RateLimiter, Reservation } from './ports.ts'

/** Leave to make one call to DingTalk, or when to come back for it. */
export type Permit =
  | { readonly kind: 'granted' /** In which the call counts; a call that is not made is given back there. */; readonly month: string }
  /** Too many polls of the app wait in this worker already: come back, and leave the worker to other apps meanwhile. */
  | { readonly kind: 'backlog'; readonly until: Date }
  /** The app as a whole must not be called before `until`. */
  | { readonly kind: 'paused'; readonly until: Date; readonly problem: Problem }
  /** The month's budget is used up but for what is reserved for final polls. */
  | {
      readonly kind: 'budget'
      readonly until: Date
      readonly budget: number
      readonly used: number
      readonly reserved: number
      readonly month: string
    }

export interface PermitRequest {
  readonly app: string
  readonly deadlineAt: Date
  /** The guaranteed final poll of a task, and its retries, go before all other work. */
  readonly last: boolean
  /** It takes the call that is reserved for the task: the first one of its final poll. */
  readonly reserved: boolean
  /** It passes a pause of the app. Only a reserved call may. */
  readonly forced: boolean
}

export interface Permits {
  /** @throws the signal's reason when aborted */
  take(request: PermitRequest, signal: AbortSignal): Promise<Permit>
}

export interface PermitsOptions {
  readonly gate: RateLimiter
  readonly limitsOf: (app: string) => AppLimits
  readonly now: Clock
  /** How many polls of one app may wait in this worker at once; the others come back later. */
  readonly maxWaiting: number
  /** Calls that could not be given back count in the month all the same. */
  readonly onRefundFailed: (error: unknown) => void
}

/**
 * Reserves calls for all polls that wait in this worker in one go and hands them out as their times come,
 * final polls first, nearest deadline first. A reservation belongs to the worker, not to a poll:
 * a final poll that arrives late still takes the next free call.
 */
export function createPermits(options: PermitsOptions): Permits {
  const lines = new Map<string, WaitingLine>()
  return {
    async take(request, signal) {
      signal.throwIfAborted()
      let line = lines.get(request.app)
      if (line === undefined) {
        line = new WaitingLine(request.app, options.limitsOf(request.app), options)
        lines.set(request.app, line)
      }
      return line.join(request, signal)
    },
  }
}

/** Of the time between two calls, how much is kept when they are late: a process that was blocked makes a quarter more calls for a while. */
const SHORTEST_SPACING = 0.8

/** The longest wait for the rate before the database is asked again, in milliseconds. */
const LONGEST_BUSY_MS = 1_000

/** From one reservation to the next, in milliseconds: each is a write to the app's one row, and polls that come in between share it. */
const ROUND_MS = 10

interface Waiter extends PermitRequest {
  readonly resolve: (permit: Permit) => void
  readonly reject: (reason: unknown) => void
}

/** The polls of one app that wait in this worker. */
class WaitingLine {
  readonly #app: string
  readonly #limits: AppLimits
  readonly #options: PermitsOptions
  /** In the order in which they are served. */
  readonly #waiting: Waiter[] = []
  #serving = false
  #nextRoundAt = -Infinity
  /** When a call was last handed out, by the clock of `performance`. */
  #givenAt = -Infinity
  #wake: () => void = () => undefined
  /** Where the lines of those who were sent away end, so that they do not all come back at once. */
  #lastBacklogEnd = 0
  #ordinaryBacklogEnd = 0

  constructor(app: string, limits: AppLimits, options: PermitsOptions) {
    this.#app = app
    this.#limits = limits
    this.#options = options
  }

  join(request: PermitRequest, signal: AbortSignal): Promise<Permit> {
    const permit = new Promise<Permit>((resolve, reject) => {
      const leave = (): void => this.#leave(waiter, signal.reason)
      // The signal lives as long as the worker: a listener that stayed would be kept as long.
      const settle = (): void => signal.removeEventListener('abort', leave)
      const waiter: Waiter = {
        ...request,
        resolve: (given) => (settle(), resolve(given)),
        reject: (reason) => (settle(), reject(reason)),
      }
      signal.addEventListener('abort', leave)
      this.#insert(waiter)
    })
    this.#sendExcessAway()
    if (!this.#serving) void this.#serve()
    return permit
  }

  #insert(waiter: Waiter): void {
    const behind = this.#waiting.findIndex((other) => goesBefore(waiter, other))
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter)
  }

  /** Ordinary polls may wait for about a second; final polls may fill the worker's share, and push ordinary ones out of it. */
  #sendExcessAway(): void {
    const aSecond = Math.max(1, Math.ceil(this.#limits.callsPerSecond))
    const room = (last: boolean): number => (last ? this.#options.maxWaiting : Math.min(this.#options.maxWaiting, aSecond))
    for (let end = this.#waiting.at(-1); end !== undefined && this.#waiting.length > room(end.last); end = this.#waiting.at(-1)) {
      this.#waiting.pop()
      end.resolve(this.#sendAway(end))
    }
  }

  /** Final polls have a line of their own: behind thousands of ordinary ones they would miss their deadline. */
  #sendAway({ last }: Waiter): Permit {
    const callMs = 1_000 / this.#limits.callsPerSecond
    const lineEnd = this.#options.now().getTime() + this.#waiting.length * callMs
    const end = Math.max((last ? this.#lastBacklogEnd : this.#ordinaryBacklogEnd) + callMs, lineEnd)
    if (last) this.#lastBacklogEnd = end
    else this.#ordinaryBacklogEnd = end
    return { kind: 'backlog', until: new Date(end) }
  }

  #leave(waiter: Waiter, reason: unknown): void {
    const i = this.#waiting.indexOf(waiter)
    if (i === -1) return
    this.#waiting.splice(i, 1)
    waiter.reject(reason)
    if (this.#waiting.length === 0) this.#wake()
  }

  async #serve(): Promise<void> {
    this.#serving = true
    try {
      // Polls that arrive in the same tick share the reservation.
      await Promise.resolve()
      while (this.#waiting.length > 0) {
        await this.#wait(this.#nextRoundAt - performance.now())
        this.#nextRoundAt = performance.now() + ROUND_MS
        if (this.#waiting.length > 0) await this.#round()
      }
    } catch (error) {
      for (const waiter of this.#waiting.splice(0)) waiter.reject(error)
    } finally {
      this.#serving = false
    }
  }

  async #round(): Promise<void> {
    const asked = [...this.#waiting]
    const count = (is: (waiter: Waiter) => boolean): number => asked.filter(is).length
    const reserved = count((waiter) => waiter.reserved)
    const wanted = { reserved, ordinary: asked.length - reserved, forced: count((waiter) => waiter.reserved && waiter.forced) }
    const reservation = await this.#options.gate.reserve(this.#app, wanted, this.#limits)
    switch (reservation.kind) {
      case 'granted':
        return this.#handOut(reservation)
      case 'busy':
        // The row may be put right meanwhile, and the database's clock with it.
        return this.#wait(Math.min(reservation.forMs, LONGEST_BUSY_MS))
      case 'paused':
        // Nothing was asked for one that came meanwhile and passes the pause.
        return this.#refuse(reservation, (waiter) => wanted.forced > 0 || !waiter.forced)
      case 'budget': {
        const { until, used, reserved: kept, month } = reservation
        const refusal = { kind: 'budget', until, used, month, reserved: kept, budget: this.#limits.monthlyBudget ?? 0 } as const
        return this.#refuse(refusal, (waiter) => reserved > 0 || !waiter.reserved)
      }
      default:
        return reservation satisfies never
    }
  }

  #refuse(permit: Permit, isMeant: (waiter: Waiter) => boolean): void {
    const all = this.#waiting.splice(0)
    this.#waiting.push(...all.filter((waiter) => !isMeant(waiter)))
    for (const waiter of all.filter(isMeant)) waiter.resolve(permit)
  }

  async #handOut(granted: Extract<Reservation, { kind: 'granted' }>): Promise<void> {
    const { month } = granted
    const startMs = performance.now() + granted.firstInMs
    const left = { reserved: granted.reserved, ordinary: granted.ordinary }
    for (let i = 0; i < granted.reserved + granted.ordinary && this.#waiting.length > 0; i++) {
      // After a time in which nothing ran, the calls that are late must not go out all at once.
      const earliestMs = this.#givenAt + granted.everyMs * SHORTEST_SPACING
      await this.#wait(Math.max(startMs + i * granted.everyMs, earliestMs) - performance.now())
      this.#givenAt = performance.now()
      // A call that was granted for reserved calls is not for ordinary ones; the other way round it may be used.
      const next = this.#waiting.findIndex((waiter) => left.ordinary > 0 || (waiter.reserved && left.reserved > 0))
      if (next === -1) break
      const [waiter] = this.#waiting.splice(next, 1)
      if (waiter === undefined) break
      if (waiter.reserved && left.reserved > 0) left.reserved--
      else left.ordinary--
      waiter.resolve({ kind: 'granted', month })
    }
    // Those that waited were told to stop, or went elsewhere.
    const unused = left.reserved + left.ordinary
    if (unused > 0) await this.#options.gate.refund(this.#app, month, unused).catch(this.#options.onRefundFailed)
  }

  /** Ends early when nobody waits any more. Timers of under a millisecond would cost more than the precision is worth. */
  async #wait(ms: number): Promise<void> {
    if (ms < 1 || this.#waiting.length === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function goesBefore(a: Waiter, b: Waiter): boolean {
  if (a.last !== b.last) return a.last
  return a.last && a.deadlineAt < b.deadlineAt
}
