import { answerText, delayText, endReasonText, problemOfDelay, problemRemedy, problemText, type Stored } from '../domain/messages.ts'
import type { CurvePoint, Poll, RateReader, TaskRates, TaskRef } from '../report/rates.ts'
import { type Figures, NAMES_SHOWN, namesFact, rateFacts, readCurve, timeFacts, unreadFact } from './figures.ts'
import type { Display } from './rates.ts'
import { severalApps, unknownTask } from './reads.ts'
import { type Fact, renderFacts } from './text/facts.ts'
import { describeNextPolls, pollsTable } from './text/polls.ts'
import { joinSections } from './text/sections.ts'
import { scaleOf } from './text/sparkline.ts'
import { plainText } from './text/table.ts'
import { showDistance, showTime } from './text/time.ts'

/** One task in full. */
export interface TaskView extends Figures {
  readonly task: TaskRates
  readonly polls: readonly Poll[]
  readonly curve: readonly CurvePoint[]
}

/** The latest polls tell how it goes; all of them are in the table delivery_poll. */
const LOOKS_SHOWN = 6

export async function loadTask(reader: RateReader, ref: TaskRef): Promise<TaskView> {
  const task = await reader.task(ref).catch(unknownTask).catch(severalApps)
  const key = { taskId: task.taskId, app: task.app }
  const [polls, curve, { band, timeToRead }, forbidden, unread, unreadAsOf] = await Promise.all([
    reader.polls(key),
    reader.curve(key),
    reader.readTimes(key),
    reader.forbidden(key),
    reader.recipients(key, { state: 'unread' }),
    reader.unreadAsOf(key),
  ])
  const names = unread.slice(0, NAMES_SHOWN).map(({ userId }) => userId)
  return { task, polls, curve, band, timeToRead, forbidden, unread: names, unreadAsOf }
}

export function taskAsJson({ task, polls, curve, timeToRead, forbidden, unreadAsOf }: TaskView): string {
  return JSON.stringify({ ...task, unreadAsOf, timeToRead, curve, forbiddenReasons: forbidden, polls }, null, 2)
}

/** @param pollsPerTask of this command's settings, for the polls that are planned */
export function describeTask(view: TaskView, now: Date, pollsPerTask: number, display: Display): string {
  const { task, polls } = view
  const span = { from: task.sentAt, until: task.deadlineAt, now, scale: scaleOf(task), ends: { from: 'sent', until: 'deadline' } }
  const command = `dingtalk-delivery unread ${task.taskId}`
  const facts = renderFacts([...taskFacts(task, now), ...rateFacts(task, display)], display)
  const reading = renderFacts([...timeFacts(view, span), unreadFact(task, view, command)], display)
  const table = polls.length === 0 ? null : pollsTable(polls.slice(-LOOKS_SHOWN), now, display)
  return joinSections(
    [
      { text: facts, spare: 0 },
      { text: readCurve(task, view, span, display), spare: 1 },
      { text: reading, spare: 2 },
      { text: table, spare: 4 },
      { text: pollFacts(task, pollsPerTask, now, display), spare: 3 },
    ],
    display.height,
  )
}

function pollFacts(task: TaskRates, pollsPerTask: number, now: Date, display: Display): string {
  const facts: Fact[] = [
    ['Polls', describePolls(task)],
    ['Next polls', describeNextPolls(task, pollsPerTask, now)],
  ]
  return renderFacts(facts, display)
}

function taskFacts(task: TaskRates, now: Date): Fact[] {
  return [
    ['Task', `${plainText(task.taskId)} of app ${plainText(task.app)}`],
    ['Campaign', task.campaign === null ? null : plainText(task.campaign)],
    ['Status', task.status],
    ['Reason', reasonInWords(task)],
    ...problemFacts(task, now),
    ['Sent', sentInWords(task, now)],
    ['Deadline', `${showTime(task.deadlineAt)}, ${showDistance(task.deadlineAt, now)}`],
    ['As of', asOfInWords(task, now)],
    namesFact(task),
  ]
}

function reasonInWords({ reasonCode, reasonDetail }: TaskRates): string | null {
  if (reasonCode === null) return null
  const reason = { code: reasonCode, detail: reasonDetail }
  const answer = answerText(reason, 'en')
  return plainText(`${endReasonText(reason, 'en', showTime)}${answer === null ? '' : ` ${answer}`}`)
}

/** Why an open task cannot be polled now, or is polled later than planned. */
function problemFacts({ status, problemCode, problemDetail, problemSince, delayCode, delayDetail }: TaskRates, now: Date): Fact[] {
  if (status !== 'tracking') return []
  const delay = delayCode === null ? null : { code: delayCode, detail: delayDetail }
  return [
    ...(problemCode === null ? [] : factsOfProblem('Problem', { code: problemCode, detail: problemDetail }, problemSince, now)),
    ['Delayed', delay === null ? null : plainText(delayText(delay, 'en', showTime))],
    ['', delay === null ? null : remedyInWords(problemOfDelay(delay))],
  ]
}

/** What is wrong, since when, what was answered, and what to do. */
function factsOfProblem(name: string, problem: Stored, since: Date | null, now: Date): Fact[] {
  const answer = answerText(problem, 'en')
  return [
    [name, plainText(problemText(problem, 'en'))],
    ['', since === null ? null : `since ${showTime(since)}, ${showDistance(since, now)}`],
    ['', answer === null ? null : plainText(answer)],
    ['', remedyInWords(problem)],
  ]
}

function remedyInWords(problem: Stored | null): string | null {
  const remedy = problem === null ? '' : problemRemedy(problem, 'en')
  return remedy === '' ? null : plainText(remedy)
}

function sentInWords({ sentAt, sentAtGiven }: TaskRates, now: Date): string {
  const sent = `${showTime(sentAt)}, ${showDistance(sentAt, now)}`
  return sentAtGiven ? sent : `${sent} (assumed: the time of the enqueue, since the send time was not given)`
}

/** All figures are as of the last successful poll; of a task that has ended nothing newer will ever be known. */
function asOfInWords({ lastObservedAt, status }: TaskRates, now: Date): string {
  if (lastObservedAt === null) return status === 'tracking' ? 'nothing is known yet' : 'nothing was ever known'
  const shown = `${showTime(lastObservedAt)}, ${showDistance(lastObservedAt, now)}`
  return status === 'expired' || status === 'stopped' || status === 'cancelled' ? `${shown}; who read later is not known` : shown
}

function describePolls({ polls, goodPolls, calls }: TaskRates): string {
  const made = polls === goodPolls ? `${polls}` : `${polls}, of which ${goodPolls} brought an answer`
  return calls === polls ? made : `${made}; ${calls} calls`
}
