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

/** From one reservation to the next, in milliseconds: each is a write to the app's one row, and looks that come in between share it. */
const ROUND_MS = 10

interface Waiter extends PermitRequest {
  readonly resolve: (permit: Permit) => void
  readonly reject: (reason: unknown) => void
}

/** The looks of one app that wait in this worker. */
class WaitingLine {
  readonly #app: string
  readonly #limits: AppLimits
  readonly #options: PermitsOptions
  /** In the order in which they are served. */
  readonly #waiting: Waiter[] = []
  #serving = false
  #nextRoundAt = -Infinity
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

  /** Ordinary looks may wait for about a second; last looks may fill the worker's share, and push ordinary ones out of it. */
  #sendExcessAway(): void {
    const aSecond = Math.max(1, Math.ceil(this.#limits.callsPerSecond))
    const room = (last: boolean): number => (last ? this.#options.maxWaiting : Math.min(this.#options.maxWaiting, aSecond))
    for (let end = this.#waiting.at(-1); end !== undefined && this.#waiting.length > room(end.last); end = this.#waiting.at(-1)) {
      this.#waiting.pop()
      end.resolve(this.#sendAway(end))
    }
  }

  /** Last looks have a line of their own: behind thousands of ordinary ones they would miss their deadline. */
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
      // Looks that arrive in the same tick share the reservation.
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
    const last = this.#waiting.filter((waiter) => waiter.last).length
    const reservation = await this.#options.gate.reserve(this.#app, { last, ordinary: this.#waiting.length - last }, this.#limits)
    switch (reservation.kind) {
      case 'granted':
        return this.#handOut(reservation)
      case 'busy':
        return this.#wait(reservation.forMs)
      case 'paused':
        return this.#refuse(reservation, () => true)
      case 'budget':
        // Nothing was asked for a last look that came meanwhile, and what is kept back for it may be there.
        return this.#refuse(reservation, (waiter) => last > 0 || !waiter.last)
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
    const startMs = performance.now() + granted.firstInMs
    let ordinaryLeft = granted.ordinary
    for (let i = 0; i < granted.last + granted.ordinary; i++) {
      await this.#wait(startMs + i * granted.everyMs - performance.now())
      const next = this.#waiting[0]
      // Whoever waited has been told to stop.
      if (next === undefined) return
      // Budget that was granted for last looks is not for ordinary ones.
      if (!next.last && ordinaryLeft === 0) continue
      if (!next.last) ordinaryLeft--
      this.#waiting.shift()
      next.resolve({ kind: 'granted' })
    }
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
