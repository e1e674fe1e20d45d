import type { Identity } from './apps.ts'
import { chance } from './chance.ts'
import type { Fault } from './fault.ts'
import { type ApiCall, agentIdOf, isTokenEndpoint, taskIdOf } from './request.ts'

/** These change the lists of getsendresult: they strike no other call. */
const OF_SEND_RESULT: ReadonlySet<Fault['kind']> = new Set(['empty', 'wrong-types', 'read-then-unread', 'unlisted', 'two-lists'])

/** Token calls are not metered and carry no token: these strike every other call. */
const OF_METERED_CALLS: ReadonlySet<Fault['kind']> = new Set(['throttle', 'expired-token'])

/** A call with all that a fault can match. */
export interface Arrival {
  readonly call: ApiCall
  readonly identity: Partial<Identity>
  /** Epoch ms. */
  readonly at: number
  /** Hours of the simulated day, from either beginning. */
  readonly hours: Readonly<Record<NonNullable<Fault['hoursSince']>, number>>
}

interface Entry {
  readonly id: number
  readonly fault: Fault
  readonly match: Match | undefined
  readonly from: number
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
    const from = fault.fromMs ?? at + (fault.afterMs ?? 0)
    const until = Math.min(fault.untilMs ?? Infinity, from + (fault.forMs ?? Infinity))
    this.#entries.push({
      id: this.#added,
      fault,
      match: fault.match && { ...fault.match, taskIds: setOf(fault.match.taskIds) },
      from,
      until,
      left: fault.times ?? Infinity,
      met: 0,
      struck: 0,
    })
    return this.#added
  }

  clear(): void {
    this.#entries = []
  }

  /** @returns whether it was in force */
  remove(id: number): boolean {
    const before = this.#entries.length
    this.#entries = this.#entries.filter((entry) => entry.id !== id)
    return this.#entries.length < before
  }

  list(at: number): FaultState[] {
    this.#dropOver(at)
    return this.#entries.map(({ id, fault, struck }) => ({ id, fault, struck }))
  }

  /** The fault that strikes this call, if any. A fault with a probability is decided by the seed and by how many calls it has met. */
  take(arrival: Arrival): Fault | undefined {
    if (this.#entries.length === 0) return undefined
    this.#dropOver(arrival.at)
    const entry = this.#entries.find((candidate) => isMet(candidate, arrival) && this.#strikes(candidate))
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

function setOf(taskIds: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return taskIds === undefined ? undefined : new Set(taskIds)
}

function isMet(entry: Entry, arrival: Arrival): boolean {
  const { fault, from } = entry
  return arrival.at >= from && isInHours(fault, arrival) && isOfKind(fault.kind, arrival.call) && matches(entry, arrival)
}

function isInHours({ fromHour = 0, toHour = Infinity, hoursSince = 'send' }: Fault, { hours }: Arrival): boolean {
  // A task may have been sent in the future, by the clock of a test: without hours every call is met.
  if (fromHour === 0 && toHour === Infinity) return true
  return hours[hoursSince] >= fromHour && hours[hoursSince] < toHour
}

function isOfKind(kind: Fault['kind'], { endpoint }: ApiCall): boolean {
  if (OF_SEND_RESULT.has(kind)) return endpoint === 'getsendresult'
  return !OF_METERED_CALLS.has(kind) || !isTokenEndpoint(endpoint)
}

/** There may be thousands of task ids, and every call asks. */
type Match = Omit<NonNullable<Fault['match']>, 'taskIds'> & { readonly taskIds?: ReadonlySet<string> | undefined }

/** Every field that a match has must hold. The table is closed: a new field of `match` does not compile until it is here. */
function matches({ match }: Entry, arrival: Arrival): boolean {
  return match === undefined || MATCHERS.every((isMatched) => isMatched(match, arrival))
}

const BY_FIELD = {
  endpoint: ({ endpoint }, { call }) => endpoint === undefined || endpoint === call.endpoint,
  taskId: ({ taskId }, { call }) => taskId === undefined || taskId === taskIdOf(call),
  taskIds: ({ taskIds }, { call }) => taskIds === undefined || taskIds.has(taskIdOf(call) ?? ''),
  // Token calls never have one, so that a call without an agent id is one that lacks it.
  agentId: ({ agentId }, { call }) => agentId === undefined || (!isTokenEndpoint(call.endpoint) && agentId === (agentIdOf(call) ?? null)),
  appKey: ({ appKey }, { identity }) => appKey === undefined || appKey === identity.appKey,
  secret: ({ secret }, { identity }) => secret === undefined || secret === identity.secret,
  via: ({ via }, { call }) => via === undefined || via === call.source.via,
  remoteAddress: ({ remoteAddress }, { call }) => remoteAddress === undefined || remoteAddress === call.source.remoteAddress,
} satisfies Record<keyof NonNullable<Fault['match']>, (match: Match, arrival: Arrival) => boolean>

const MATCHERS: readonly ((match: Match, arrival: Arrival) => boolean)[] = Object.values(BY_FIELD)
