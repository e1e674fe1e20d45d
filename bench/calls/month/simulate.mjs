/** A month of polls in memory: the limiter and admission as in the product, one answer for each call. */
import { isAdmitted, reservedCalls } from '../../../dist/domain/schedule/budget.js'
import { FINAL_MINUTES } from '../worlds.mjs'

const MINUTE_MS = 60_000
/** A reader whom no poll covered counts as read within the whole day. */
const UNCOVERED_MINUTES = 1_440

/**
 * @param month of `drawMonth`
 * @param {number} budget calls a month; Infinity: none
 * @param {(scheduled: { task, left: number, finalPolls: number, open: Set<object>, month, waiting: number, ended: object[] }) => number[]} strategy
 *   the polls of a task in milliseconds after its send
 * @returns calls `used` in the month, those after it (`later`), tasks without any poll, polls that the limiter held back, the mean bracket over
 *   readers and over tasks in minutes, and the polls of each plan
 */
export function simulateMonth(month, budget, strategy) {
  const run = new Run(month, budget, strategy)
  while (run.events.size > 0) run.step(run.events.pop())
  return run.result()
}

class Run {
  events = new Heap()
  open = new Set()
  ended = []
  plans = []
  used = 0
  later = 0
  unserved = 0
  heldBack = 0
  finalPolls = 0
  widths = []

  constructor(month, budget, strategy) {
    this.month = month
    this.budget = budget
    this.strategy = strategy
    for (const [index, task] of month.tasks.entries()) this.events.push(task.at, { kind: 'send', task, index })
  }

  step({ at, kind, task, index, state }) {
    if (kind === 'send') this.schedule(task, index)
    else this.poll(at, state)
  }

  schedule(task, index) {
    const { month } = this
    const isFinalHere = task.at + FINAL_MINUTES * MINUTE_MS < month.endMs
    const left = this.budget - this.used
    const state = { task, offsetsMs: [], next: 0, polls: [], last: 0, seen: 0, sum: 0, holdsFinal: isFinalHere }
    if (isFinalHere && !isAdmitted({ left, finalPolls: this.finalPolls })) {
      this.unserved++
      return this.close(state)
    }
    let waiting = 0
    while (month.tasks[index + 1 + waiting]?.at === task.at) waiting++
    const { finalPolls, open, ended } = this
    state.offsetsMs = this.strategy({ task, left, finalPolls, open, month, waiting, ended })
    this.plans.push(state.offsetsMs.length)
    if (isFinalHere) this.finalPolls++
    open.add(state)
    this.events.push(task.at + state.offsetsMs[0], { kind: 'poll', state })
  }

  poll(at, state) {
    const { task, offsetsMs, next } = state
    const isFinal = next === offsetsMs.length - 1
    if (this.permits(at, isFinal)) this.answer(state, offsetsMs[next] / MINUTE_MS)
    else this.heldBack++
    state.next++
    if (isFinal || state.seen === task.people) this.close(state)
    else this.events.push(task.at + offsetsMs[next + 1], { kind: 'poll', state })
  }

  permits(at, isFinal) {
    if (at >= this.month.endMs) {
      this.later++
      return true
    }
    const left = this.budget - this.used
    const isPermitted = isFinal ? left > 0 : left > reservedCalls(this.finalPolls)
    if (isPermitted) this.used++
    return isPermitted
  }

  answer(state, minute) {
    const { reads } = state.task
    const before = state.seen
    while (state.seen < reads.length && reads[state.seen] <= minute) {
      state.sum += minute - state.last
      state.seen++
    }
    state.last = minute
    state.polls.push({ offsetMs: minute * MINUTE_MS, newReads: state.seen - before })
  }

  close(state) {
    if (state.holdsFinal && this.open.delete(state)) this.finalPolls--
    this.open.delete(state)
    const readers = state.task.reads.filter((minute) => minute <= FINAL_MINUTES).length
    this.widths.push({ readers, sum: state.sum + (readers - state.seen) * UNCOVERED_MINUTES })
    if (state.polls.length > 0) this.ended.push({ sentAt: new Date(state.task.at), people: state.task.people, polls: state.polls })
  }

  result() {
    const { used, later, unserved, heldBack, plans } = this
    const read = this.widths.filter(({ readers }) => readers > 0)
    const width = total(read, ({ sum }) => sum) / total(read, ({ readers }) => readers)
    const taskWidth = total(read, ({ sum, readers }) => sum / readers) / read.length
    return { used, later, unserved, heldBack, width, taskWidth, plans }
  }
}

/**
 * The same month where every task makes all its polls, without a budget. What a plan gives for a task is kept, so that many strategies are cheap.
 * @returns {(strategy: (scheduled: { task, ended: object[] }) => number[]) => { used, later, width, taskWidth }}
 */
export function createUnlimited(month) {
  const outcomes = month.tasks.map(() => new Map())
  const nothingEnded = []
  return (strategy) => {
    const results = month.tasks.map((task, index) => {
      const offsetsMs = strategy({ task, ended: nothingEnded })
      if (!outcomes[index].has(offsetsMs)) outcomes[index].set(offsetsMs, runAlone(task, offsetsMs, month.endMs))
      return outcomes[index].get(offsetsMs)
    })
    const read = results.filter(({ readers }) => readers > 0)
    return {
      used: total(results, ({ used }) => used),
      later: total(results, ({ later }) => later),
      width: total(read, ({ sum }) => sum) / total(read, ({ readers }) => readers),
      taskWidth: total(read, ({ sum, readers }) => sum / readers) / read.length,
    }
  }
}

function runAlone({ at, people, reads }, offsetsMs, endMs) {
  let [used, later, seen, sum, before] = [0, 0, 0, 0, 0]
  for (const offsetMs of offsetsMs) {
    if (seen === people) break
    if (at + offsetMs < endMs) used++
    else later++
    const minute = offsetMs / MINUTE_MS
    for (; seen < people && reads[seen] <= minute; seen++) sum += minute - before
    before = minute
  }
  return { used, later, sum, readers: seen }
}

const total = (items, valueOf) => items.reduce((sum, item) => sum + valueOf(item), 0)

/** The event with the least time first; of those at the same time the one that was pushed first. */
class Heap {
  items = []
  pushed = 0

  get size() {
    return this.items.length
  }

  push(at, event) {
    const { items } = this
    items.push({ ...event, at, order: this.pushed++ })
    for (let i = items.length - 1; i > 0 && isBefore(items[i], items[(i - 1) >> 1]); i = (i - 1) >> 1) swap(items, i, (i - 1) >> 1)
  }

  pop() {
    const { items } = this
    swap(items, 0, items.length - 1)
    const first = items.pop()
    for (let i = 0; ; ) {
      const right = 2 * i + 2
      const child = right < items.length && isBefore(items[right], items[right - 1]) ? right : right - 1
      if (child >= items.length || !isBefore(items[child], items[i])) return first
      swap(items, i, child)
      i = child
    }
  }
}

const isBefore = (a, b) => a.at < b.at || (a.at === b.at && a.order < b.order)

function swap(items, i, j) {
  const held = items[i]
  items[i] = items[j]
  items[j] = held
}
