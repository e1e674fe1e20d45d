import { workerTiming } from '../../dist/app/settings.js'
import { readGauges } from '../../dist/store/gauges.js'
import { APP, DEPARTMENTS, LARGE, mediumCampaign } from './seed.mjs'

const DAY_MS = 86_400_000
const LIMITS = workerTiming({ pollsPerTask: 24, timeScale: 1 }).blind

/**
 * What is asked, by the key of the figure. Budgets are in scripts/budgets.mjs. A page of the dashboard asks with the row that it has read, as here.
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
    "SELECT user_id AS one, right(user_id, 4) AS digits FROM delivery_recipient_status WHERE app = $1 AND campaign = $2 AND state = 'unread' ORDER BY user_id LIMIT 1",
    [APP, LARGE],
  )
  const task = { app: APP, taskId }
  const { rows: recipients } = await client.query(
    'SELECT user_id FROM delivery_recipient_status WHERE app = $1 AND task_id = $2 ORDER BY user_id LIMIT 1',
    [APP, taskId],
  )
  const sent = (days, until = new Date()) => ({ since: new Date(until.getTime() - days * DAY_MS), until })
  const unread = { state: /** @type {const} */ ('unread'), limit: 25 }
  return [
    { key: 'task', name: 'a task', ask: (rates) => rates.task(task) },
    { key: 'recipients', name: 'its people', ask: (rates) => rates.recipients(task, {}) },
    { key: 'polls', name: 'its polls', ask: (rates) => rates.polls(task) },
    { key: 'explain', name: 'one person of it explained', ask: (rates) => rates.explain(task, recipients[0].user_id) },
    {
      key: 'stateAt',
      name: 'the task as it was known at a time',
      ask: (rates) => rates.stateAt(task, new Date(sentAt.getTime() + DAY_MS / 2)),
    },
    { key: 'tasks', name: 'the last 100 tasks', ask: (rates) => rates.tasks({}) },
    { key: 'tasksStopped', name: 'the last 100 stopped tasks: there is none', ask: (rates) => rates.tasks({ status: 'stopped' }) },
    { key: 'people', name: 'a page of all people', ask: (rates) => rates.people({}) },
    { key: 'peopleSearch', name: 'the same, searched by name', ask: (rates) => rates.people({ search: 'Name 77' }) },
    { key: 'person', name: 'one person', ask: (rates) => rates.person({ userId: people[0].one }) },
    { key: 'personTasks', name: 'what was sent to a person', ask: (rates) => rates.personTasks({ userId: people[0].one }, {}) },
    { key: 'campaign5k', name: 'a campaign of 5,000', ask: (rates) => rates.campaign(medium) },
    {
      key: 'campaign100k',
      name: 'the changing campaign',
      ask: (rates) => rates.campaign({ app: APP, campaign: LARGE }),
    },
    { key: 'campaigns', name: 'the campaign list', ask: (rates) => rates.campaigns({}) },
    { key: 'day', name: 'the campaigns of a day', ask: (rates) => rates.campaigns(sent(1, sentAt)) },
    {
      key: 'overview',
      name: 'the overview',
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
      askDatabase: (database) => readGauges(database, new Map(), LIMITS),
    },
    { key: 'unread', name: 'its unread', ask: (rates) => rates.campaignRecipients(large, unread) },
    {
      key: 'unreadSearch',
      name: 'its unread, searched by digits',
      ask: (rates) => rates.campaignRecipients(large, { ...unread, search: people[0].digits }),
    },
    {
      key: 'unreadName',
      name: 'its unread, searched by name',
      ask: (rates) => rates.campaignRecipients(large, { ...unread, search: 'Name 12' }),
    },
    {
      key: 'unreadDepartment',
      name: 'its unread of a department',
      ask: (rates) => rates.campaignRecipients(large, { ...unread, department: `Headquarters/Department ${DEPARTMENTS - 1}` }),
    },
    {
      key: 'departments5k',
      name: 'a campaign of 5,000 by department',
      ask: (rates) => rates.campaignDepartments({ ...medium, openTasks: 0 }),
    },
    { key: 'departments100k', name: 'the changing one by department', ask: (rates) => rates.campaignDepartments(large) },
    { key: 'curve100k', name: 'its curve', ask: (rates) => rates.campaignCurve(large) },
    { key: 'details100k', name: 'its forbidden, by code', ask: (rates) => rates.stateDetails(large) },
    { key: 'readTimes100k', name: 'its bounds and time to read', ask: (rates) => rates.readTimes(large) },
    { key: 'timeToReadMonth', name: 'the time to read of a month', ask: (rates) => rates.timeToRead(sent(30)) },
    {
      key: 'timeToReadQuarter',
      name: 'the time to read of a quarter',
      ask: (rates) => rates.timeToRead(sent(91)),
    },
  ]
}
