import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasDigest, isSameAnswer, withDigest } from '../../src/domain/answer-digest.ts'
import type { Answer, ListedState, Observation, Task } from '../../src/domain/delivery.ts'
import { planBarePoll, planPoll } from '../../src/domain/plan.ts'
import {
  afterwards,
  anOpenTask,
  answer,
  anyObservation,
  aTask,
  empty,
  holds,
  KEY,
  minutesLater,
  read,
  refused,
  TIMING,
  unread,
  withoutRecipients,
} from './support.ts'

const sha = (salt: string, text: string): string =>
  createHash('sha256')
    .update(salt + text)
    .digest('hex')

const digestOf = (said: Answer): string | undefined => (said.kind === 'observed' ? said.observation.digest : undefined)

const arrival = (said: Answer): Date => (said.kind === 'observed' ? said.observation : said).respondedAt ?? minutesLater(0)
const whole = (task: Task, said: Answer) => planPoll(task, withDigest(KEY, said, sha), 1, arrival(said), TIMING)
const bare = (task: Task, said: Answer) => planBarePoll(withoutRecipients(task), withDigest(KEY, said, sha), 1, arrival(said), TIMING)

function observed(people: ReadonlyMap<string, ListedState>, minute: number, wait = 1): Answer {
  const observation = { requestedAt: minutesLater(minute), respondedAt: minutesLater(minute + wait), requestId: null, people }
  return { kind: 'observed', observation }
}

/** What one poll brings: something new, the last lists in another order, or a failure. */
type Step =
  | { readonly new: Observation }
  | { readonly again: number; readonly wait: number }
  | { readonly code: string; readonly minute: number }

const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ new: anyObservation }) },
  { weight: 5, arbitrary: fc.record({ again: fc.integer({ min: 0, max: 44 }), wait: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ code: fc.constantFrom('HTTP_502', '90018', '400002'), minute: fc.integer({ min: 0, max: 44 }) }) },
)

test('whatever came before, the plan without recipients is the plan with them', () => {
  const seen = { same: 0, other: 0, failed: 0 }
  holds(
    fc.property(fc.boolean(), fc.array(aStep, { maxLength: 12 }), (isNamed, steps) => {
      let people: ReadonlyMap<string, ListedState> = new Map()
      let task = isNamed ? aTask({ ann: { kind: 'pending' }, bob: { kind: 'pending' } }) : anOpenTask()
      for (const step of steps) {
        if ('new' in step) ({ people } = step.new)
        const said =
          'code' in step
            ? refused(step.code, '', minutesLater(step.minute))
            : 'new' in step
              ? ({ kind: 'observed', observation: step.new } as const)
              : observed(new Map([...people].toReversed()), step.again, step.wait)
        const plan = whole(task, said)
        const light = bare(task, said)
        if (light !== null) expect(light).toEqual(plan)
        if (said.kind !== 'observed') seen.failed++
        else if (light === null) seen.other++
        else seen.same++
        task = afterwards(task, plan)
      }
    }),
  )
  // Each of the three occurs.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0)
})

test('the same lists at a later poll need no recipients, in whatever order they are', () => {
  const first = answer({ read: ['ann'], unread: ['bob', 'cy'] }, minutesLater(4))
  const task = afterwards(anOpenTask(), whole(anOpenTask(), first))
  expect(task.answerDigest).toMatch(/^1 0 [0-9a-f]{64}$/)
  const again = bare(task, answer({ unread: ['cy', 'bob'], read: ['ann'] }, minutesLater(9)))
  expect(again).toMatchObject({
    changed: [],
    transitions: [],
    poll: { anomalies: 0 },
    task: { goodPolls: 2, answerDigest: expect.stringMatching(/^2 0 /) },
  })
  expect(bare(task, answer({ read: ['ann', 'bob'], unread: ['cy'] }, minutesLater(9)))).toBeNull()
})

test('two polls with the same lists, two minutes apart, end a task without named recipients also without loading them', () => {
  const task = afterwards(anOpenTask(), whole(anOpenTask(), answer({ read: ['ann'] }, minutesLater(4))))
  const plan = bare(task, answer({ read: ['ann'] }, minutesLater(7)))
  expect(plan).toMatchObject({ next: { kind: 'done' }, task: { status: 'complete', reason: { code: 'all_read' }, answerDigest: null } })
})

test.each<[string, Task, Answer]>([
  ['lists that contradict a read', aTask({ ann: read }), answer({ unread: ['ann'] })],
  ['lists without a person who was unread', aTask({ ann: unread, bob: unread }), answer({ unread: ['bob'] }, minutesLater(3))],
  ['lists that are older than the last ones', aTask({ ann: unread }), answer({ unread: ['ann'] }, minutesLater(2))],
  ['empty lists', aTask({ ann: unread }), answer({})],
])('no digest is kept of %s', (_, task, said) => {
  expect(whole(task, said).task.answerDigest).toBeNull()
})

test('a failed poll keeps the digest, and needs no recipients', () => {
  const task = afterwards(anOpenTask(), whole(anOpenTask(), answer({ unread: ['ann'] }, minutesLater(4))))
  for (const said of [refused('HTTP_502', '', minutesLater(9)), empty(minutesLater(9))]) {
    expect(bare(task, said)).toEqual(whole(task, said))
    expect(bare(task, said)?.task.answerDigest).toBe(task.answerDigest)
  }
})

test('a digest holds until another successful poll or an erasure', () => {
  const lists = answer({ unread: ['ann'] }, minutesLater(9))
  const task = afterwards(anOpenTask(), whole(anOpenTask(), answer({ unread: ['ann'] }, minutesLater(4))))
  expect(hasDigest(task)).toBe(true)
  for (const other of [
    { ...task, goodPolls: 2 },
    { ...task, erasureNo: 1 },
    { ...task, answerDigest: null },
  ]) {
    expect(hasDigest(other)).toBe(false)
    expect(bare(other, lists)).toBeNull()
  }
  for (const other of [
    { ...task, lastGoodRequestedAt: null },
    { ...task, lastObservedAt: null },
  ])
    expect(bare(other, lists)).toBeNull()
})

test('answers that arrived earlier, or were requested earlier, are no repetition', () => {
  const task = afterwards(anOpenTask(), whole(anOpenTask(), observed(new Map([['ann', { kind: 'unread' }]]), 4, 3)))
  const isSame = (minute: number, wait: number): boolean => {
    const said = withDigest(KEY, observed(new Map([['ann', { kind: 'unread' }]]), minute, wait), sha)
    return said.kind === 'observed' && isSameAnswer(task, said.observation)
  }
  expect([isSame(4, 3), isSame(5, 3), isSame(3, 9), isSame(5, 1)]).toEqual([true, true, false, false])
})

test('different lists have different digests, and so have different tasks', () => {
  const lists: ReadonlyArray<ReadonlyArray<readonly [string, ListedState]>> = [
    [['ann', { kind: 'read' }]],
    [['ann', { kind: 'unread' }]],
    [['ann', { kind: 'forbidden', code: null, count: null }]],
    [['ann', { kind: 'forbidden', code: '1', count: null }]],
    [['ann', { kind: 'forbidden', code: null, count: 1 }]],
    [['ann" read', { kind: 'read' }]],
    [
      ['ann', { kind: 'read' }],
      ['bob', { kind: 'read' }],
    ],
    [],
  ]
  const digests = lists.flatMap((people) =>
    [KEY, { ...KEY, taskId: '1' }].map((key) => digestOf(withDigest(key, observed(new Map(people), 1), sha))),
  )
  expect(new Set(digests).size).toBe(2 * lists.length)
})

test('without a digest of the answer none is stored', () => {
  const said = answer({ unread: ['ann'] }, minutesLater(4))
  expect(planPoll(anOpenTask(), said, 1, minutesLater(5), TIMING).task.answerDigest).toBeNull()
  const task = afterwards(anOpenTask(), whole(anOpenTask(), said))
  expect(planBarePoll(withoutRecipients(task), answer({ unread: ['ann'] }, minutesLater(9)), 1, minutesLater(10), TIMING)).toBeNull()
})
