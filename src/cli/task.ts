import {
  answerText,
  delayText,
  endReasonText,
  notAdmittedText,
  problemOfDelay,
  problemRemedy,
  problemText,
  type Stored,
} from '../domain/messages.ts'
import type { TaskRates } from '../report/rates.ts'
import type { TaskReport } from '../report/task-report.ts'
import { NAMES_SHOWN, namesFact, rateFacts, timeFacts, unreadFact } from './figures.ts'
import type { Display } from './rates.ts'
import { type Fact, joinSections, renderFacts } from './text/layout.ts'
import { describeNextPolls, pollsTable } from './text/polls.ts'
import { plainText } from './text/table.ts'
import { showDistance, showTime } from './text/time.ts'

/** The latest polls; the table delivery_poll has all of them. */
const POLLS_SHOWN = 6

export function describeTask(report: TaskReport, now: Date, display: Display): string {
  const { task, polls, people, unreadAsOf, elapsedMs, scale } = report
  const span = { from: task.sentAt, until: task.deadlineAt, now }
  const command = `npx dingtalk-delivery unread ${task.taskId}`
  const unread = people.filter(({ state }) => state === 'unread')
  const facts = [...taskFacts(task, now), ...rateFacts(task, report, span, display)]
  const reads = [...timeFacts(report, elapsedMs, scale), unreadFact(task, unreadAsOf, unread.slice(0, NAMES_SHOWN), command)]
  const pollFacts: Fact[] = [
    ['Polls', describePolls(task)],
    ['Next polls', describeNextPolls(report, now)],
  ]
  return joinSections(
    [
      { text: renderFacts(facts, display), spare: 0 },
      { text: renderFacts(reads, display), spare: 1 },
      { text: polls.length === 0 ? null : pollsTable(polls.slice(-POLLS_SHOWN), now, display), spare: 3 },
      { text: renderFacts(pollFacts, display), spare: 2 },
    ],
    display.height,
  )
}

function taskFacts(task: TaskRates, now: Date): Fact[] {
  return [
    ['Task', `${plainText(task.taskId)} of app ${plainText(task.app)}`],
    ['Campaign', task.campaign === null ? null : plainText(task.campaign)],
    ['Status', task.status],
    ['Reason', describeReason(task)],
    ...problemFacts(task, now),
    ['Sent', describeSent(task, now)],
    ['Deadline', `${showTime(task.deadlineAt)}, ${showDistance(task.deadlineAt, now)}`],
    ['As of', describeAsOf(task, now)],
    namesFact(task),
  ]
}

function describeReason({ reasonCode, reasonDetail }: TaskRates): string | null {
  if (reasonCode === null) return null
  const reason = { code: reasonCode, detail: reasonDetail }
  const answer = answerText(reason, 'en')
  return plainText(`${endReasonText(reason, 'en', showTime)}${answer === null ? '' : ` ${answer}`}`)
}

/** Why an open task cannot be polled now, or is polled later than planned. */
function problemFacts(
  { status, problemCode, problemDetail, problemSince, delayCode, delayDetail, admitted }: TaskRates,
  now: Date,
): Fact[] {
  if (status !== 'tracking') return []
  const delay = delayCode === null ? null : { code: delayCode, detail: delayDetail }
  return [
    ...(problemCode === null ? [] : describeProblem('Problem', { code: problemCode, detail: problemDetail }, problemSince, now)),
    ['Delayed', delay === null ? null : plainText(delayText(delay, 'en', showTime))],
    ['', delay === null ? null : describeRemedy(problemOfDelay(delay))],
    ['Not admitted', admitted ? null : notAdmittedText('en')],
  ]
}

/** The problem, since when, the answer, and the remedy. */
function describeProblem(name: string, problem: Stored, since: Date | null, now: Date): Fact[] {
  const answer = answerText(problem, 'en')
  return [
    [name, plainText(problemText(problem, 'en'))],
    ['', since === null ? null : `since ${showTime(since)}, ${showDistance(since, now)}`],
    ['', answer === null ? null : plainText(answer)],
    ['', describeRemedy(problem)],
  ]
}

function describeRemedy(problem: Stored | null): string | null {
  const remedy = problem === null ? '' : problemRemedy(problem, 'en')
  return remedy === '' ? null : plainText(remedy)
}

function describeSent({ sentAt, sentAtGiven }: TaskRates, now: Date): string {
  const sent = `${showTime(sentAt)}, ${showDistance(sentAt, now)}`
  return sentAtGiven ? sent : `${sent} (assumed: the time of the enqueue, since the send time was not given)`
}

/** All figures are as of the last successful poll. */
function describeAsOf({ lastObservedAt, status }: TaskRates, now: Date): string {
  if (lastObservedAt === null) return status === 'tracking' ? 'no successful poll yet' : 'no poll succeeded'
  const shown = `${showTime(lastObservedAt)}, ${showDistance(lastObservedAt, now)}`
  return status === 'expired' || status === 'stopped' || status === 'cancelled' ? `${shown}; later reads are not known` : shown
}

function describePolls({ polls, goodPolls, calls }: TaskRates): string {
  const made = polls === goodPolls ? `${polls}` : `${polls}, of which ${goodPolls} succeeded`
  return calls === polls ? made : `${made}; ${calls} calls`
}
