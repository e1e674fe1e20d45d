import { ERRORS, TrackerError } from '../../domain/errors.ts'
import { answerText, delayText, endReasonText, problemOfDelay, problemRemedy, problemText, type Stored } from '../../domain/messages.ts'
import { PROBLEM_RULES } from '../../domain/problems.ts'
import type { Finding } from '../../lib/finding.ts'
import type { AppUsage, Pause, TaskRates, TaskRef } from '../../report/rates.ts'
import { readTaskProblems } from '../../store/gauges.ts'
import { createRateReader } from '../../store/rate-reader.ts'
import { withQueueTimeout } from './check.ts'
import type { DatabaseNeeds } from './database.ts'

/**
 * What keeps tasks from being polled, a finding for each app, agent id, worker and kind of problem. Empty: nothing does, or the database does not
 * say, which is for its own check to tell.
 */
export async function problemFindings({ database, timeoutMs }: DatabaseNeeds): Promise<Finding[]> {
  const reader = createRateReader(database)
  const asked = withQueueTimeout(Promise.all([reader.apps(), readTaskProblems(database)]), timeoutMs)
  const [apps, tasks] = await asked.catch(() => [[], []] as const)
  return [
    ...apps.flatMap(findingsOfApp),
    ...tasks
      .filter(({ problem }) => isForPeople(problem.code))
      .map(({ app, tasks: count, taskId, problem }) =>
        warning(`tasks of app "${app}"`, problem, count === 1 ? `Task ${taskId}. ` : `${count} tasks, such as ${taskId}. `),
      ),
  ]
}

/** One task: whether it can be polled, or why it ended. @param ref as the command was given it */
export async function taskFinding({ database, timeoutMs }: DatabaseNeeds, ref: TaskRef): Promise<Finding> {
  const name = `task ${ref.taskId}`
  try {
    return findingOfTask(name, await withQueueTimeout(createRateReader(database).task(ref), timeoutMs))
  } catch (error) {
    if (!(error instanceof TrackerError)) throw error
    return { name, ok: false, detail: error.message, remedy: ERRORS[error.code].remedy.command ?? 'see the check "database"' }
  }
}

function findingOfTask(name: string, task: TaskRates): Finding {
  const { status, reasonCode, reasonDetail, problemCode, problemDetail, delayCode, delayDetail, nextPollAt } = task
  if (status !== 'tracking') {
    const why = reasonCode === null ? '' : `: ${endReasonText({ code: reasonCode, detail: reasonDetail }, 'en')}`
    return { name, ok: true, detail: `${status}${why}` }
  }
  if (problemCode !== null) return warning(name, { code: problemCode, detail: problemDetail })
  const next = nextPollAt === null ? '' : `, the next poll is due at ${nextPollAt.toISOString()}`
  if (delayCode === null) return { name, ok: true, detail: `tracked${next}` }
  const delay = { code: delayCode, detail: delayDetail }
  const paused = problemOfDelay(delay)
  const remedy = paused === null ? '' : problemRemedy(paused, 'en')
  return { name, ok: true, warning: true, detail: delayText(delay, 'en'), remedy: remedy === '' ? 'It is polled by itself.' : remedy }
}

function findingsOfApp({ app, pairs, workerProblems, ...pause }: AppUsage): Finding[] {
  const paused = (name: string, { pauseCode, pauseDetail }: Pause): Finding[] =>
    pauseCode === null ? [] : [warning(name, { code: pauseCode, detail: pauseDetail }, 'Paused. ')]
  return [
    ...paused(`app "${app}"`, pause),
    ...pairs.flatMap((pair) => paused(`agent id ${pair.agentId} of app "${app}"`, pair)),
    ...workerProblems.map(({ workerId, problemCode, problemDetail }) =>
      warning(`app "${app}" at one worker`, { code: problemCode, detail: problemDetail }, `Worker ${workerId}. `),
    ),
  ]
}

/** Not what comes back by itself within minutes. */
function isForPeople(code: string): boolean {
  const rule = Object.entries(PROBLEM_RULES).find(([known]) => known === code)?.[1]
  return rule?.followUp !== 'planned' && rule?.outcome !== 'throttled'
}

function warning(name: string, problem: Stored, before = ''): Finding {
  const answer = answerText(problem, 'en')
  const remedy = problemRemedy(problem, 'en')
  return {
    ...{ name, ok: true, warning: true },
    detail: `${before}${problemText(problem, 'en')}${answer === null ? '' : ` ${answer}`}`,
    remedy: remedy === '' ? 'Install the newer version, which knows this code.' : remedy,
  }
}
