import type { PostgresDeliveryStore } from '../../../src/store/delivery-store.ts'
import { adoptAll, aTask, loaded, lookAt, planBody } from '../../store/support/polls.ts'

/** One more than a JavaScript number can hold. */
export const TASK = '9007199254740993'
export const CAMPAIGN = '工资 11/100%'
/** In the apps `default` and `hr` alike, as is the campaign `twin`. */
export const TWIN = '7'
/** Has ended. */
export const ENDED = '8'
/** Its only poll failed. */
export const HINDERED = '9'

/** One of everything that can be asked for. */
export async function fillWorld(store: PostgresDeliveryStore): Promise<void> {
  const { key } = await aTask(store, {
    taskId: TASK,
    agentId: '836390886',
    campaign: CAMPAIGN,
    userIds: ['ann', 'ben', 'cai', 'dan', 'eve', 'fay'],
  })
  for (const app of ['default', 'hr']) await aTask(store, { app, taskId: TWIN, campaign: 'twin', userIds: ['ann'] })
  const ended = await aTask(store, { taskId: ENDED, userIds: ['zoe'] })
  const hindered = await aTask(store, { taskId: HINDERED })
  await adoptAll(store)
  const others = { failed: ['cai'], invalid: ['dan'], forbidden: ['eve'] }
  await lookAt(store, key, { unread: ['ann', 'ben'], ...others }, 5)
  await store.apply(planBody(await loaded(store, key), { errcode: -1, errmsg: 'system busy' }, 10))
  await lookAt(store, key, { read: ['ann'], unread: ['ben'], ...others }, 20)
  await lookAt(store, ended.key, { read: ['zoe'] }, 5)
  await store.apply(planBody(await loaded(store, hindered.key), { errcode: -1, errmsg: 'system busy' }, 5))
}
