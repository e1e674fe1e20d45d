import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ListedState, Observation, Recipient, RecipientState } from '../../src/domain/delivery.ts'
import { join, mergeRecipient } from '../../src/domain/merge.ts'
import {
  aMinute,
  anyObservation,
  anyState,
  arrivalOf,
  failed,
  forbidden,
  holds,
  invalid,
  minutesLater,
  pending,
  person,
  read,
  SENT,
  unread,
} from './support.ts'

const KINDS = ['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read']
const rankOf = (state: RecipientState): number => KINDS.indexOf(state.kind)

const seenAt = (requestedAt: Date, people: Record<string, ListedState> = {}): Observation => ({
  requestedAt,
  respondedAt: arrivalOf(requestedAt),
  requestId: null,
  people: new Map(Object.entries(people)),
})

/** What an answer to a request of four minutes after the send makes of a person. */
function merged(state: RecipientState, listed: ListedState | null, requestedAt = minutesLater(4), newest = true) {
  return mergeRecipient(person('ann', state), listed, seenAt(requestedAt), newest)
}

const readAt = (lower: number | null, upper: number): RecipientState => ({
  kind: 'read',
  lastUnreadAt: lower === null ? null : minutesLater(lower),
  firstReadAt: minutesLater(upper),
})
const unreadAt = (minute: number): RecipientState => ({ kind: 'unread', lastUnreadAt: minutesLater(minute), listed: true })

describe('one answer about one person', () => {
  test('a person who has read stays read when a later answer says unread, and the contradiction is counted', () => {
    expect(merged(read, { kind: 'unread' })).toEqual({ recipient: person('ann', read), anomaly: true })
  })

  test('a person who was unread is not undelivered by a later answer', () => {
    for (const kind of ['failed', 'invalid'] as const) {
      expect(merged(unread, { kind })).toEqual({ recipient: person('ann', unread), anomaly: true })
    }
  })

  test('the bracket of a read: from the last request answered with unread to the arrival of the first answer with read', () => {
    expect(merged(unread, { kind: 'read' }).recipient.state).toEqual({
      kind: 'read',
      lastUnreadAt: minutesLater(3),
      firstReadAt: arrivalOf(minutesLater(4)),
    })
  })

  test('a read that nobody saw unread has no lower bound of its own', () => {
    expect(merged(pending, { kind: 'read' }).recipient.state).toEqual({
      kind: 'read',
      lastUnreadAt: null,
      firstReadAt: arrivalOf(minutesLater(4)),
    })
  })

  test('a person whom no list names stays what they were', () => {
    for (const state of [pending, invalid, failed, forbidden, read]) {
      expect(merged(state, null)).toEqual({ recipient: person('ann', state), anomaly: false })
    }
  })

  test('an unread person whom no list names stays unread as of the last answer that did name them', () => {
    expect(merged(unread, null)).toEqual({
      recipient: person('ann', { kind: 'unread', lastUnreadAt: minutesLater(3), listed: false }),
      anomaly: false,
    })
  })

  test('an older answer that does not name an unread person says nothing', () => {
    expect(merged(unread, null, minutesLater(2), false).recipient).toEqual(person('ann', unread))
  })

  test('of two answers to requests of the same moment the one that names the person is the witness, in either order', () => {
    expect(merged(unread, null, minutesLater(3)).recipient.state).toEqual(unread)
    expect(merged(unreadAt(3), { kind: 'unread' }, minutesLater(3)).recipient.state).toEqual(unread)
  })

  test('an unread person who is named again is listed again', () => {
    const before: RecipientState = { kind: 'unread', lastUnreadAt: minutesLater(2), listed: false }
    expect(merged(before, { kind: 'unread' }).recipient.state).toEqual(unreadAt(4))
  })

  test('an answer that comes late is no witness for "still unread"', () => {
    expect(merged(pending, { kind: 'unread' }, minutesLater(2), false).recipient.state).toEqual({
      kind: 'unread',
      lastUnreadAt: minutesLater(2),
      listed: false,
    })
  })

  test('an older unread that comes after the read raises the lower bound and is no contradiction', () => {
    const late = merged(readAt(1, 9), { kind: 'unread' }, minutesLater(5), false)
    expect(late).toMatchObject({ recipient: { state: readAt(5, 9) }, anomaly: false })
  })

  test('an earlier read that comes later lowers the upper bound', () => {
    expect(merged(readAt(1, 9), { kind: 'read' }, minutesLater(5), false).recipient.state).toEqual({
      kind: 'read',
      lastUnreadAt: minutesLater(1),
      firstReadAt: arrivalOf(minutesLater(5)),
    })
  })

  test('the first time that anybody was listed is the earliest arrival, in whatever order the answers come', () => {
    expect(merged(pending, { kind: 'unread' }).recipient.firstSeenAt).toEqual(arrivalOf(minutesLater(4)))
    expect(merged(unread, { kind: 'unread' }).recipient.firstSeenAt).toEqual(arrivalOf(minutesLater(3)))
    expect(merged(unread, { kind: 'unread' }, minutesLater(1), false).recipient.firstSeenAt).toEqual(arrivalOf(minutesLater(1)))
  })

  test('a reason for forbidden beats none, and of two reasons the greater code wins', () => {
    const none: RecipientState = { kind: 'forbidden', code: null, count: null }
    const daily: RecipientState = { kind: 'forbidden', code: '143105', count: 500 }
    const duplicate: RecipientState = { kind: 'forbidden', code: '143106', count: 1 }
    expect([join(none, daily), join(daily, none), join(daily, duplicate), join(duplicate, daily)]).toEqual([
      daily,
      daily,
      duplicate,
      duplicate,
    ])
    expect(join({ ...daily, count: null }, daily)).toEqual(daily)
    expect(join(daily, { ...daily, count: null })).toEqual(daily)
    expect(join(none, none)).toEqual(none)
  })
})

describe('the lattice', () => {
  test('idempotent', () => {
    holds(
      fc.property(anyState, (a) => {
        expect(join(a, a)).toEqual(a)
      }),
    )
  })

  test('commutative', () => {
    holds(
      fc.property(anyState, anyState, (a, b) => {
        expect(join(a, b)).toEqual(join(b, a))
      }),
      5_000,
    )
  })

  test('associative, but for the lower bound of a bracket where the server contradicts itself', () => {
    holds(
      fc.property(anyState, anyState, anyState, (a, b, c) => {
        const [left, right] = [join(join(a, b), c), join(a, join(b, c))]
        if (contradictory([a, b, c])) expect(withoutLowerBound(left)).toEqual(withoutLowerBound(right))
        else expect(left).toEqual(right)
      }),
      20_000,
    )
  })

  test('a read that arrives out of order from a server that contradicts itself may lose its lower bound; it never gets a wrong one', () => {
    const [early, late, between] = [unreadAt(3), unreadAt(7), readAt(null, 5)]
    expect(join(join(early, between), late)).toEqual(readAt(3, 5))
    // "Unread" at minute 7 replaced minute 3, and was refuted by a read at minute 5: what is left is the send.
    expect(join(join(early, late), between)).toEqual(readAt(null, 5))
  })

  test('the kind of a join is the greater of the two', () => {
    holds(
      fc.property(anyState, anyState, (a, b) => {
        expect(rankOf(join(a, b))).toBe(Math.max(rankOf(a), rankOf(b)))
      }),
    )
  })

  /** Some answer says unread at or after the arrival of another that says read. */
  function contradictory(states: readonly RecipientState[]): boolean {
    const reads = states.flatMap((state) => (state.kind === 'read' ? [state.firstReadAt.getTime()] : []))
    const unreads = states.flatMap((state) => {
      const at = state.kind === 'unread' || state.kind === 'read' ? state.lastUnreadAt : null
      return at === null ? [] : [at.getTime()]
    })
    return unreads.some((at) => reads.some((firstReadAt) => at >= firstReadAt))
  }

  function withoutLowerBound(state: RecipientState): RecipientState {
    return state.kind === 'read' ? { ...state, lastUnreadAt: null } : state
  }
})

describe('answers of a server that says anything, in any order', () => {
  const anySightings = fc.array(fc.tuple(anyObservation, fc.boolean()), { maxLength: 20 })

  function histories(sightings: ReadonlyArray<readonly [Observation, boolean]>): Recipient[] {
    const history: Recipient[] = [person('ann')]
    for (const [seen, newest] of sightings) {
      history.push(mergeRecipient(history.at(-1)!, seen.people.get('ann') ?? null, seen, newest).recipient)
    }
    return history
  }

  test('kinds only climb, and read is final', () => {
    holds(
      fc.property(anySightings, (sightings) => {
        const ranks = histories(sightings).map((recipient) => rankOf(recipient.state))
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b))
      }),
    )
  })

  test('the lower end of a bracket is always below the upper, and the upper only ever sinks', () => {
    holds(
      fc.property(anySightings, (sightings) => {
        let upper = Number.POSITIVE_INFINITY
        for (const { state } of histories(sightings)) {
          if (state.kind !== 'read') continue
          expect((state.lastUnreadAt ?? SENT).getTime()).toBeLessThan(state.firstReadAt.getTime())
          expect(state.firstReadAt.getTime()).toBeLessThanOrEqual(upper)
          upper = state.firstReadAt.getTime()
        }
      }),
    )
  })

  test('whoever is more than pending was seen, and the other way round', () => {
    holds(
      fc.property(anySightings, (sightings) => {
        for (const { state, firstSeenAt } of histories(sightings)) expect(state.kind === 'pending').toBe(firstSeenAt === null)
      }),
    )
  })

  test('the same answer twice is the answer once', () => {
    holds(
      fc.property(anyState, anyObservation, fc.boolean(), (state, seen, newest) => {
        const listed = seen.people.get('ann') ?? null
        const once = mergeRecipient(person('ann', state), listed, seen, newest).recipient
        expect(mergeRecipient(once, listed, seen, newest).recipient).toEqual(once)
      }),
    )
  })

  test('a person who is read is never changed by an answer that says less', () => {
    const less = fc.constantFrom<ListedState | null>(
      null,
      { kind: 'failed' },
      { kind: 'invalid' },
      { kind: 'forbidden', code: null, count: null },
    )
    holds(
      fc.property(less, aMinute, (listed, minute) => {
        expect(merged(readAt(2, 4), listed, minutesLater(minute)).recipient.state).toEqual(readAt(2, 4))
      }),
    )
  })
})
