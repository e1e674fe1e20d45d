/**
 * Moments between two steps of the work, at which a test ends, holds or blocks the process. They are compiled in, so that what is tested
 * is what runs. They do nothing unless a test has put a hook on the global object; the program itself puts none.
 */
export type FailPoint =
  | 'poll.loaded'
  | 'poll.permitted'
  | 'poll.answered'
  | 'poll.stored'
  | 'poll.reported'
  | 'poll.ended'
  | 'timer.set'
  | 'timer.removed'
  | 'track.stored'
  | 'schedule.claimed'
  | 'schedule.set'

/** The key of the hook on the global object: a function of the point's name; the step after the point waits for what it returns. */
export const FAIL_POINT_HOOK: unique symbol = Symbol.for('dingtalk-delivery-tracker.fail-point')

/** Calls the hook of a test, if there is one, between two steps of the work. */
export async function failPoint(point: FailPoint): Promise<void> {
  const hook: unknown = Reflect.get(globalThis, FAIL_POINT_HOOK)
  if (typeof hook === 'function') await Reflect.apply(hook, undefined, [point])
}
