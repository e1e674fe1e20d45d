import { expect, test } from 'vitest'
import { type Digest, type Erasure, findErased, replaceErased } from '../../src/domain/erasure.ts'
import { planPoll } from '../../src/domain/plan.ts'
import { answer, aTask, minutesLater, person, read, TIMING, unread } from './support.ts'

const digest: Digest = (salt, name) => `${salt}/${name}`
const erasure = (name: string, pseudonym: string, salt = 'salt'): Erasure => ({ salt, digest: digest(salt, name), pseudonym })
const BOB = erasure('bob', 'anonymous:1')

test('whom DingTalk names and who was erased is listed under the pseudonym, in the same state', () => {
  const mapped = replaceErased(
    answer({ unread: ['ann', 'bob'], read: ['cid'] }),
    [BOB, erasure('cid', 'anonymous:2', 'other salt')],
    digest,
  )
  expect(mapped).toMatchObject({
    kind: 'observed',
    observation: {
      people: new Map([
        ['ann', { kind: 'unread' }],
        ['anonymous:1', { kind: 'unread' }],
        ['anonymous:2', { kind: 'read' }],
      ]),
    },
  })
})

test('an answer that names nobody who was erased is the same answer, and costs no digest where nobody was', () => {
  const good = answer({ unread: ['ann'] })
  expect(replaceErased(good, [BOB], digest)).toBe(good)
  const never: Digest = () => expect.fail('a digest was made')
  expect(replaceErased(good, [], never)).toBe(good)
})

test('an answer without lists is left as it is', () => {
  const refused = { kind: 'refused', code: '88', message: 'no', requestId: null, requestedAt: minutesLater(4), respondedAt: null } as const
  expect(replaceErased(refused, [BOB], digest)).toBe(refused)
})

test('a plan made of it goes on with the person of before, and names nobody else', () => {
  const task = aTask({ ann: unread, 'anonymous:1': unread }, { erasureNo: 7 })
  const plan = planPoll(task, replaceErased(answer({ unread: ['ann'], read: ['bob'] }), [BOB], digest), 1, minutesLater(5), TIMING)
  expect(plan.changed.map(({ userId, state }) => [userId, state.kind])).toEqual([['anonymous:1', 'read']])
  expect(plan.transitions).toMatchObject([{ userId: 'anonymous:1', from: 'unread', to: 'read' }])
  expect(plan.task.counts).toMatchObject({ read: 1, unread: 1, pending: 0 })
  expect([plan.poll.anomalies, plan.expected]).toEqual([0, { pollNo: 1, erasureNo: 7 }])
})

test('known people who were erased and still have their names are found', () => {
  expect(findErased([person('ann'), person('bob', read)], [BOB], digest)).toEqual(new Map([['bob', 'anonymous:1']]))
  expect(findErased([person('ann')], [BOB], digest)).toEqual(new Map())
})
