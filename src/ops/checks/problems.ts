import { ERRORS, TrackerError } from '../../domain/errors.ts'
import {
  answerText,
  delayText,
  endReasonText,
  notAdmittedText,
  problemOfDelay,
  problemRemedy,
  problemText,
  type Stored,
} from '../../domain/messages.ts'
import { PROBLEM_RULES } from '../../domain/problems.ts'
import type { Finding } from '../../lib/finding.ts'
import type { AppUsage, Pause, TaskRates, TaskRef } from '../../report/rates.ts'
import { readTaskProblems } from '../../store/gauges.ts'
import { createRateReader } from '../../store/rate-reader.ts'
import { withDatabaseTimeout } from './check.ts'
import type { DatabaseNeeds } from './database.ts'

/**
 * Why tasks are not polled: a finding for each app, agent id, worker and kind of problem. Empty: all are polled, or the database does not answer,
 * which its own check reports.
 */
export async function problemFindings({ database, timeoutMs }: DatabaseNeeds): Promise<Finding[]> {
  const reader = createRateReader(database)
  const reading = withDatabaseTimeout(timeoutMs, Promise.all([reader.apps(), readTaskProblems(database)]))
  const [apps, tasks] = await reading.catch(() => [[], []] as const)
  return [
    ...apps.flatMap(findingsOfApp),
    ...tasks
      .filter(({ problem }) => needsOperator(problem.code))
      .map(({ app, tasks: count, taskId, problem }) =>
        warningFinding(`tasks of app "${app}"`, problem, count === 1 ? `Task ${taskId}. ` : `${count} tasks, such as ${taskId}. `),
      ),
  ]
}

/** One task: whether it can be polled, or why it ended; one that is not tracked may be asked for all the same. @param ref as the command was given it */
export async function taskFinding({ database, timeoutMs }: DatabaseNeeds, ref: TaskRef): Promise<Finding> {
  const name = `task ${ref.taskId}`
  try {
    return findingOfTask(name, await withDatabaseTimeout(timeoutMs, createRateReader(database).task(ref)))
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error
    if (error.code === 'TASK_NOT_FOUND') return { name, ok: true, detail: 'not tracked; "npx dingtalk-delivery track" starts it' }
    return { name, ok: false, detail: error.message, remedy: ERRORS[error.code].remedy.command ?? 'see the check "database"' }
  }
}

function findingOfTask(name: string, task: TaskRates): Finding {
  const { status, reasonCode, reasonDetail, problemCode, problemDetail, delayCode, delayDetail, nextPollAt, admitted } = task
  if (status !== 'tracking') {
    const why = reasonCode === null ? '' : `: ${endReasonText({ code: reasonCode, detail: reasonDetail }, 'en')}`
    return { name, ok: true, detail: `${status}${why}` }
  }
  if (problemCode !== null) return warningFinding(name, { code: problemCode, detail: problemDetail })
  if (!admitted) return { name, ok: true, warning: true, detail: notAdmittedText('en'), remedy: NOT_ADMITTED_REMEDY }
  const next = nextPollAt === null ? '' : `, the next poll is due at ${nextPollAt.toISOString()}`
  if (delayCode === null) return { name, ok: true, detail: `tracked${next}` }
  const delay = { code: delayCode, detail: delayDetail }
  const paused = problemOfDelay(delay)
  const remedy = paused === null ? '' : problemRemedy(paused, 'en')
  return { name, ok: true, warning: true, detail: delayText(delay, 'en'), remedy: remedy === '' ? 'It is polled by itself.' : remedy }
}

const NOT_ADMITTED_REMEDY = 'Raise MONTHLY_CALL_BUDGET, restart the workers, and resume the task.'

function findingsOfApp({ app, pairs, workerProblems, ...pause }: AppUsage): Finding[] {
  const paused = (name: string, { pauseCode, pauseDetail }: Pause): Finding[] =>
    pauseCode === null ? [] : [warningFinding(name, { code: pauseCode, detail: pauseDetail }, 'Paused. ')]
  return [
    ...paused(`app "${app}"`, pause),
    ...pairs.flatMap((pair) => paused(`agent id ${pair.agentId} of app "${app}"`, pair)),
    ...workerProblems.map(({ workerId, problemCode, problemDetail }) =>
      warningFinding(`app "${app}" at one worker`, { code: problemCode, detail: problemDetail }, `Worker ${workerId}. `),
    ),
  ]
}

/** False for problems that end by themselves within minutes. */
function needsOperator(code: string): boolean {
  const rule = Object.entries(PROBLEM_RULES).find(([each]) => each === code)?.[1]
  return rule?.followUp !== 'planned' && rule?.outcome !== 'throttled'
}

function warningFinding(name: string, problem: Stored, before = ''): Finding {
  const answer = answerText(problem, 'en')
  const remedy = problemRemedy(problem, 'en')
  return {
    ...{ name, ok: true, warning: true },
    detail: `${before}${problemText(problem, 'en')}${answer === null ? '' : ` ${answer}`}`,
    remedy: remedy === '' ? 'Install the newer version, which knows this code.' : remedy,
  }
}
