import { workerTiming } from '../../dist/app/settings.js'
import { readGauges } from '../../dist/store/gauges.js'
import { APP, DEPARTMENTS, LARGE, mediumCampaign } from './seed.mjs'

const DAY_MS = 86_400_000
const LIMITS = workerTiming({ pollsPerTask: 24, timeScale: 1 }).blind

/**
 * What is asked, with budgets for the database, by the key of the figure. A page of the dashboard asks with the row that it has read, as here.
 * @param client a connected pg.Client
 * @param {number} tasks of the history
 * @returns {Promise<import('./measure.mjs').Question[]>}
 */
export async function listQuestions(client, tasks) {
  const medium = { app: APP, campaign: mediumCampaign(tasks) }
  const large = { app: APP, campaign: LARGE, openTasks: 1, targeted: tasks * 2 }
  const { rows } = await client.query('SELECT task_id, sent_at FROM delivery_task WHERE app = $1 AND campaign = $2 ORDER BY id LIMIT 1', [
    APP,
    medium.campaign,
  ])
  const [{ task_id: taskId, sent_at: sentAt }] = rows
  const { rows: people } = await client.query(
    "SELECT right(user_id, 4) AS digits FROM delivery_recipient_status WHERE app = $1 AND campaign = $2 AND state = 'unread' ORDER BY user_id LIMIT 1",
    [APP, LARGE],
  )
  const sent = (days, until = new Date()) => ({ since: new Date(until.getTime() - days * DAY_MS), until })
  const unread = { state: /** @type {const} */ ('unread'), limit: 25 }
  return [
    { key: 'task', name: 'a task', budgets: ms(2, 10), ask: (rates) => rates.task({ app: APP, taskId }) },
    { key: 'campaign5k', name: 'a campaign of 5,000', budgets: ms(5, 20), ask: (rates) => rates.campaign(medium) },
    {
      key: 'campaign100k',
      name: 'the changing campaign',
      budgets: ms(20, 60),
      ask: (rates) => rates.campaign({ app: APP, campaign: LARGE }),
    },
    { key: 'campaigns', name: 'the campaign list', budgets: ms(30, 100), ask: (rates) => rates.campaigns({}) },
    { key: 'day', name: 'the campaigns of a day', budgets: ms(30, 100), ask: (rates) => rates.campaigns(sent(1, sentAt)) },
    {
      key: 'overview',
      name: 'the overview',
      budgets: ms(30, 100),
      ask: async (rates) => [
        await rates.apps(),
        await rates.attention(),
        await rates.campaigns({ limit: 20 }),
        await rates.tasks({ limit: 20 }),
      ],
    },
    {
      key: 'gauges',
      name: 'the gauges of /metrics',
      budgets: ms(20, 60),
      askDatabase: (database) => readGauges(database, new Map(), LIMITS),
    },
    { key: 'unread', name: 'its unread', budgets: ms(20, 60), ask: (rates) => rates.campaignRecipients(large, unread) },
    {
      key: 'unreadSearch',
      name: 'its unread, searched by digits',
      budgets: ms(20, 60),
      ask: (rates) => rates.campaignRecipients(large, { ...unread, search: people[0].digits }),
    },
    {
      key: 'unreadName',
      name: 'its unread, searched by name',
      budgets: ms(20, 60),
      ask: (rates) => rates.campaignRecipients(large, { ...unread, search: 'Name 12' }),
    },
    {
      key: 'unreadDepartment',
      name: 'its unread of a department',
      budgets: {},
      ask: (rates) => rates.campaignRecipients(large, { ...unread, department: `Headquarters/Department ${DEPARTMENTS - 1}` }),
    },
    {
      key: 'departments5k',
      name: 'a campaign of 5,000 by department',
      budgets: {},
      ask: (rates) => rates.campaignDepartments({ ...medium, openTasks: 0 }),
    },
    { key: 'departments100k', name: 'the changing one by department', budgets: {}, ask: (rates) => rates.campaignDepartments(large) },
    { key: 'curve100k', name: 'its curve', budgets: {}, ask: (rates) => rates.campaignCurve(large) },
    { key: 'details100k', name: 'its forbidden, by code', budgets: {}, ask: (rates) => rates.stateDetails(large) },
    { key: 'readTimes100k', name: 'its bounds and time to read', budgets: {}, ask: (rates) => rates.readTimes(large) },
    { key: 'timeToReadMonth', name: 'the time to read of a month', budgets: {}, ask: (rates) => rates.timeToRead(sent(30)) },
    {
      key: 'timeToReadQuarter',
      name: 'the time to read of a quarter',
      budgets: { medianMs: 500 },
      ask: (rates) => rates.timeToRead(sent(91)),
    },
  ]
}

const ms = (medianMs, p99Ms) => ({ medianMs, p99Ms })
