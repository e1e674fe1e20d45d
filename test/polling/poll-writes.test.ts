import { describe, expect, test } from 'vitest'
import { TrackerError } from '../../src/domain/errors.ts'
import type { WritePlan } from '../../src/domain/plan.ts'
import { poll } from '../../src/polling/poll.ts'
import { aScene, aTask, keyOf, type Rows, refused, SENT } from './support.ts'

const SIGNAL = new AbortController().signal
const task = aTask()
const due = task.nextPollAt ?? SENT
const later = (at: Date, ms: number): Date => new Date(at.getTime() + ms)

describe('a database that refuses writes', () => {
  const away = () => Promise.reject(new TrackerError('DATABASE_UNAVAILABLE', 'the disk is full'))

  test('the answer is kept and stored later, and DingTalk is not asked again', async () => {
    const scene = aScene(task, { now: due })
    let attempts = 0
    const store = { ...scene.rows, apply: (plan: WritePlan) => (++attempts < 4 ? away() : scene.rows.apply(plan)) }
    expect(await poll({ ...scene.deps, store }, task.key, SIGNAL)).toMatchObject({ kind: 'snooze' })
    expect([scene.calls(), attempts, scene.rows.row()?.goodPolls]).toEqual([1, 4, 1])
  })

  test('meanwhile no task is polled: each comes again in a second, and its row is left alone', async () => {
    const other = aTask({ key: keyOf(2) })
    const scene = aScene(task, { now: due })
    scene.rows.put(other)
    const first = { failed: () => {} }
    const hasFailed = new Promise<void>((resolve) => {
      first.failed = resolve
    })
    let isDown = true
    const store = { ...scene.rows, apply: (plan: WritePlan) => (isDown ? (first.failed(), away()) : scene.rows.apply(plan)) }
    const kept = poll({ ...scene.deps, store }, task.key, SIGNAL)
    await hasFailed
    await Promise.resolve()
    expect(await poll({ ...scene.deps, store }, other.key, SIGNAL)).toMatchObject({ kind: 'snooze' })
    expect([scene.calls(), scene.rows.row(other.key)]).toEqual([1, other])
    isDown = false
    await kept
    await poll({ ...scene.deps, store }, other.key, SIGNAL)
    expect([scene.calls(), scene.rows.row()?.goodPolls, scene.rows.row(other.key)?.goodPolls]).toEqual([2, 1, 1])
  })

  test('before the first write of a worker one poll at a time makes its call', async () => {
    const scene = aScene(task, { now: due })
    const others = [2, 3, 4].map((id) => aTask({ key: keyOf(id) }))
    for (const other of others) scene.rows.put(other)
    const results = await Promise.all([task, ...others].map(({ key }) => poll(scene.deps, key, SIGNAL)))
    expect(scene.calls()).toBe(1)
    expect(results.slice(1)).toEqual(others.map(() => ({ kind: 'snooze', until: { at: later(due, 100), last: false } })))
    await Promise.all(others.map(({ key }) => poll(scene.deps, key, SIGNAL)))
    expect(scene.calls()).toBe(4)
  })

  test('the problem of an attempt without a call is kept too', async () => {
    const scene = aScene(task, { now: due, answer: refused('HTTP_503', due), calls: 0 })
    let attempts = 0
    const store = { ...scene.rows, delay: (...args: Parameters<Rows['delay']>) => (++attempts < 3 ? away() : scene.rows.delay(...args)) }
    await poll({ ...scene.deps, store }, task.key, SIGNAL)
    expect([attempts, scene.rows.row()?.problem?.code]).toEqual([3, 'outage'])
  })

  test('the end of a task is tried again as well', async () => {
    const scene = aScene(task, { now: task.deadlineAt })
    let attempts = 0
    const store = { ...scene.rows, end: (...args: Parameters<Rows['end']>) => (++attempts < 3 ? away() : scene.rows.end(...args)) }
    expect(await poll({ ...scene.deps, store }, task.key, SIGNAL)).toEqual({ kind: 'done' })
    expect(scene.rows.row()?.status).toBe('expired')
  })

  test('a closing worker gives the write up with the reason of the signal', async () => {
    const scene = aScene(task, { now: due })
    const stop = new AbortController()
    const store = { ...scene.rows, apply: () => (stop.abort(new Error('shutting down')), away()) }
    await expect(poll({ ...scene.deps, store }, task.key, stop.signal)).rejects.toThrow('shutting down')
    expect(scene.rows.row()).toEqual(task)
  })

  test('an answer that the database refuses for itself is set aside for half an hour, its call counted; other tasks are polled', async () => {
    const other = aTask({ key: keyOf(2) })
    const scene = aScene(task, { now: due })
    scene.rows.put(other)
    const poison = (plan: WritePlan) =>
      plan.key.taskId === '2' ? scene.rows.apply(plan) : Promise.reject(new RangeError('value out of range'))
    const deps = { ...scene.deps, store: { ...scene.rows, apply: poison } }
    expect(await poll(deps, task.key, SIGNAL)).toEqual({ kind: 'snooze', until: { at: later(due, 30 * 60_000), last: false } })
    expect(scene.rows.row()).toMatchObject({ pollNo: 0, calls: 1, delay: { code: 'write_refused', detail: null } })
    expect(scene.notes.lines).toEqual(['failed: storing an answer, which is given up,', 'delayed: write_refused'])
    await poll(deps, other.key, SIGNAL)
    expect(scene.rows.row(other.key)?.goodPolls).toBe(1)
  })

  test('answers that are all refused for themselves cost a few calls, not one for each task', async () => {
    const scene = aScene(task, { now: due })
    const store = { ...scene.rows, apply: () => Promise.reject(new Error('a trigger refuses')) }
    for (let id = 1; id <= 50; id++) {
      scene.rows.put(aTask({ key: keyOf(id) }))
      await poll({ ...scene.deps, store }, keyOf(id), SIGNAL)
    }
    expect(scene.calls()).toBe(3)
  })
})
