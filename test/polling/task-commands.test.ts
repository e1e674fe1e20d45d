import { describe, expect, test } from 'vitest'
import type { ResumedTask, Resuming } from '../../src/polling/ports.ts'
import { cancelTask, resumeApp, resumeTask } from '../../src/polling/task-commands.ts'
import type { TaskRates } from '../../src/report/rates.ts'
import { aTask } from '../cli/support.ts'

const task = aTask()
const readerOf = (after: TaskRates) => ({ task: async () => after })
const resuming = (resumed: ResumedTask | null, tasks: number | null = null): Resuming => ({
  task: async () => resumed,
  app: async (app) => (tasks === null ? null : { app, tasks, tasksWithoutBudget: 0 }),
})
const appsOf = (...names: string[]) => ({ apps: async () => names.map((app) => ({ ...USAGE, app })) })
const USAGE = {
  ...{ openTasks: 0, tasksWithProblem: 0, tasksDelayed: 0, callsUsed: 0, month: '2026-11', pauseKind: null, pauseReason: null },
  ...{ pauseCode: null, pauseDetail: null, pauseSince: null, pausedUntil: null, lastGoodAt: null, pairs: [], workerProblems: [] },
}

test('a task that is resumed comes as it is then', async () => {
  expect(await resumeTask(readerOf(task), resuming({ isWithoutBudget: true }), task)).toEqual({ ...task, isWithoutBudget: true })
})

test.each([
  [
    { status: 'complete', reasonCode: 'all_read' },
    /has ended already \(complete\) at 2026-11-23T10:00:00\.000Z\. Every recipient has read\. Only/,
  ],
  [{ status: 'cancelled', reasonCode: 'cancelled' }, /\(cancelled\).*Tracking was ended on request\./],
  [{ status: 'expired', reasonCode: 'parameters', reasonDetail: { text: 'as 0.1.0 said it' } }, / as 0\.1\.0 said it Only/],
  [{ status: 'stopped', reasonCode: null, finishedAt: null }, /already \(stopped\)\. Only/],
] as const)('a task that has ended cannot be resumed: %o', async (columns, message) => {
  const ended = { ...task, finishedAt: new Date('2026-11-23T10:00:00Z'), ...columns }
  await expect(resumeTask(readerOf(ended), resuming(null), task)).rejects.toMatchObject({
    code: 'TASK_ENDED',
    message: expect.stringMatching(message),
  })
})

test('an unknown app is refused with the names of the known ones', async () => {
  expect(await resumeApp(appsOf(), resuming(null, 3), 'default')).toEqual({ app: 'default', tasks: 3, tasksWithoutBudget: 0 })
  const refused = (...known: string[]) => resumeApp(appsOf(...known), resuming(null), 'hr')
  await expect(refused('default', 'payroll')).rejects.toMatchObject({
    code: 'APP_NOT_FOUND',
    message: expect.stringMatching(/"hr".*default, payroll/),
  })
  await expect(refused()).rejects.toMatchObject({ code: 'APP_NOT_FOUND', message: expect.stringContaining('No app has so far.') })
})

describe('cancelling', () => {
  const cancel = (after: TaskRates, isNew: boolean) => cancelTask(readerOf(after), { cancel: async () => isNew }, task)
  const cancelled = { ...task, status: 'cancelled' } as const

  test('gives the task as it is then, and whether it was tracked until now', async () => {
    expect(await cancel(cancelled, true)).toEqual({ task: cancelled, isNew: true })
    expect(await cancel(cancelled, false)).toEqual({ task: cancelled, isNew: false })
  })

  test('a task that ended for another reason is refused', async () => {
    await expect(cancel({ ...task, status: 'expired' }, false)).rejects.toMatchObject({
      code: 'TASK_ENDED',
      message: expect.stringMatching(/has ended already \(expired\).* can be cancelled\.$/),
    })
  })
})
