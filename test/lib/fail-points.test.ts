import { expect, onTestFinished, test } from 'vitest'
import { FAIL_POINT_HOOK, failPoint } from '../../src/lib/fail-points.ts'

test('a fail point does nothing by itself', async () => {
  await expect(failPoint('poll.stored')).resolves.toBeUndefined()
})

test('a hook is told the point, and the next step waits for it', async () => {
  const told: string[] = []
  onTestFinished(() => void Reflect.deleteProperty(globalThis, FAIL_POINT_HOOK))
  Reflect.set(globalThis, FAIL_POINT_HOOK, async (point: string) => {
    await Promise.resolve()
    told.push(point)
  })
  await failPoint('schedule.claimed')
  expect(told).toEqual(['schedule.claimed'])
})

test('what is no function is no hook', async () => {
  onTestFinished(() => void Reflect.deleteProperty(globalThis, FAIL_POINT_HOOK))
  Reflect.set(globalThis, FAIL_POINT_HOOK, 'poll.stored')
  await expect(failPoint('poll.stored')).resolves.toBeUndefined()
})
