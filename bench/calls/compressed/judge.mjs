/**
 * What must hold at the end of a compressed month, from what PostgreSQL and the simulator have. Nothing in here reads a clock or a file.
 *
 * @typedef {{ app: string, month: string, most: number, used: number }} MonthOfCalls calls that the limiter granted; `most`: at any moment of the month
 * @typedef {{ app: string, taskId: string, sentAt: Date, deadlineAt: Date, sentAtGiven: boolean, status: string, admitted: boolean, calls: number,
 *   finalCalls: number, delayCode: string | null, placedBy: string | null, planned: number | null, finalAt: Date | null }} TaskRow
 * @typedef {{ app: string, taskId: string, dueAt: Date | null, requestedAt: Date, outcome: string }} PollRow
 * @typedef {{ app: string, taskId: string, userId: string, after: Date | null, before: Date }} ReaderRow
 *
 * @typedef {object} Facts
 * @property {number} budget calls a month of each app
 * @property {number} timeScale
 * @property {{ localMs: number, realMs: number }} clock both clocks at the start
 * @property {readonly TaskRow[]} tasks
 * @property {readonly PollRow[]} polls
 * @property {readonly ReaderRow[]} readers
 * @property {readonly MonthOfCalls[]} months
 * @property {ReadonlyMap<string, { app: string, sentAt: Date, readers: ReadonlyMap<string, Date> }>} truth by task id; readers by user id
 * @property {ReadonlyMap<string, ReadonlyArray<{ at: Date, code: string | null }>>} arrivals polls at the server, by task id
 * @property {ReadonlyMap<string, number>} metered calls that the server counted for the quota, by app
 * @property {readonly import('./mischief.mjs').Disturbance[]} disturbances
 */

const MINUTE_MS = 60_000
/** The final poll is due at most so long before the deadline. */
const FINAL_WINDOW_MS = 12 * MINUTE_MS
/** When the final poll is due in the mean: who reads later is in no figure. */
const FINAL_MS = 1_431.5 * MINUTE_MS
/** What a reader counts whom no poll covered. */
const NO_BRACKET_MINUTES = 1_440
/** The polls of a killed worker wait for their locks to end, in real milliseconds. */
const LOCK_MS = 6_000
/** Calls are granted ahead and made a little later, in real milliseconds: near the end of a month the server may count a call in the next one. */
const BORDER_MS = 5_000
/** What a killed worker may have been granted and not made: a call for each poll under way, and a few that were granted ahead. */
const LOST_CALLS_A_KILL = 60
/** DingTalk does not count a call that its rate limit refused, so the tracker takes it off its own count. */
const RATE_LIMITED = '90018'

/**
 * @param {Facts} facts
 * @returns violations in words, none where all is well; figures
 */
export function judge(facts) {
  const finals = findFinals(facts)
  return {
    violations: [...budgetFaults(facts), ...countFaults(facts), ...endFaults(facts), ...finals.faults, ...bracketFaults(facts)],
    figures: {
      ...trafficFigures(facts),
      ...finals.figures,
      latePollMs: percentiles(
        facts.polls.flatMap(({ dueAt, requestedAt }) => (dueAt === null ? [] : [requestedAt.getTime() - dueAt.getTime()])),
      ),
      meanBracketMinutes: round(meanBracket(facts)),
    },
  }
}

/** Never a call over the budget in a month, neither granted nor made. */
function budgetFaults(facts) {
  const { budget, months } = facts
  const granted = months
    .filter(({ most }) => most > budget)
    .map(({ app, month, most }) => `${app} was granted ${most} calls in ${month}, and has ${budget}`)
  const made = [...callsByMonth(facts)]
    .filter(([, calls]) => calls > budget)
    .map(([name, calls]) => `${name}: ${calls} calls came to the server, and there are ${budget}`)
  return [...granted, ...made]
}

/** Calls at the server by app and month. */
function callsByMonth({ truth, arrivals, clock, timeScale }) {
  const calls = [...arrivals].flatMap(([taskId, each]) => each.filter(isCounted).map(({ at }) => ({ app: truth.get(taskId)?.app, at })))
  const sure = calls
    .map(({ app, at }) => ({ app, at, month: monthAt(at, clock, timeScale) }))
    .filter(({ at, month }) => isSurelyIn(month, at, clock, timeScale))
  return sumBy(
    sure,
    ({ app, month }) => `${app} in ${month}`,
    () => 1,
  )
}

function isCounted({ code }) {
  return code !== RATE_LIMITED
}

/** Not in the first seconds of the month: such a call may have been granted in the one before. */
function isSurelyIn(month, at, clock, timeScale) {
  return [at, new Date(at.getTime() - BORDER_MS)].every((each) => monthAt(each, clock, timeScale) === month)
}

/** @param {Date} at a real moment @returns {string} the month of the local time, such as 2026-11 */
function monthAt(at, { localMs, realMs }, timeScale) {
  return new Date(localMs + (at.getTime() - realMs) * timeScale).toISOString().slice(0, 7)
}

/** Every call that counts at the server was counted before it was made. What was counted and not made was lost with a worker. */
function countFaults({ months, truth, arrivals, metered, disturbances }) {
  const kills = disturbances.filter(({ kind }) => kind === 'kill').length
  const arrived = sumBy(
    [...arrivals],
    ([taskId]) => truth.get(taskId)?.app,
    ([, calls]) => calls.length,
  )
  const counted = sumBy(
    months,
    ({ app }) => app,
    ({ used }) => used,
  )
  return [...new Set([...arrived.keys(), ...counted.keys()])].flatMap((app) => {
    const [all, counting, own] = [arrived, metered, counted].map((each) => each.get(app) ?? 0)
    return [
      ...(counting > own ? [`${app}: ${counting} calls count at the server, and ${own} were counted here`] : []),
      ...(own - all > kills * LOST_CALLS_A_KILL ? [`${app}: ${own} calls were counted, and ${all} came to the server`] : []),
    ]
  })
}

/** Every task that was sent is there, and has ended. */
function endFaults({ tasks, truth }) {
  const known = new Set(tasks.map(({ taskId }) => taskId))
  const missing = [...truth.keys()].filter((taskId) => !known.has(taskId)).map((taskId) => `task ${taskId} is not in the database`)
  return [...missing, ...tasks.filter(({ status }) => status === 'tracking').map(({ taskId }) => `task ${taskId} has not ended`)]
}

/** Every admitted task has its final poll, or ended before, or something that is no fault of the plan kept it from it. */
function findFinals(facts) {
  const counts = {
    admitted: 0,
    refused: 0,
    endedEarly: 0,
    withFinalPoll: 0,
    finalPollFailed: 0,
    keptByLateness: 0,
    keptByFaults: 0,
    missing: 0,
  }
  const observed = byTask(facts.polls)
  const without = facts.tasks.filter((task) => {
    counts[task.admitted ? 'admitted' : 'refused']++
    const kind = task.admitted ? outcomeOf(task, observed.get(task.taskId) ?? [], facts) : null
    if (kind !== null) counts[kind]++
    return kind === 'keptByLateness' || kind === 'keptByFaults' || kind === 'missing'
  })
  const faults = reserveFaults(facts, without)
  if (counts.missing > 0) faults.push(`${counts.missing} admitted tasks have no final poll, and nothing kept them from it`)
  return { faults, figures: counts }
}

/** Whatever kept an admitted task from its final poll: until its deadline, the month had a call for it. What ends releases its call to others. */
function reserveFaults({ budget, truth, arrivals, clock, timeScale }, without) {
  const calls = [...arrivals].flatMap(([taskId, each]) => each.filter(isCounted).map(({ at }) => ({ app: truth.get(taskId)?.app, at })))
  return without.flatMap(({ app, taskId, deadlineAt }) => {
    const month = monthAt(deadlineAt, clock, timeScale)
    const made = calls.filter((call) => call.app === app && call.at < deadlineAt && isSurelyIn(month, call.at, clock, timeScale)).length
    return made < budget
      ? []
      : [`task ${taskId} of ${app} was admitted, and other tasks made all ${made} calls of ${month} before its final poll`]
  })
}

/**
 * @param {TaskRow} task an admitted one
 * @param {readonly PollRow[]} polls of the task
 * @returns {'withFinalPoll' | 'finalPollFailed' | 'endedEarly' | 'keptByLateness' | 'keptByFaults' | 'missing'}
 */
function outcomeOf(task, polls, { arrivals, timeScale, disturbances, polls: all }) {
  const fromMs = task.deadlineAt.getTime() - FINAL_WINDOW_MS / timeScale
  const isFinal = (at) => at.getTime() >= fromMs && at < task.deadlineAt
  const finals = polls.filter(({ requestedAt }) => isFinal(requestedAt))
  if (finals.some(({ outcome }) => outcome === 'observed')) return 'withFinalPoll'
  if (finals.length > 0 || (arrivals.get(task.taskId) ?? []).some(({ at }) => isFinal(at))) return 'finalPollFailed'
  if (task.status !== 'expired' && task.status !== 'stopped') return 'endedEarly'
  if (isLateNear(all, task, fromMs)) return 'keptByLateness'
  const isStruck = (each) => (each.app ?? task.app) === task.app && each.fromMs < task.deadlineAt.getTime() && each.toMs + LOCK_MS > fromMs
  return disturbances.some(isStruck) ? 'keptByFaults' : 'missing'
}

/** In a compressed day the final poll is due fractions of a second before the deadline. Polls nearby show whether the machine was later than that. */
function isLateNear(polls, { deadlineAt, finalAt }, fromMs) {
  const roomMs = deadlineAt - (finalAt ?? fromMs)
  const nearMs = BORDER_MS
  return polls.some(
    ({ dueAt, requestedAt }) =>
      dueAt !== null && dueAt < deadlineAt.getTime() + nearMs && requestedAt > fromMs - nearMs && requestedAt - dueAt > roomMs / 2,
  )
}

/** The true read time lies in the bracket of every reader. */
function bracketFaults({ readers, truth, tasks }) {
  const rows = new Map(tasks.map((task) => [task.taskId, task]))
  return readers.flatMap(({ taskId, userId, after, before }) => {
    const readAt = truth.get(taskId)?.readers.get(userId)
    const who = `a recipient of task ${taskId}`
    if (readAt === undefined) return [`${who} is stored as a reader, and never reads`]
    const from = after ?? (rows.get(taskId)?.sentAtGiven === false ? new Date(0) : truth.get(taskId).sentAt)
    return from <= readAt && readAt <= before
      ? []
      : [`${who} read at ${readAt.toISOString()}, outside (${from.toISOString()}, ${before.toISOString()}]`]
  })
}

/** Σ widths ÷ those who read before the final poll, in minutes. */
function meanBracket({ readers, truth, timeScale }) {
  const stored = new Map(readers.map((row) => [`${row.taskId} ${row.userId}`, row]))
  let [sum, count] = [0, 0]
  for (const [taskId, { sentAt, readers: true_ }] of truth) {
    for (const [userId, readAt] of true_) {
      if ((readAt - sentAt) * timeScale > FINAL_MS) continue
      const row = stored.get(`${taskId} ${userId}`)
      count++
      sum += row === undefined ? NO_BRACKET_MINUTES : ((row.before - (row.after ?? sentAt)) * timeScale) / MINUTE_MS
    }
  }
  return count === 0 ? 0 : sum / count
}

function trafficFigures({ tasks, polls, months, budget, arrivals, metered, readers, disturbances }) {
  const times = [...arrivals.values()].reduce((sum, each) => sum + each.length, 0)
  const used = months.reduce((sum, each) => sum + each.used, 0)
  return {
    tasks: tasks.length,
    polls: polls.length,
    callsCounted: used,
    callsAtServer: times,
    callsThatCountThere: [...metered.values()].reduce((sum, each) => sum + each, 0),
    callsInRows: tasks.reduce((sum, { calls }) => sum + calls, 0),
    readers: readers.length,
    monthsUsedUp: months.filter((each) => each.used === budget).length,
    mostOfAMonth: Math.max(0, ...months.map(({ most }) => most)),
    placedBy: countBy(tasks, ({ placedBy }) => placedBy ?? 'none'),
    disturbances: countBy(disturbances, ({ kind }) => kind),
  }
}

/** @param {readonly PollRow[]} polls */
function byTask(polls) {
  const found = new Map()
  for (const poll of polls) found.set(poll.taskId, [...(found.get(poll.taskId) ?? []), poll])
  return found
}

function sumBy(items, nameOf, valueOf) {
  const sums = new Map()
  for (const item of items) sums.set(nameOf(item), (sums.get(nameOf(item)) ?? 0) + valueOf(item))
  return sums
}

function countBy(items, nameOf) {
  return Object.fromEntries(sumBy(items, nameOf, () => 1))
}

function percentiles(values) {
  const sorted = Float64Array.from(values).sort()
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

function round(minutes) {
  return Math.round(minutes * 10) / 10
}
