import { parseAnswer } from '../../../src/domain/answer.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../src/domain/delivery.ts'
import { planExpiry, planPoll, planStart } from '../../../src/domain/plan.ts'
import { buildTiming } from '../../../src/domain/poll-times.ts'
import { createDeliveryStore, type PostgresDeliveryStore } from '../../../src/store/delivery-store.ts'
import { type Database, openDatabase } from '../../../src/store/prisma.ts'

const TIMING = buildTiming(24)

/** What one answer lists. */
interface Lists {
  readonly read?: readonly string[]
  readonly unread?: readonly string[]
  readonly forbidden?: readonly string[]
}

interface SentTask {
  readonly app?: string
  readonly taskId: string
  readonly campaign?: string
  readonly userIds: readonly string[]
  readonly hoursAgo: number
}

/** A database as workers fill it, poll by poll, through the real plan and the real store. */
export interface Company {
  track(task: SentTask): Promise<void>
  /** A poll so long after the send: its lists, or the code and message of a refusal. */
  poll(taskId: string, minutes: number, answer: Lists | { readonly code: number; readonly message: string }): Promise<void>
  expire(taskId: string): Promise<void>
  sql(text: string, values?: readonly unknown[]): Promise<void>
  close(): Promise<void>
}

/** @param now what `hoursAgo` counts from. Default: the real time */
export function openCompany(databaseUrl: string, now: () => number = Date.now): Company {
  const database: Database = openDatabase(databaseUrl)
  const store = createDeliveryStore(database)
  const apps = new Map<string, string>()
  const load = async (taskId: string): Promise<NonNullable<Awaited<ReturnType<PostgresDeliveryStore['load']>>>> => {
    const task = await store.load({ app: apps.get(taskId) ?? 'default', taskId })
    if (task === null) throw new Error(`task ${taskId} was not stored`)
    return task
  }
  return {
    async track({ app = 'default', taskId, campaign = null, userIds, hoursAgo }) {
      const sentAt = new Date(now() - hoursAgo * HOUR_MS)
      await store.track([{ app, taskId, agentId: '836390886', userIds, campaign, sentAt }])
      await database.pool.query('UPDATE delivery_task SET tracked_at = sent_at')
      await store.schedule((task) => planStart(task, sentAt, TIMING), 10)
      if (!apps.has(taskId)) apps.set(taskId, app)
    },
    async poll(taskId, minutes, answer) {
      const task = await load(taskId)
      const requestedAt = new Date(task.sentAt.getTime() + minutes * MINUTE_MS)
      const respondedAt = new Date(requestedAt.getTime() + SECOND_MS)
      await store.apply(planPoll(task, parseAnswer(bodyOf(answer), { requestedAt, respondedAt }), 1, respondedAt, TIMING))
    },
    async expire(taskId) {
      const task = await load(taskId)
      await store.end(task.key, { pollNo: task.pollNo }, planExpiry(task, TIMING))
    },
    async sql(text, values = []) {
      await database.pool.query(text, [...values])
    },
    close: () => database.close(),
  }
}

function bodyOf(answer: Parameters<Company['poll']>[2]): unknown {
  if ('code' in answer) return { errcode: answer.code, errmsg: answer.message }
  const { read = [], unread = [], forbidden = [] } = answer
  return {
    errcode: 0,
    send_result: {
      read_user_id_list: read,
      unread_user_id_list: unread,
      forbidden_list: forbidden.map((userid) => ({ userid, code: '143105', count: 50 })),
    },
  }
}

/** Names that would do harm if a page took them for markup. */
export const HOSTILE = {
  campaign: `<script>document.title='owned'</script>"'&`,
  userId: `"><img src=x onerror=document.title='owned'>`,
  message: `<b id="owned">bold</b>`,
}

const staff = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `user-${String(from + i).padStart(3, '0')}`)

/**
 * The organisation of the tests. Campaign `payroll-11`, sent five hours ago in two tasks: 80 people, of whom 30 have read, 48 are unread,
 * one is pending and one forbidden; user-001 is in both tasks. Campaign `fire-drill`, sent yesterday, has expired.
 */
export async function fillCompany(company: Company): Promise<void> {
  await company.track({ taskId: '1001', campaign: 'payroll-11', userIds: [...staff(1, 70), 'waiting', 'over-limit'], hoursAgo: 5 })
  await company.poll('1001', 5, { unread: staff(1, 70), forbidden: ['over-limit'] })
  await company.poll('1001', 20, { code: -1, message: 'system busy' })
  await company.poll('1001', 40, { read: staff(1, 10), unread: staff(11, 70), forbidden: ['over-limit'] })
  await company.poll('1001', 170, { read: staff(1, 28), unread: staff(29, 70), forbidden: ['over-limit'] })
  await company.track({ taskId: '1002', campaign: 'payroll-11', userIds: ['user-001', ...staff(71, 78)], hoursAgo: 5 })
  await company.poll('1002', 30, { unread: ['user-001', ...staff(71, 78)] })
  await company.poll('1002', 200, { read: staff(71, 72), unread: ['user-001', ...staff(73, 78)] })

  await company.track({ taskId: '2001', campaign: 'fire-drill', userIds: ['ann', 'bob', 'carol'], hoursAgo: 26 })
  await company.poll('2001', 5, { unread: ['ann', 'bob'] })
  await company.poll('2001', 1430, { read: ['ann'], unread: ['bob'] })
  await company.expire('2001')

  await company.track({ taskId: '3001', campaign: HOSTILE.campaign, userIds: ['hostile'], hoursAgo: 1 })
  await company.poll('3001', 5, { unread: ['hostile'] })
  await company.poll('3001', 10, { code: 40035, message: HOSTILE.message })
  // No way to enqueue takes such an id, and an answer with it is refused.
  await company.sql("UPDATE delivery_recipient SET user_id = $1 WHERE user_id = 'hostile'", [HOSTILE.userId])
  await company.sql("UPDATE delivery_poll SET moved_user_ids = $1 WHERE moved_user_ids = 'hostile'", [HOSTILE.userId])
  await company.sql(
    `UPDATE delivery_task SET status = 'stopped', reason_code = problem_code, reason_detail = problem_detail, next_poll_at = NULL, finished_at = now()
     WHERE task_id = '3001'`,
  )

  for (const app of ['hr', 'it']) await company.track({ app, taskId: '4001', campaign: 'shared', userIds: ['ann'], hoursAgo: 2 })
  await company.sql(
    `INSERT INTO delivery_app (app, calls_month, calls_used, pause_code, pause_detail, paused_until)
     VALUES ('default', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), 4200, NULL, NULL, NULL),
            ('hr', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), 17, 'permission',
             '{"said": "60011", "message": "no permission", "scope": "app"}', now() + interval '9 minutes')
     ON CONFLICT (app) DO UPDATE SET calls_month = excluded.calls_month, calls_used = excluded.calls_used,
       pause_code = excluded.pause_code, pause_detail = excluded.pause_detail, paused_until = excluded.paused_until`,
  )
}

/** More than a page of everything: 32 tasks in 12 campaigns, one of them with 21 tasks. No worker looks at any. */
export async function fillCrowd(company: Company): Promise<void> {
  for (let i = 0; i < 21; i++) await company.track({ taskId: String(5_001 + i), campaign: 'daily', userIds: ['ann', 'bob'], hoursAgo: 2 })
  for (let i = 0; i < 11; i++) await company.track({ taskId: String(6_001 + i), campaign: `weekly-${i}`, userIds: ['ann'], hoursAgo: 3 })
}

/** Every page that a reader can get to in the company, by name. */
export const PAGES = {
  overview: '/',
  'search without a result': '/?q=nothing',
  campaign: '/campaigns/payroll-11',
  'everybody in a campaign': '/campaigns/payroll-11?state=all',
  'ended campaign': '/campaigns/fire-drill?state=all',
  task: '/tasks/1001?state=all',
  'stopped task': '/tasks/3001',
  person: '/tasks/1001/people/user-005',
  'several apps': '/tasks/4001',
  'poll plan': '/schedule?app=default&sentAt=2026-11-27T17:00&recipients=50',
  'poll plan of several apps': '/schedule',
  'not here': '/tasks/999',
}
