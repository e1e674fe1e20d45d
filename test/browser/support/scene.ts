import type { RateReader } from '../../../src/report/rates.ts'
import type { Company } from './company.ts'

/** When the pictures of the pages are taken: a Monday morning in Shanghai. */
export const SCENE_TIME = new Date('2026-03-02T02:30:00Z')

/** 18 digits with a leading zero, as DingTalk's are. */
export const sceneUserId = (no: number): string => `03663252316310${String(1_000 + no)}`

const staff = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => sceneUserId(from + i))

export const SCENE = {
  payslips: '2026 年 2 月工资条已发放，请各部门同事及时查收并确认',
  drill: 'Fire drill: meeting points of all buildings',
  long: 'Quarterly-Compliance-Training-Acknowledgement-Form-2026-Q1-final',
  task: '256271667526',
  person: sceneUserId(5),
}

/** What pages look like with real ids and names of every kind: campaigns that run, are over and have a problem. The same rows each time. */
export async function fillScene(company: Company): Promise<void> {
  await company.track({ taskId: SCENE.task, campaign: SCENE.payslips, userIds: [...staff(1, 30), 'waiting', 'over-limit'], hoursAgo: 5 })
  await company.poll(SCENE.task, 5, { unread: staff(1, 30), forbidden: ['over-limit'] })
  await company.poll(SCENE.task, 20, { code: -1, message: 'system busy' })
  await company.poll(SCENE.task, 40, { read: staff(1, 5), unread: staff(6, 30), forbidden: ['over-limit'] })
  await company.poll(SCENE.task, 170, { read: staff(1, 19), unread: staff(20, 30), forbidden: ['over-limit'] })
  await company.track({ taskId: '256271675445', campaign: SCENE.payslips, userIds: ['041234567890123456', ...staff(31, 60)], hoursAgo: 5 })
  await company.poll('256271675445', 30, { unread: ['041234567890123456', ...staff(31, 60)] })
  await company.poll('256271675445', 200, { read: staff(31, 52), unread: ['041234567890123456', ...staff(53, 60)] })

  await company.track({ taskId: '256271601122', campaign: SCENE.drill, userIds: ['ann', 'bob', 'carol'], hoursAgo: 26 })
  await company.poll('256271601122', 5, { unread: ['ann', 'bob'] })
  await company.poll('256271601122', 1430, { read: ['ann'], unread: ['bob'] })
  await company.expire('256271601122')

  await company.track({ taskId: '256271699001', campaign: SCENE.long, userIds: ['ann'], hoursAgo: 1 })
  await company.poll('256271699001', 5, { code: 40035, message: 'invalid agent id' })
}

/** The one thing in the figures of these pages that the clock of the database decides. */
export function readScene(rates: RateReader): RateReader {
  return { ...rates, apps: async () => (await rates.apps()).map((app) => ({ ...app, month: '2026-03', callsUsed: 4_200 })) }
}
