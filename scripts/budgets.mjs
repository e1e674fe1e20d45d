/**
 * What `npm run bench` is judged by: each figure of its document with what it is, and the least or the most that it should be. A figure without a limit
 * is in the tables, and is judged by no one. A figure over its budget fails nothing: it depends on the machine.
 * @typedef {{ key: string, about: string, atLeast?: number, atMost?: number }} Budget
 * @type {readonly Budget[]}
 */
export const BUDGETS = [
  { key: 'cpuRatio.A.redis', about: 'CPU of the ceiling ÷ CPU of a poll that finds nothing new', atLeast: 0.2 },
  { key: 'cpuRatio.B.redis', about: 'the same of a day of 24 polls', atLeast: 0.1 },
  { key: 'cpuRatio.C.redis', about: 'the same of a first poll', atLeast: 0.05 },
  { key: 'cpuRatio.A.postgres', about: 'nothing new, queue in PostgreSQL', atLeast: 0.35 },
  { key: 'overNaive.B', about: 'CPU of an upsert for each person ÷ CPU of a poll of a day', atLeast: 20 },
  { key: 'overCron.A', about: 'CPU of a cron job ÷ CPU of a poll that finds nothing new' },
  { key: 'transactionsPerPoll.apps2000', about: 'transactions a poll with 2,000 apps', atMost: 0.15 },
  { key: 'walPerPoll.B', about: 'bytes of WAL a poll of a day', atMost: 3_300 },
  { key: 'walPerPoll.C', about: 'bytes of WAL a first poll of 100 people', atMost: 36_000 },
  { key: 'bytesPerRecipientDay', about: 'bytes that stay of a recipient and its day', atMost: 380 },
  { key: 'growth.cpuPerPoll100kOver1k', about: 'CPU of a poll with 100,000 open tasks ÷ with a few hundred', atMost: 1.2 },
  { key: 'growth.cpuPerPollTwoYearsOverEmpty', about: 'CPU of a poll after two years ÷ without history', atMost: 1.2 },
  ...question('task', 'a task', 2, 10),
  ...question('campaign5k', 'a campaign of 5,000', 5, 20),
  ...question('campaign100k', 'the changing campaign of 100,000', 20, 60),
  ...question('campaigns', 'the campaign list', 30, 100),
  ...question('day', 'the campaigns of a day', 30, 100),
  ...question('overview', 'the overview', 30, 100),
  ...question('gauges', 'the gauges of `/metrics`', 20, 60),
  ...question('unread', '25 of the unread of 100,000', 20, 60),
  ...question('unreadSearch', 'the same, searched by digits of a user id', 20, 60),
  ...question('unreadName', 'the same, searched by name', 20, 60),
  { key: 'reading.unreadDepartment.medianMs', about: 'the same, of a department: median, ms' },
  { key: 'reading.departments100k.medianMs', about: 'the changing campaign by department: median, ms' },
  { key: 'reading.curve100k.medianMs', about: 'its read curve: median, ms' },
  { key: 'reading.readTimes100k.medianMs', about: 'its bounds and time to read: median, ms' },
  { key: 'reading.timeToReadMonth.medianMs', about: 'the time to read of a month: median, ms' },
  { key: 'reading.timeToReadQuarter.medianMs', about: 'the time to read of a quarter: median, ms', atMost: 500 },
  { key: 'reading.page100k.sixViewersMs', about: 'the page of 100,000 people with six viewers, ms', atMost: 300 },
  { key: 'reading.page100k.cpuShare', about: 'cores that these six use', atMost: 0.1 },
  { key: 'reading.xlsx100k.seconds', about: 'the `.xlsx` file of 100,000 people, s', atMost: 15 },
  { key: 'reading.xlsx100k.peakMiB', about: 'its memory above rest, MiB' },
  { key: 'reading.csv100k.seconds', about: 'the CSV file of 100,000 people, s' },
  { key: 'reading.erasure.seconds', about: 'erasure of one person, s' },
  { key: 'start.versionOverNode', about: '`--version` ÷ `node -e 0`', atMost: 1.5 },
  { key: 'start.importMs', about: "`import 'dingtalk-delivery-tracker'`, ms", atMost: 100 },
  { key: 'start.workerReadyMs', about: 'until a worker is ready, ms', atMost: 1_000 },
  { key: 'start.workerCpuMs', about: 'its CPU until then, ms' },
  { key: 'idle.statementsPerMinute', about: 'statements a minute of a worker at rest', atMost: 30 },
  { key: 'idle.redisCommandsPerMinute', about: 'commands of Redis a minute, those inside scripts too', atMost: 60 },
  { key: 'idle.rssMiB', about: 'its memory, MiB', atMost: 100 },
  { key: 'idle.cpuPercent', about: 'its CPU, percent of a core' },
  { key: 'enqueue.track.database.p50Ms', about: '`track` of 100 recipients through the database, ms' },
  { key: 'enqueue.track.database.p99Ms', about: 'the slowest of a hundred, ms', atMost: 10 },
  { key: 'enqueue.track.queue.p50Ms', about: '`track` through Redis, ms' },
  { key: 'enqueue.track.queue.p99Ms', about: 'the slowest of a hundred, ms', atMost: 10 },
  { key: 'enqueue.trackMany10000x100.databaseSeconds', about: '`trackMany` of 10,000 tasks of 100, through the database, s', atMost: 3 },
  { key: 'enqueue.trackMany10000x100.queueSeconds', about: 'the same through Redis, s', atMost: 3 },
  { key: 'enqueue.sqlFunctionMs', about: 'a task of 100 with the SQL function, in one transaction, ms', atMost: 0.5 },
  { key: 'lateness.p99Ms', about: 'lateness at half of what one worker can do, 100,000 open tasks: 99 %, ms', atMost: 500 },
  { key: 'sent.plannedAfterSeconds', about: '10,000 tasks sent at once: the last one has its plan after, s' },
  { key: 'drain.secondsOverCap', about: '8,000 polls due at once: longer than the rate of calls asks for, s' },
  { key: 'drain.rssMiB', about: 'the memory of the worker meanwhile, MiB', atMost: 300 },
]

/** @returns {Budget[]} */
function question(key, about, median, p99) {
  return [
    { key: `reading.${key}.medianMs`, about: `${about}: median, ms`, atMost: median },
    { key: `reading.${key}.p99Ms`, about: `${about}: 99th percentile, ms`, atMost: p99 },
  ]
}

/**
 * @param {object} figures a document of `npm run bench`, or a part of it
 * @param {string} key
 * @returns {number | null} null where it was not measured
 */
function figureOf(figures, key) {
  const value = key.split('.').reduce((part, name) => part?.[name], figures)
  return typeof value === 'number' ? value : null
}

/**
 * @param {object} figures
 * @returns {Array<Budget & { limit: string, value: number | null, verdict: '' | 'met' | 'over' }>} a row for each of the table above
 */
export function judge(figures) {
  return BUDGETS.map((budget) => {
    const { key, atLeast = -Infinity, atMost = Infinity } = budget
    const value = figureOf(figures, key)
    const limit = atLeast > -Infinity ? `≥ ${atLeast}` : atMost < Infinity ? `≤ ${atMost}` : ''
    const verdict = value === null || limit === '' ? '' : value >= atLeast && value <= atMost ? 'met' : 'over'
    return { ...budget, limit, value, verdict }
  })
}

/** @param {object} figures @returns {string} a text for the end of a line; empty where none is over its budget */
export function overBudget(figures) {
  const over = judge(figures).filter(({ verdict }) => verdict === 'over')
  return over.length === 0 ? '' : ` OVER BUDGET: ${over.map(({ key, limit }) => `${key.split('.').at(-1)} ${limit}`).join(', ')}`
}
