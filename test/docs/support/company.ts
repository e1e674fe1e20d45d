import type pg from 'pg'
import { parseAnswer } from '../../../src/domain/answer.ts'
import { HOUR_MS, SECOND_MS } from '../../../src/domain/delivery.ts'
import { planExpiry, planPoll, planStart } from '../../../src/domain/plan.ts'
import { buildTiming } from '../../../src/domain/poll-times.ts'
import { createDeliveryStore } from '../../../src/store/delivery-store.ts'
import { openDatabase } from '../../../src/store/prisma.ts'

const TIMING = buildTiming(24)

/** The people of some user ids, and one to whom nothing was sent. */
const DIRECTORY = [
  { userId: 'carol', name: 'Carol', departments: ['Headquarters/Sales'], managerUserId: 'manager4220' },
  { userId: 'manager4220', name: 'The manager', departments: ['Headquarters/Finance'] },
  { userId: 'newcomer', name: 'New', departments: ['Headquarters/Sales'], managerUserId: 'manager4220' },
]

/**
 * What the sample leaves out: another task of its campaign with a person who is in both, one whom DingTalk lists nowhere and one with an
 * unknown id; a campaign that has expired blind, with people who were refused; a task without a campaign that everybody has read; a paused app; names and departments.
 */
export async function storeCompany(databaseUrl: string, client: pg.Client): Promise<void> {
  const database = openDatabase(databaseUrl)
  const store = createDeliveryStore(database)
  const taskAt = async (taskId: string, campaign: string | null, userIds: readonly string[], hoursAgo: number) => {
    const key = { app: 'default', taskId }
    const sentAt = new Date(Date.now() - hoursAgo * HOUR_MS)
    await store.track([{ ...key, agentId: '836390886', userIds, campaign, sentAt }])
    await client.query('UPDATE delivery_task SET tracked_at = sent_at WHERE task_id = $1', [taskId])
    await store.schedule((task) => planStart(task, sentAt, TIMING), 10)
    const load = async () => {
      const task = await store.load(key)
      if (task === null) throw new Error(`task ${taskId} was not stored`)
      return task
    }
    return {
      async poll(hours: number, body: unknown) {
        const requestedAt = new Date(sentAt.getTime() + hours * HOUR_MS)
        const respondedAt = new Date(requestedAt.getTime() + SECOND_MS)
        await store.apply(planPoll(await load(), parseAnswer(body, { requestedAt, respondedAt }), 1, respondedAt, TIMING))
      },
      async expire() {
        const task = await load()
        await store.end(key, { pollNo: task.pollNo }, planExpiry(task, TIMING))
      },
    }
  }
  try {
    const second = await taskAt('256271667600', 'payroll-11', ['manager4220', 'waiting', 'gone'], 3)
    await second.poll(1, { errcode: 0, send_result: { unread_user_id_list: ['manager4220'], invalid_user_id_list: ['gone'] } })
    await second.poll(2, { errcode: -1, errmsg: 'system busy' })
    const drill = await taskAt('256271667601', 'fire-drill', ['carol', 'dave', 'erin', 'frank'], 26)
    const refused = ['dave', 'erin'].map((userid) => ({ code: '143105', count: 500, userid }))
    const same = { code: '143106', count: 1, userid: 'frank' }
    await drill.poll(1, { errcode: 0, send_result: { unread_user_id_list: ['carol'], forbidden_list: [...refused, same] } })
    await drill.expire()
    const done = await taskAt('256271667602', null, ['dave'], 50)
    await done.poll(1, { errcode: 0, send_result: { read_user_id_list: ['dave'] } })
    await client.query('SELECT delivery_put_people($1)', [JSON.stringify(DIRECTORY)])
    // A table of the reader's own organisation, as the page joins it.
    await client.query(
      `CREATE SCHEMA hr; CREATE TABLE hr.employees (dingtalk_user_id text PRIMARY KEY, full_name text NOT NULL, unit text NOT NULL);
       INSERT INTO hr.employees VALUES ('late-reader', '王芳', '销售部'); GRANT USAGE ON SCHEMA hr TO PUBLIC; GRANT SELECT ON hr.employees TO PUBLIC`,
    )
    await client.query(
      `INSERT INTO delivery_app (app, calls_month, calls_used, pause_code, pause_since, paused_until)
       VALUES ('default', to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), 1200, NULL, NULL, NULL),
              ('hr', '2020-01', 900, 'permission', now() - interval '1 hour', now() - interval '1 minute')
       ON CONFLICT (app) DO UPDATE SET calls_month = excluded.calls_month, calls_used = excluded.calls_used;
       INSERT INTO delivery_pair (app, agent_id, pause_code, pause_detail, paused_until)
       VALUES ('hr', '836390887', 'agent_id', '{"message": "invalid agent id"}', now() + interval '1 hour');
       INSERT INTO delivery_worker (worker_id, started_at, seen_at, expires_at, apps, problems)
       VALUES ('w1', now(), now(), now() + interval '1 hour', '{default}', '{"hr": {"code": "unknown_app", "detail": {"message": "no such app"}}}')`,
    )
  } finally {
    await database.close()
  }
}
