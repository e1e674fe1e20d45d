import { parseAnswer } from '../../../src/domain/answer.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../src/domain/delivery.ts'
import { planPoll, planStart } from '../../../src/domain/plan.ts'
import { buildTiming } from '../../../src/domain/poll-times.ts'
import { createDeliveryStore, type PostgresDeliveryStore } from '../../../src/store/delivery-store.ts'
import { openDatabase } from '../../../src/store/prisma.ts'

const TIMING = buildTiming(24)
const SENT_AT = new Date(Date.now() - 3 * HOUR_MS)
const TASK = { app: 'default', taskId: '256271667526' }
/** The people of the pages; `late-reader` and `carol` have not read. */
const PEOPLE = ['036632523163121146', 'carol', 'late-reader', 'manager4220']

/** Stores the task of the pages as if it had been tracked for three hours: some have read, some not. */
export async function storeSample(databaseUrl: string): Promise<void> {
  const database = openDatabase(databaseUrl)
  try {
    const store = createDeliveryStore(database)
    await store.track([{ ...TASK, agentId: '836390886', userIds: PEOPLE, campaign: 'payroll-11', sentAt: SENT_AT }])
    await database.pool.query('UPDATE delivery_task SET tracked_at = sent_at')
    await store.schedule((task) => planStart(task, SENT_AT, TIMING), 10)
    await poll(store, 5, { unread: PEOPLE })
    await poll(store, 40, { read: ['manager4220'], unread: PEOPLE.slice(0, 3) })
    await poll(store, 170, { read: ['036632523163121146', 'manager4220'], unread: ['carol', 'late-reader'] })
  } finally {
    await database.close()
  }
}

async function poll(
  store: PostgresDeliveryStore,
  minutes: number,
  { read = [], unread }: { readonly read?: readonly string[]; readonly unread: readonly string[] },
): Promise<void> {
  const requestedAt = new Date(SENT_AT.getTime() + minutes * MINUTE_MS)
  const respondedAt = new Date(requestedAt.getTime() + SECOND_MS)
  const body = { errcode: 0, send_result: { read_user_id_list: read, unread_user_id_list: unread } }
  const task = await store.load(TASK)
  if (task === null) throw new Error('the sample was not stored')
  await store.apply(planPoll(task, parseAnswer(body, { requestedAt, respondedAt }), 1, respondedAt, TIMING))
}
