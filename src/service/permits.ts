import type { AppGate, AppLimits, Clock, Reservation } from '../core/ports.ts'

/** Leave to make one call to DingTalk, or when to come back for it. */
export type Permit =
  | { readonly kind: 'granted' }
  /** Too many looks of the app wait in this worker already: come back, and leave the worker to other apps meanwhile. */
  | { readonly kind: 'backlog'; readonly until: Date }
  /** The app as a whole must not be asked before `until`. */
  | { readonly kind: 'paused'; readonly until: Date; readonly reason: string }
  /** The month's budget is used up but for what is kept back for last looks. */
  | { readonly kind: 'budget'; readonly until: Date; readonly reason: string }

export interface PermitRequest {
  readonly app: string
  readonly deadlineAt: Date
  /** The guaranteed last look of a task goes before all other work. */
  readonly last: boolean
}

export interface Permits {
  /** @throws the signal's reason when aborted */
  take(request: PermitRequest, signal: AbortSignal): Promise<Permit>
}

export interface PermitsOptions {
  readonly gate: Pick<AppGate, 'reserve'>
  readonly limitsOf: (app: string) => AppLimits
  readonly now: Clock
  /** How many looks of one app may wait in this worker at once; the others come back later. */
  readonly maxWaiting: number
}

/**
 * Reserves calls for all looks that wait in this worker in one go and hands them out as their times come,
 * last looks first, nearest deadline first. A reservation belongs to the worker, not to a look:
 * a last look that arrives late still takes the next free call.
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

interface Waiter extends PermitRequest {
  readonly resolve: (permit: Permit) => void
  readonly reject: (reason: unknown) => void
}

/** The looks of one app that wait in this worker. */
class WaitingLine {
  readonly #app: string
  readonly #limits: AppLimits
  readonly #options: PermitsOptions
  readonly #waiting: Waiter[] = []
  #serving = false
  /** Where the line of those who were sent away ends, so that they do not all come back at once. */
  #backlogEnd = 0

  constructor(app: string, limits: AppLimits, options: PermitsOptions) {
    this.#app = app
    this.#limits = limits
    this.#options = options
  }

  join(request: PermitRequest, signal: AbortSignal): Promise<Permit> {
    if (this.#waiting.length >= this.#capacity(request)) return Promise.resolve(this.#sendAway())
    const granted = new Promise<Permit>((resolve, reject) => {
      const waiter: Waiter = { ...request, resolve, reject }
      this.#insert(waiter)
      signal.addEventListener('abort', () => this.#leave(waiter, signal.reason), { once: true })
    })
    if (!this.#serving) void this.#serve()
    return granted
  }

  /** About a second's worth of ordinary calls; last looks may fill the worker's share. */
  #capacity(request: PermitRequest): number {
    if (request.last) return this.#options.maxWaiting
    return Math.min(this.#options.maxWaiting, Math.max(1, Math.ceil(this.#limits.callsPerSecond)))
  }

  #sendAway(): Permit {
    const now = this.#options.now().getTime()
    const callMs = 1_000 / this.#limits.callsPerSecond
    const lineMs = this.#waiting.length * callMs
    this.#backlogEnd = Math.max(this.#backlogEnd + callMs, now + lineMs)
    return { kind: 'backlog', until: new Date(this.#backlogEnd) }
  }

  #insert(waiter: Waiter): void {
    const behind = this.#waiting.findIndex((other) => goesBefore(waiter, other))
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter)
  }

  #leave(waiter: Waiter, reason: unknown): void {
    const i = this.#waiting.indexOf(waiter)
    if (i === -1) return
    this.#waiting.splice(i, 1)
    waiter.reject(reason)
  }

  async #serve(): Promise<void> {
    this.#serving = true
    try {
      // Looks that arrive in the same tick share the reservation.
      await Promise.resolve()
      while (this.#waiting.length > 0) await this.#round()
    } catch (error) {
      for (const waiter of this.#waiting.splice(0)) waiter.reject(error)
    } finally {
      this.#serving = false
    }
  }

  async #round(): Promise<void> {
    const last = this.#waiting.filter((waiter) => waiter.last).length
    const reservation = await this.#options.gate.reserve(this.#app, { last, ordinary: this.#waiting.length - last }, this.#limits)
    if (reservation.kind === 'granted') return this.#handOut(reservation)
    if (reservation.kind === 'busy') return wait(reservation.forMs)
    const refused: Permit = reservation
    for (const waiter of this.#waiting.splice(0)) waiter.resolve(refused)
  }

  async #handOut(granted: Extract<Reservation, { kind: 'granted' }>): Promise<void> {
    const startMs = performance.now() + granted.firstInMs
    let ordinaryLeft = granted.ordinary
    for (let i = 0; i < granted.last + granted.ordinary; i++) {
      await wait(startMs + i * granted.everyMs - performance.now())
      const next = this.#waiting[0]
      // Budget that was granted for last looks is not for ordinary ones.
      if (next === undefined || (!next.last && ordinaryLeft === 0)) continue
      if (!next.last) ordinaryLeft--
      this.#waiting.shift()
      next.resolve({ kind: 'granted' })
    }
  }
}

function goesBefore(a: Waiter, b: Waiter): boolean {
  if (a.last !== b.last) return a.last
  return a.last && a.deadlineAt < b.deadlineAt
}

/** Timers of under a millisecond would cost more than the precision is worth. */
async function wait(ms: number): Promise<void> {
  if (ms < 1) return
  await new Promise((resolve) => setTimeout(resolve, ms))
}
