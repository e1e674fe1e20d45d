import { MAX_RECIPIENTS } from '../../domain/delivery.ts'

/** One work notification of the demo: at most 100 recipients, DingTalk's limit. */
export interface Notification {
  readonly campaign: string
  readonly text: string
  readonly userIds: readonly string[]
  /** False: the tracker gets no recipients, and takes those that DingTalk lists. */
  readonly recipientsKnown: boolean
}

interface Campaign {
  readonly name: string
  readonly text: string
  readonly people: readonly string[]
}

const FAMILY_NAMES = ['wang', 'li', 'zhang', 'liu', 'chen', 'yang', 'huang', 'zhao', 'wu', 'zhou', 'xu']

/** A campaign to more than 100 people is several notifications: DingTalk reports on at most 100 at once. */
export function demoNotifications(): Notification[] {
  return CAMPAIGNS.flatMap(({ name, text, people }, c) =>
    splitIntoBatches(people, MAX_RECIPIENTS).map((userIds, i) => ({
      campaign: name,
      text,
      userIds,
      recipientsKnown: !(c === 1 && i === 0),
    })),
  )
}

const CAMPAIGNS: readonly Campaign[] = [
  {
    name: '十一月工资单 payroll-11',
    text: '您的十一月工资单已发布，请在本周五前查阅并确认。 Your November payslip is ready: please check it by Friday.',
    people: employees(1, 430),
  },
  {
    name: '消防演练通知 fire-drill',
    text: '周三下午三点全楼消防演练，听到警报请从最近的楼梯撤离。 Fire drill on Wednesday at 15:00: leave by the nearest stairs.',
    people: employees(1_000, 360),
  },
  {
    name: 'Office move: new desks',
    text: 'Your new desk is on floor 9 from Monday. Pack your things by Friday noon; the boxes are at reception.',
    // In the simulator a person with "fast" in the user id reads within minutes, so this task ends early, complete.
    people: [...employees(2_000, 200), ...Array.from({ length: 12 }, (_, i) => `breakfast-crew-${i + 1}`)],
  },
]

/** User ids as organisations have them: digits with leading zeros, some of them made of names. */
function employees(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const number = String(from + i).padStart(5, '0')
    return i % 4 === 3 ? `${FAMILY_NAMES[i % FAMILY_NAMES.length] ?? 'user'}.${number}` : `0366325231631${number}`
  })
}

function splitIntoBatches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
