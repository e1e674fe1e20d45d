import type { ApiPageServer, Person, SentTask } from './api-page-server.ts'

/** What a task must have become, and how it got in. */
export interface Case {
  readonly name: string
  readonly task: SentTask
  readonly door: 'library to the database' | 'library to the queue' | 'plain BullMQ job' | 'SQL'
  readonly userIds: readonly string[] | null
  readonly status: 'complete' | 'expired' | 'stopped'
  /** Of the code. */
  readonly reason: RegExp
  /** How many calls the task may cost at most without faults; null: not looked at. */
  readonly maxCalls: number
}

const DOORS: ReadonlyArray<Case['door']> = ['library to the database', 'library to the queue', 'plain BullMQ job', 'SQL']
const AGENT_ID = '836390886'
/** A task that never has a successful poll costs so many calls at most: the first, three probes and the final poll. */
const CALLS_WITHOUT_SUCCESS = 5

interface Plan {
  readonly name: string
  readonly people: readonly Person[]
  readonly named: boolean
  readonly status: Case['status']
  readonly reason: RegExp
  readonly sentAgoMs?: number
  readonly task?: Partial<SentTask>
  readonly maxCalls?: number
}

/**
 * Eighteen tasks that end in every way a task can end.
 * @param day the length of the 24-hour window in milliseconds
 * @param options.forgetful one task's reads are taken back. Not where workers die: a read that was told to a dead worker and then denied is a lie
 */
export function eighteenCases(
  now: number,
  day: number,
  pollsPerTask: number,
  options: { readonly forgetful: boolean } = { forgetful: true },
): Case[] {
  const hour = day / 24
  const person = (userId: string, readAfter: number | null, rest: Partial<Person> = {}): Person => ({
    userId,
    fate: 'delivered',
    listedAt: now,
    readAt: readAfter === null ? null : now + readAfter,
    ...rest,
  })
  const readers = (count: number, from: number, to: number): Person[] =>
    Array.from({ length: count }, (_, i) => person(`0${1000 + i}`, from + ((to - from) * i) / count))
  const plans: Plan[] = [
    { name: 'three who read soon, named', people: readers(3, 0.2 * hour, 2 * hour), named: true, status: 'complete', reason: /^all_read/ },
    {
      name: 'three who read soon, not named',
      people: readers(3, 0.2 * hour, 2 * hour),
      named: false,
      status: 'complete',
      reason: /^all_read/,
    },
    {
      name: 'a hundred who read over the day',
      people: readers(100, 0.1 * hour, 14 * hour),
      named: true,
      status: 'complete',
      reason: /^all_read/,
    },
    { name: 'a hundred, not named', people: readers(100, 0.1 * hour, 14 * hour), named: false, status: 'complete', reason: /^all_read/ },
    { name: 'one who reads late', people: [person('late', 15 * hour)], named: true, status: 'complete', reason: /^all_read/ },
    {
      name: 'one who never reads',
      people: [person('0never', null), person('0soon', hour)],
      named: true,
      status: 'expired',
      reason: /^window_over/,
    },
    {
      name: 'one who never reads, not named',
      people: [person('0never', null), person('0soon', hour)],
      named: false,
      status: 'expired',
      reason: /^window_over/,
    },
    {
      name: 'nobody ever reads',
      people: [person('a', null), person('b', null), person('c', null)],
      named: true,
      status: 'expired',
      reason: /^window_over/,
    },
    {
      name: 'a named person whom DingTalk never lists',
      people: [person('ghost', null, { listedAt: now + 2 * day }), person('there', hour)],
      named: true,
      status: 'expired',
      reason: /^window_over/,
    },
    {
      name: 'nobody is listed at first',
      people: readers(4, 4 * hour, 6 * hour).map((each) => ({ ...each, listedAt: now + 2 * hour })),
      named: false,
      status: 'complete',
      reason: /^all_read/,
    },
    {
      name: 'the list fills slowly and the first have read before the last are there',
      people: [person('first', 0.01 * hour), person('second', 0.02 * hour), person('third', 3 * hour, { listedAt: now + 0.08 * hour })],
      named: true,
      status: 'complete',
      reason: /^all_read/,
    },
    {
      name: 'some who cannot be reached',
      people: [
        person('ok', hour),
        person('bad', null, { fate: 'invalid' }),
        person('lost', null, { fate: 'failed' }),
        person('twice', null, { fate: 'forbidden' }),
      ],
      named: true,
      status: 'complete',
      reason: /^all_accounted_for/,
    },
    {
      name: 'reads are taken back',
      people: readers(5, 0.5 * hour, 9 * hour),
      named: true,
      status: 'complete',
      reason: /^all_read/,
      task: { forgetful: options.forgetful },
    },
    {
      name: 'more than a hundred people',
      people: [],
      named: false,
      status: 'stopped',
      reason: /^probably_too_many/,
      task: { refusal: { errcode: 15, errmsg: 'Call timeout' } },
      maxCalls: CALLS_WITHOUT_SUCCESS,
    },
    {
      name: 'parameters that DingTalk refuses',
      people: [],
      named: false,
      status: 'stopped',
      reason: /^parameters/,
      task: { refusal: { errcode: 40035, errmsg: '不合法的参数' } },
      maxCalls: CALLS_WITHOUT_SUCCESS,
    },
    {
      name: 'tracked three hours after the send',
      people: [person('early', -2 * hour), person('later', 2 * hour)],
      named: true,
      status: 'complete',
      reason: /^all_read/,
      sentAgoMs: 3 * hour,
    },
    {
      name: 'tracked after more than 24 hours',
      people: [],
      named: false,
      status: 'expired',
      reason: /^sent_too_long_ago/,
      sentAgoMs: 25 * hour,
      maxCalls: 0,
    },
    {
      name: 'everybody reads before the first poll',
      people: [person('x', 1), person('y', 2)],
      named: true,
      status: 'complete',
      reason: /^all_read/,
    },
  ]
  return plans.map((plan, i) => ({
    name: plan.name,
    // 2^53 is 9007199254740992: these ids need every digit.
    task: {
      taskId: String(9_007_199_254_740_993_100n + BigInt(i)),
      agentId: AGENT_ID,
      sentAt: now - (plan.sentAgoMs ?? 0),
      windowMs: day,
      people: plan.people,
      ...plan.task,
    },
    door: DOORS[i % DOORS.length] ?? 'SQL',
    userIds: plan.named ? plan.people.map((each) => each.userId) : null,
    status: plan.status,
    reason: plan.reason,
    maxCalls: plan.maxCalls ?? pollsPerTask,
  }))
}

export function addAll(server: ApiPageServer, cases: readonly Case[]): void {
  for (const each of cases) server.add(each.task)
}
