import { penaltyEndOf, quotaResetAfter, type Verdict, verdictOf } from './classify.ts'
import type { Answer, Refusal, Task } from './delivery.ts'
import { unitOf } from './hash.ts'
import type { LookPlan, PollOutcome, TaskUpdate } from './look-plan.ts'
import { type Draft, exchangeOf, finish, unchanged } from './plan-finish.ts'
import { jitterOf, nextPlannedLook, retryDelayMs, type Timing } from './schedule.ts'

/** "Call timeout" answers in a row, with no good answer ever, that show a task to be untrackable. */
const MAX_CALL_TIMEOUTS = 3

const TRANSIENT_RETRIES = 6

/** What a failed look is judged by. */
interface Failure {
  readonly task: Task
  readonly now: Date
  readonly timing: Timing
  /** Code and message, as a reason may quote them. */
  readonly said: string
  /** The task's columns with this failure counted. */
  readonly counted: TaskUpdate
}

/** What a look changes beyond its own row. */
type Reaction = Pick<Draft, 'task' | 'app' | 'retryAt'>

/** errcode 0 without lists: it says nothing about the people, so it is followed up like a failure. */
export function planEmpty(task: Task, answer: Extract<Answer, { kind: 'empty' }>, now: Date, timing: Timing): LookPlan {
  return finish(task, now, timing, {
    poll: { ...exchangeOf(answer), outcome: 'empty', code: '0', message: 'errcode 0 without send_result: no information', anomalies: 0 },
    changed: [],
    transitions: [],
    task: { ...unchanged(task), failuresInRow: task.failuresInRow + 1, timeoutsInRow: 0 },
    app: { kind: 'healthy' },
    retryAt: retryAtOf(task, now, timing, TRANSIENT_RETRIES),
  })
}

export function planRefused(task: Task, answer: Refusal, now: Date, timing: Timing): LookPlan {
  const verdict = verdictOf(answer.code, answer.message)
  const counted: TaskUpdate = {
    ...unchanged(task),
    failuresInRow: task.failuresInRow + 1,
    timeoutsInRow: verdict.kind === 'callTimeout' ? task.timeoutsInRow + 1 : 0,
  }
  const said = `${answer.code} ${answer.message}`.trim()
  return finish(task, now, timing, {
    poll: { ...exchangeOf(answer), outcome: outcomeOf(verdict), code: answer.code, message: answer.message, anomalies: 0 },
    changed: [],
    transitions: [],
    ...react({ task, now, timing, said, counted }, verdict, answer.message),
  })
}

function react(failure: Failure, verdict: Verdict, message: string): Reaction {
  switch (verdict.kind) {
    case 'throttled':
      return slowDown(failure, message)
    case 'quota':
      return waitForQuota(failure)
    case 'token':
      return pauseApp(failure, 'check the app key and app secret')
    case 'configuration':
      return pauseApp(failure, verdict.remedy)
    case 'task':
      return stop(failure, `refused: ${verdict.remedy} (DingTalk said: ${failure.said})`)
    case 'callTimeout':
      return isProbablyTooLarge(failure) ? stop(failure, TOO_MANY) : tryLater(failure, TRANSIENT_RETRIES)
    case 'transient':
      return tryLater(failure, verdict.quickRetries)
    // A refusal with the code of success cannot come from readAnswer; treat it as noise.
    case 'ok':
      return tryLater(failure, TRANSIENT_RETRIES)
  }
}

/** A rate limit is not this task's fault: it counts as no attempt. */
function slowDown({ task, now, timing, said }: Failure, message: string): Reaction {
  const until = penaltyEnd(message, now, timing)
  return { task: unchanged(task), app: { kind: 'throttle', until, reason: said }, retryAt: until }
}

/** The end that the message names. One further away than a task lives is not believed whole: a wrong date must not silence an app for good. */
function penaltyEnd(message: string, now: Date, timing: Timing): Date {
  const hint = penaltyEndOf(message)
  if (hint === null || hint <= now) return new Date(now.getTime() + timing.throttleMs)
  return new Date(Math.min(hint.getTime(), now.getTime() + timing.windowMs))
}

function waitForQuota({ task, now, said }: Failure): Reaction {
  const until = quotaResetAfter(now)
  const reason = `the organisation's monthly quota is used up (${said})`
  return { task: unchanged(task), app: { kind: 'quota', until, reason }, retryAt: until }
}

function pauseApp({ now, timing, said, counted }: Failure, remedy: string): Reaction {
  const retryAt = new Date(now.getTime() + timing.probeBaseMs)
  return { task: counted, app: { kind: 'pause', reason: `${remedy} (DingTalk said: ${said})` }, retryAt }
}

function stop({ counted }: Failure, reason: string): Reaction {
  return { task: { ...counted, status: 'stopped', reason }, app: { kind: 'none' }, retryAt: null }
}

const TOO_MANY = `probably_too_many_recipients: DingTalk answered "Call timeout" ${MAX_CALL_TIMEOUTS} times and never gave a result; it reports at most 100 recipients a task. Send in batches of 100`

function isProbablyTooLarge({ task, counted }: Failure): boolean {
  return task.goodPolls === 0 && counted.timeoutsInRow >= MAX_CALL_TIMEOUTS
}

function tryLater({ task, now, timing, counted }: Failure, quickRetries: number): Reaction {
  return { task: counted, app: { kind: 'none' }, retryAt: retryAtOf(task, now, timing, quickRetries) }
}

function outcomeOf(verdict: Verdict): PollOutcome {
  switch (verdict.kind) {
    case 'callTimeout':
      return 'call_timeout'
    case 'token':
      return 'configuration'
    case 'ok':
      return 'transient'
    default:
      return verdict.kind
  }
}

/** After a failure: soon, while quick retries are left or the last look is at stake; else (null) when the next look is planned. */
function retryAtOf(task: Task, now: Date, timing: Timing, quickRetries: number): Date | null {
  const failures = task.failuresInRow + 1
  const delayMs = retryDelayMs(failures, timing, unitOf(`${task.key.app} ${task.key.taskId} ${task.pollNo}`))
  const planned = nextPlannedLook(task, now, timing, jitterOf(task.key))
  if (planned === null) return new Date(now.getTime() + lastRetryDelayMs(task, now, timing, delayMs))
  const retryAt = new Date(now.getTime() + delayMs)
  return failures <= quickRetries && retryAt < planned.at ? retryAt : null
}

/** The last look failed: it is retried ever faster until the deadline, at most a tenth of the time left away. */
function lastRetryDelayMs(task: Task, now: Date, timing: Timing, delayMs: number): number {
  const leftMs = task.deadlineAt.getTime() - now.getTime()
  return Math.min(delayMs, Math.max(leftMs / 10, timing.retryBaseMs / 6))
}
