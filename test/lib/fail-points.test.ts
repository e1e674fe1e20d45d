import { expect, onTestFinished, test } from 'vitest'
import { FAIL_POINT_HOOK, passing } from '../../src/lib/fail-points.ts'

test('a fail point does nothing by itself', async () => {
  await expect(passing('look.stored')).resolves.toBeUndefined()
})

test('a hook is told the point, and the next step waits for it', async () => {
  const told: string[] = []
  onTestFinished(() => void Reflect.deleteProperty(globalThis, FAIL_POINT_HOOK))
  Reflect.set(globalThis, FAIL_POINT_HOOK, async (point: string) => {
    await Promise.resolve()
    told.push(point)
  })
  await passing('adopt.claimed')
  expect(told).toEqual(['adopt.claimed'])
})

test('what is no function is no hook', async () => {
  onTestFinished(() => void Reflect.deleteProperty(globalThis, FAIL_POINT_HOOK))
  Reflect.set(globalThis, FAIL_POINT_HOOK, 'look.stored')
  await expect(passing('look.stored')).resolves.toBeUndefined()
})
