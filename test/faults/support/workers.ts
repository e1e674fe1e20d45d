import type { ApiPageServer } from '../../support/api-page-server.ts'
import type { Exit, NodeProcess } from '../../support/process.ts'
import { until } from '../../support/wait.ts'

/** Answers of DingTalk that a test holds back, so that polls are under way for as long as it wants. */
export interface HeldAnswers {
  /** The tasks whose polls wait for an answer. */
  taskIds(): readonly string[]
  /** Resolves when so many wait. */
  count(atLeast: number): Promise<void>
  /** They are answered as of now, and later ones at once. */
  release(): void
}

export function holdAnswers(server: ApiPageServer): HeldAnswers {
  const waiting: Array<{ readonly taskId: string; readonly answer: () => void }> = []
  server.beforeAnswer = (taskId) =>
    new Promise((answer) => {
      waiting.push({ taskId, answer })
    })
  return {
    taskIds: () => waiting.map(({ taskId }) => taskId),
    count: async (atLeast) => {
      await until(() => waiting.length >= atLeast, { everyMs: 5, what: `${atLeast} polls wait for an answer` })
    },
    release() {
      server.beforeAnswer = async () => {}
      for (const { answer } of waiting) answer()
    },
  }
}

export function totalCalls({ calls }: ApiPageServer): number {
  return [...calls.values()].reduce((sum, each) => sum + each, 0)
}

/** The most calls in any second. */
export function busiestSecond({ arrivals }: ApiPageServer): number {
  let from = 0
  return arrivals.reduce((most, at, i) => {
    while ((arrivals[from] ?? at) <= at - 1_000) from++
    return Math.max(most, i - from + 1)
  }, 0)
}

/** How it ended; null while it runs. */
export function endOf(worker: NodeProcess): Promise<Exit | null> {
  return Promise.race([worker.exit, Promise.resolve(null)])
}

/** The worker that the scenario started. */
export function firstOf(workers: readonly NodeProcess[]): NodeProcess {
  const [first] = workers
  if (first === undefined) throw new Error('no worker was started')
  return first
}
