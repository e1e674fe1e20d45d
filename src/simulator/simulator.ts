import { createTask, type QuotaChange, rotateSecret, type SecretRotation, setQuota, type TaskInput } from './changes.ts'
import { type Bench, clearFaults, type GivenAnswer, type GivenAnswers } from './control.ts'
import type { Directory } from './directory.ts'
import { createFaultBook, type FaultInput, parseFault } from './faults.ts'
import type { QuotaState } from './limits.ts'
import type { TrueCurve } from './reading.ts'
import { listen } from './server.ts'
import { createClock, parseSettings, type SimulatorOptions } from './settings.ts'
import { createCallCounter, type SimulatorStats, type TaskCalls } from './stats.ts'
import { type TaskTruth, toTruth } from './task.ts'
import { World } from './world.ts'

export type { LawInput } from './attention.ts'
export type { QuotaChange, SecretRotation, TaskInput } from './changes.ts'
export type { GivenAnswer } from './control.ts'
export type { Directory } from './directory.ts'
export type { FaultInput } from './faults.ts'
export type { TrueCurve } from './reading.ts'
export type { SimulatorOptions } from './settings.ts'
export type { SimulatorStats, TaskCalls } from './stats.ts'
export type { TaskTruth } from './task.ts'

export interface Simulator {
  /** For `DINGTALK_OAPI_URL` and `DINGTALK_API_URL` alike, without a slash at the end. */
  readonly url: string
  /** The truth about the people of a task, which a tracker should find. */
  truth(taskId: string): TaskTruth | undefined
  /** The truth about departments and people, which a client of the contact API should find. The first department is the root. */
  readonly directory: Directory
  /** The local time at the start with its real moment, for the worker's variable `CLOCK_START`; null without the option `clockStart`. */
  readonly clockStart: string | null
  /**
   * The share of recipients that has read by each minute after a send, as the law of attention has it; undefined without one.
   * @param campaign of tasks that a test made; without it the mean over campaigns, which is what a plan can know
   */
  trueCurve(sentAt: Date, campaign?: string): TrueCurve | undefined
  /** The successful getsendresult answers of a task, oldest first; empty without the option `keepAnswers`. */
  answers(taskId: string): readonly GivenAnswer[]
  /** Makes a task person by person, as `POST /_simulator/tasks`. @throws {InvalidInputError} */
  createTask(input: TaskInput): TaskTruth
  /** As `POST /_simulator/faults`. @returns the fault's id, for `clearFault`. @throws {InvalidInputError} */
  inject(fault: FaultInput): number
  /** Ends one fault; the penalty of a throttle that has struck goes on. @returns whether it was in force */
  clearFault(id: number): boolean
  /** Ends all faults, a throttle's penalty too. */
  clearFaults(): void
  /** From now on the app accepts this secret only, as `POST /_simulator/rotate-secret`. @throws {InvalidInputError} */
  rotateSecret(rotation: SecretRotation): void
  /** Sets the rest of a month's calls, or buys more, as `POST /_simulator/quota`. @throws {InvalidInputError} */
  setQuota(change: QuotaChange): QuotaState
  stats(): SimulatorStats
  /** The calls that named a task, each poll with its time; zero calls for a task that no call named. */
  taskCalls(taskId: string): TaskCalls
  /** As `taskCalls`, for every task that a call has named. */
  allTaskCalls(): TaskCalls[]
  /** Quick, whatever hangs; safe to call twice. */
  close(): Promise<void>
}

/**
 * Starts a server that answers as DingTalk does; docs/simulator.md describes it. Libraries considered: WireMock, MockServer, msw and nock serve
 * fixed answers; here each answer depends on the clock, the people and the calls before, and is served to other processes.
 * @throws {InvalidInputError} for an option that is not what it must be; the system's own error when the port is taken
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = parseSettings(options)
  const now = createClock(options.now)
  const bench = createBench(new World(settings, now()), createFaultBook(settings.seed), now)
  const listener = await listen(bench, now, settings.port, settings.host)
  return {
    url: listener.url,
    truth: (taskId) => {
      const task = bench.world.task(taskId)
      return task === undefined ? undefined : toTruth(task)
    },
    directory: bench.world.directory,
    clockStart: bench.world.week.clockStart,
    trueCurve: (sentAt, campaign) => bench.world.reader?.trueCurve(sentAt.getTime(), campaign),
    answers: (taskId) => bench.answers.get(taskId) ?? [],
    createTask: (input) => toTruth(createTask(bench.world, input, now())),
    inject: (fault) => bench.faults.add(parseFault(fault), now()),
    clearFault: (id) => bench.faults.remove(id),
    clearFaults: () => void clearFaults(bench, now()),
    rotateSecret: (rotation) => void rotateSecret(bench.world, rotation, now()),
    setQuota: (change) => setQuota(bench.world, change, now()),
    stats: bench.stats,
    taskCalls: (taskId) => bench.counter.tasks.find(taskId),
    allTaskCalls: () => bench.counter.tasks.list(),
    close: () => listener.close(),
  }
}

function createBench(world: World, faults: Bench['faults'], now: () => number): Bench {
  const counter = createCallCounter()
  const answers: GivenAnswers = new Map()
  const stats = () => counter.snapshot(world.findQuota(world.settings.apps[0]?.appKey).stateAt(now()))
  return { world, faults, counter, answers, stats }
}
