import { chance } from './chance.ts'
import type { Fault } from './fault.ts'
import type { ApiCall } from './request.ts'
import { isTokenEndpoint, textField } from './request.ts'

/** These change the lists of getsendresult: they strike no other call. */
const OF_SEND_RESULT: ReadonlySet<Fault['kind']> = new Set(['empty', 'wrong-types', 'read-then-unread', 'unlisted', 'two-lists'])

/** Token calls are not metered and carry no token: these strike every other call. */
const OF_METERED_CALLS: ReadonlySet<Fault['kind']> = new Set(['throttle', 'expired-token'])

interface Entry {
  readonly id: number
  readonly fault: Fault
  readonly until: number
  left: number
  met: number
  struck: number
}

export interface FaultState {
  readonly id: number
  readonly fault: Fault
  /** How many calls it has struck. */
  readonly struck: number
}

/** The faults that are in force, oldest first. At most one strikes a call. */
export class FaultBook {
  readonly #seed: number
  #entries: Entry[] = []
  #added = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  add(fault: Fault, at: number): number {
    this.#added += 1
    const until = Math.min(fault.untilMs ?? Infinity, at + (fault.forMs ?? Infinity))
    this.#entries.push({ id: this.#added, fault, until, left: fault.times ?? Infinity, met: 0, struck: 0 })
    return this.#added
  }

  clear(): void {
    this.#entries = []
  }

  list(at: number): FaultState[] {
    this.#dropOver(at)
    return this.#entries.map(({ id, fault, struck }) => ({ id, fault, struck }))
  }

  /** The fault that strikes this call, if any. A fault with a probability is decided by the seed and by how many calls it has met. */
  take(call: ApiCall, appKey: string | undefined, at: number): Fault | undefined {
    if (this.#entries.length === 0) return undefined
    this.#dropOver(at)
    const entry = this.#entries.find((candidate) => matches(candidate.fault, call, appKey) && this.#strikes(candidate))
    if (entry === undefined) return undefined
    entry.left -= 1
    entry.struck += 1
    return entry.fault
  }

  #strikes(entry: Entry): boolean {
    entry.met += 1
    return chance(this.#seed, 'fault', entry.id, entry.met) < (entry.fault.probability ?? 1)
  }

  #dropOver(at: number): void {
    this.#entries = this.#entries.filter((entry) => entry.left > 0 && at < entry.until)
  }
}

function matches({ kind, match }: Fault, call: ApiCall, appKey: string | undefined): boolean {
  if (OF_SEND_RESULT.has(kind) && call.endpoint !== 'getsendresult') return false
  if (OF_METERED_CALLS.has(kind) && isTokenEndpoint(call.endpoint)) return false
  if (match?.endpoint !== undefined && match.endpoint !== call.endpoint) return false
  if (match?.appKey !== undefined && match.appKey !== appKey) return false
  if (match?.taskId === undefined) return true
  return match.taskId === (textField(call.fields, 'task_id') ?? textField(call.fields, 'msg_task_id'))
}
