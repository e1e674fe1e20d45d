import { MAX_RECIPIENTS } from '../../domain/delivery.ts'
import type { PersonRecord } from '../../intake/people.ts'

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

const SURNAMES = ['王', '李', '张', '刘', '陈', '杨', '黄', '赵', '吴', '周', '徐'] as const
const GIVEN_NAMES = ['伟', '芳', '娜', '敏', '静', '强', '磊', '洋', '艳', '杰', '秀英', '建国', '晓雨'] as const
const DEPARTMENTS = [
  ...['销售中心/华东区', '销售中心/华南区', '销售中心/大客户部', '研发中心/平台部', '研发中心/移动端'],
  ...['职能中心/人力资源部', '职能中心/财务部', 'Operations/Logistics'],
] as const

/** Names and departments for all people of the demo; each fortieth works in two departments. */
export function demoPeople(): PersonRecord[] {
  const userIds = [...new Set(CAMPAIGNS.flatMap(({ people }) => people))]
  return userIds.map((userId, i) => ({
    userId,
    name: `${pick(SURNAMES, i)}${pick(GIVEN_NAMES, Math.floor(i / SURNAMES.length))}`,
    departments: i % 40 === 7 ? [pick(DEPARTMENTS, i), pick(DEPARTMENTS, i + 3)] : [pick(DEPARTMENTS, i)],
  }))
}

function pick(items: readonly string[], i: number): string {
  return items[i % items.length] ?? ''
}
