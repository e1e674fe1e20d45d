import type { AppLimits, Clock, RateLimiter, Reservation } from './ports.ts'

/** The right to make one call to DingTalk, or when to request it again. */
export type Permit =
  /** `month`: where the call counts, and where it is returned if it is not made. */
  | { readonly kind: 'granted'; readonly month: string }
  /** Too many polls of the app wait in this worker: they must not keep it from polling other apps. */
  | { readonly kind: 'backlog'; readonly until: Date }
  | Extract<Reservation, { kind: 'paused' }>
  | (Extract<Reservation, { kind: 'budget' }> & { readonly budget: number })

export interface PermitRequest {
  readonly app: string
  readonly deadlineAt: Date
  /** Goes before all other requests: the guaranteed final poll of a task, its retries, and the repetition of a call. */
  readonly urgent: boolean
  /** It takes the call that is reserved for the task: the first one of its final poll. */
  readonly reserved: boolean
  /** It repeats such a call. Left out: it does not. */
  readonly retry?: boolean
  /** It passes a pause of the app. Only a reserved call may. */
  readonly forced: boolean
}

export interface Permits {
  /** @throws the signal's reason when aborted */
  take(request: PermitRequest, signal: AbortSignal): Promise<Permit>
}

export interface PermitsOptions {
  readonly limiter: RateLimiter
  readonly limitsOf: (app: string) => AppLimits
  readonly now: Clock
  /** How many polls of one app may wait in this worker at once; the others come back later. */
  readonly maxWaiting: number
  /** Calls that could not be returned count in the month all the same. */
  readonly onRefundFailed: (error: unknown) => void
}

/**
 * Reserves calls for all polls that wait in this worker in one statement and hands them out at their times, final polls first, nearest deadline
 * first. A reservation belongs to the worker, not to a poll: a final poll that arrives late still takes the next free call.
 * A general queue (p-queue, bottleneck) was considered: it counts calls in this process, and the rate and the budget hold over all workers.
 */
export function createPermits(options: PermitsOptions): Permits {
  const queues = new Map<string, PermitQueue>()
  return {
    async take(request, signal) {
      signal.throwIfAborted()
      const queue = queues.get(request.app) ?? new PermitQueue(request.app, options.limitsOf(request.app), options)
      queues.set(request.app, queue)
      return queue.join(request, signal)
    },
  }
}

/** The part of the time between two calls that is kept when they are late: a process that was blocked makes a quarter more calls for a while. */
const SHORTEST_SPACING = 0.8

/** The longest wait for the rate before the next reservation is tried, in milliseconds. */
const LONGEST_BUSY_MS = 1_000

/** From one reservation to the next, in milliseconds: each is a write to the app's one row, and polls that come in between share it. */
const ROUND_MS = 10

interface Waiter extends PermitRequest {
  readonly resolve: (permit: Permit) => void
  readonly reject: (reason: unknown) => void
}

/** The polls of one app that wait in this worker. */
class PermitQueue {
  readonly #app: string
  readonly #limits: AppLimits
  readonly #options: PermitsOptions
  /** In the order in which they are served. */
  readonly #waiting: Waiter[] = []
  #serving = false
  #nextRoundAt = -Infinity
  /** When a call was last handed out, by the clock of `performance`. */
  #grantedAt = -Infinity
  #stopWaiting: () => void = () => undefined
  /** Where the backlog of refused polls ends, so that they do not all come back at once. */
  #urgentBacklogEnd = 0
  #ordinaryBacklogEnd = 0

  constructor(app: string, limits: AppLimits, options: PermitsOptions) {
    this.#app = app
    this.#limits = limits
    this.#options = options
  }

  join(request: PermitRequest, signal: AbortSignal): Promise<Permit> {
    const permit = new Promise<Permit>((resolve, reject) => {
      const cancel = (): void => this.#cancel(waiter, signal.reason)
      // The signal lives as long as the worker, so the listener must be removed.
      const done = (): void => signal.removeEventListener('abort', cancel)
      const waiter: Waiter = {
        ...request,
        resolve: (given) => (done(), resolve(given)),
        reject: (reason) => (done(), reject(reason)),
      }
      signal.addEventListener('abort', cancel)
      this.#insert(waiter)
    })
    this.#refuseExcess()
    if (!this.#serving) void this.#serve()
    return permit
  }

  #insert(waiter: Waiter): void {
    const behind = this.#waiting.findIndex((other) => goesBefore(waiter, other))
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter)
  }

  /** Ordinary polls may wait for about a second; final polls may fill the worker's share, and push ordinary ones out of it. */
  #refuseExcess(): void {
    const aSecond = Math.max(1, Math.ceil(this.#limits.callsPerSecond))
    const room = (urgent: boolean): number => (urgent ? this.#options.maxWaiting : Math.min(this.#options.maxWaiting, aSecond))
    for (let end = this.#waiting.at(-1); end !== undefined && this.#waiting.length > room(end.urgent); end = this.#waiting.at(-1)) {
      this.#waiting.pop()
      end.resolve(this.#addToBacklog(end))
    }
  }

  /** Final polls have a backlog of their own: behind thousands of ordinary polls they would miss their deadline. */
  #addToBacklog({ urgent }: Waiter): Permit {
    const callMs = 1_000 / this.#limits.callsPerSecond
    const queueEnd = this.#options.now().getTime() + this.#waiting.length * callMs
    const end = Math.max((urgent ? this.#urgentBacklogEnd : this.#ordinaryBacklogEnd) + callMs, queueEnd)
    if (urgent) this.#urgentBacklogEnd = end
    else this.#ordinaryBacklogEnd = end
    return { kind: 'backlog', until: new Date(end) }
  }

  #cancel(waiter: Waiter, reason: unknown): void {
    const i = this.#waiting.indexOf(waiter)
    if (i === -1) return
    this.#waiting.splice(i, 1)
    waiter.reject(reason)
    if (this.#waiting.length === 0) this.#stopWaiting()
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
    const retries = count((waiter) => waiter.retry === true && !waiter.reserved)
    const forced = count((waiter) => waiter.reserved && waiter.forced)
    const wanted = { reserved, ordinary: asked.length - reserved, forced, ...(retries > 0 && { retries }) }
    const reservation = await this.#options.limiter.reserve(this.#app, wanted, this.#limits)
    switch (reservation.kind) {
      case 'granted':
        return this.#handOut(reservation)
      case 'busy':
        // The row, or the database's clock, may be corrected meanwhile.
        return this.#wait(Math.min(reservation.forMs, LONGEST_BUSY_MS))
      case 'paused':
        // One that passes the pause may have come meanwhile: the reservation was not for it.
        return this.#refuse(reservation, (waiter) => wanted.forced > 0 || !waiter.forced)
      case 'budget': {
        const permit = { ...reservation, budget: this.#limits.monthlyBudget ?? 0 }
        return this.#refuse(permit, (waiter) => reserved > 0 || !waiter.reserved)
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

  async #handOut({ month, firstInMs, everyMs, ...granted }: Extract<Reservation, { kind: 'granted' }>): Promise<void> {
    const startMs = performance.now() + firstInMs
    const left = { reserved: granted.reserved, ordinary: granted.ordinary }
    for (let i = 0; i < granted.reserved + granted.ordinary && this.#waiting.length > 0; i++) {
      // After a time in which nothing ran, the calls that are late must not go out all at once.
      const earliestMs = this.#grantedAt + everyMs * SHORTEST_SPACING
      await this.#wait(Math.max(startMs + i * everyMs, earliestMs) - performance.now())
      this.#grantedAt = performance.now()
      // An ordinary poll cannot use a call that was granted as a reserved one; a final poll can use either.
      const next = this.#waiting.findIndex((waiter) => left.ordinary > 0 || (waiter.reserved && left.reserved > 0))
      const [waiter] = next === -1 ? [] : this.#waiting.splice(next, 1)
      if (waiter === undefined) break
      if (waiter.reserved && left.reserved > 0) left.reserved--
      else left.ordinary--
      waiter.resolve({ kind: 'granted', month })
    }
    // Waiters may have been cancelled or refused meanwhile.
    const unused = left.reserved + left.ordinary
    if (unused > 0) await this.#options.limiter.refund(this.#app, month, unused).catch(this.#options.onRefundFailed)
  }

  /** Ends early when the queue becomes empty. Timers of under a millisecond would cost more than the precision is worth. */
  async #wait(ms: number): Promise<void> {
    if (ms < 1 || this.#waiting.length === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#stopWaiting = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function goesBefore(a: Waiter, b: Waiter): boolean {
  if (a.urgent !== b.urgent) return a.urgent
  return a.urgent && a.deadlineAt < b.deadlineAt
}
