import { isOver, planExpiry } from '../domain/plan.ts'
import type { Timing } from '../domain/poll-times.ts'
import type { Clock, DeliveryStore, EventLog, Lease, PollTimers, Restored, Timer } from './ports.ts'
import { type RetainDeps, retain } from './retain.ts'

export interface ReconcileDeps {
  readonly store: Pick<DeliveryStore, 'exclusively' | 'overdue' | 'load' | 'end'>
  /** Data that is removed by its age. */
  readonly old: Pick<RetainDeps, 'store' | 'retention'>
  /** Removes it; {@link createRestingRetain} makes one that does not look for it in each pass. Default: `retain`. */
  readonly retain?: (deps: RetainDeps) => Promise<unknown>
  readonly timers: Pick<PollTimers, 'restore'>
  readonly timing: Timing
  /** A poll that is later than this needs its timer checked, in milliseconds. */
  readonly graceMs: number
  readonly now: Clock
  readonly events: EventLog
}

export type Reconciled = Restored & { readonly ended: number }

const BATCH = 500
/** Limits one pass; the rest waits for the next. */
const MAX_BATCHES = 100

/**
 * Repairs the timers after the queue lost some: every open task whose poll is overdue gets its timer back, and every task whose deadline has
 * passed is ended. Then room is made for new data, and old data is removed. One worker at a time.
 * @returns null when another worker reconciles
 */
export async function reconcile(deps: ReconcileDeps): Promise<Reconciled | null> {
  const actions = await deps.store.exclusively(async (lease) => {
    const done = await pass(deps, lease)
    if (lease.isHeld()) await deps.old.store.makeRoom()
    if (lease.isHeld()) await (deps.retain ?? retain)({ ...deps.old, now: deps.now, events: deps.events })
    return done
  })
  if (actions !== null && Object.entries(actions).some(([kind, count]) => kind !== 'left' && count > 0)) {
    deps.events.reconciled({ actions })
  }
  return actions
}

async function pass(deps: ReconcileDeps, lease: Lease): Promise<Reconciled> {
  let sum: Reconciled = { added: 0, replaced: 0, moved: 0, left: 0, ended: 0 }
  let after: Timer | null = null
  for (let i = 0; i < MAX_BATCHES && lease.isHeld(); i++) {
    const overdue: Timer[] = await deps.store.overdue(new Date(deps.now().getTime() - deps.graceMs), BATCH, after)
    const now = deps.now()
    let ended = 0
    for (const task of overdue.filter((each) => isOver(each, now))) ended += await end(deps, task)
    sum = add({ ...sum, ended: sum.ended + ended }, await deps.timers.restore(overdue.filter((each) => !isOver(each, now))))
    after = overdue.at(-1) ?? null
    if (overdue.length < BATCH) break
  }
  return sum
}

async function end(deps: ReconcileDeps, overdue: Timer): Promise<0 | 1> {
  const task = await deps.store.load(overdue.key)
  if (task === null || task.status !== 'tracking') return 0
  const update = planExpiry(task, deps.timing)
  if ((await deps.store.end(task.key, { pollNo: task.pollNo }, update)) === 'stale') return 0
  deps.events.ended({ key: task.key, status: update.status, reason: update.reason })
  return 1
}

function add(a: Reconciled, b: Restored): Reconciled {
  return { added: a.added + b.added, replaced: a.replaced + b.replaced, moved: a.moved + b.moved, left: a.left + b.left, ended: a.ended }
}
