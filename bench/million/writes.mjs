import { planPoll } from '../../dist/domain/plan.js'
import { buildTiming } from '../../dist/domain/poll-times.js'
import { createTracker } from '../../dist/index.js'
import { openDatabase } from '../../dist/store/prisma.js'
import { writePolls } from '../../dist/store/write-polls.js'
import { median } from './measure.mjs'
import { numberOf, PEOPLE_PER_TASK, settle, TASKS_PER_CAMPAIGN } from './seed.mjs'

/** Polls in one statement when many tasks are due. */
const GROUP = 200
const NEWLY_READ = 4
const timing = buildTiming(24)

/**
 * Measures what marking changed campaigns costs: the same writes with the triggers and without, alternately.
 * First polls that add a hundred people each, then polls that find four more who have read, then polls that find nothing new.
 */
export async function measureWrites({ client, url, pairs }) {
  const tracker = createTracker({ databaseUrl: url })
  const database = openDatabase(url, { max: 1 })
  const spent = { with: [[], [], []], without: [[], [], []] }
  const before = await updates(client)
  for (let pair = 0; pair < pairs; pair += 1) {
    const order = pair % 2 === 0 ? ['with', 'without'] : ['without', 'with']
    for (const kind of order) {
      const tasks = await trackSome(tracker, pair)
      await client.query(`ALTER TABLE delivery_recipient ${kind === 'with' ? 'ENABLE' : 'DISABLE'} TRIGGER USER`)
      const times = await writeThree(database, tasks)
      await client.query('ALTER TABLE delivery_recipient ENABLE TRIGGER USER')
      times.forEach((time, i) => spent[kind][i].push(time))
    }
  }
  await tracker.close()
  await database.close()
  const kinds = [
    `${GROUP} first polls, ${PEOPLE_PER_TASK} new people each`,
    `${GROUP} polls, ${NEWLY_READ} newly read each`,
    `${GROUP} polls, nothing new`,
  ]
  console.log(`\nmedians of ${pairs} group writes each, marking campaigns or not`)
  kinds.forEach((kind, i) => {
    const [marking, plain] = [median(spent.with[i]), median(spent.without[i])]
    console.log(`${kind}: ${marking.toFixed(1)} ms with marks, ${plain.toFixed(1)} ms without, ratio ${(marking / plain).toFixed(2)}`)
  })
  const marks = await numberOf(client, 'SELECT count(*)::int AS n FROM delivery_campaign_change')
  console.log(`${marks} marks left by ${pairs * 3} group writes`)
  report(before, await updates(client))
  await client.query("DELETE FROM delivery_task WHERE campaign LIKE 'written-%'")
  await settle(client)
  await client.query('VACUUM ANALYZE')
}

const FREE = { lastGoodAt: null, pause: null, hasWitness: false }
const SCOPES = { agentId: null, app: { ...FREE, resumedAt: null }, pair: FREE }

async function trackSome(tracker, pair) {
  const sentAt = new Date(Date.now() - 10 * 60_000)
  const tasks = Array.from({ length: GROUP }, (_, i) => ({
    taskId: String(process.hrtime.bigint() + BigInt(i)),
    campaign: `written-${pair}-${Math.floor(i / TASKS_PER_CAMPAIGN)}`,
    sentAt,
  }))
  await tracker.trackMany(tasks)
  return tasks.map(({ taskId, campaign }) => ({
    key: { app: 'default', taskId },
    agentId: null,
    campaign,
    status: 'tracking',
    sentAt,
    sentAtGiven: true,
    deadlineAt: new Date(sentAt.getTime() + timing.windowMs),
    recipientsKnown: false,
    pollNo: 0,
    nextPollAt: new Date(),
    lastGoodRequestedAt: null,
    lastObservedAt: null,
    goodPolls: 0,
    failuresInRow: 0,
    calls: 0,
    finalCalls: 0,
    problem: null,
    delay: null,
    answerDigest: null,
    listedFingerprint: null,
    listedSince: null,
    erasureNo: 0,
    pollOffsetsMs: null,
    admitted: true,
    recipients: [],
    scopes: SCOPES,
  }))
}

async function writeThree(database, tasks) {
  const times = []
  for (const read of [0, NEWLY_READ, NEWLY_READ]) {
    const plans = tasks.map((task) => planPoll(task, answer(task, read, times.length), 1, new Date(), timing))
    const started = performance.now()
    const written = await writePolls(database, plans)
    times.push(performance.now() - started)
    if (written.some((each) => each !== 'stored')) throw new Error('a poll was not stored')
    plans.forEach((plan, i) => advance(tasks[i], plan))
  }
  return times
}

/** @returns {import('../../dist/domain/delivery.js').Answer} */
function answer({ key, sentAt }, read, number) {
  const requestedAt = new Date(sentAt.getTime() + (number + 1) * 60_000)
  /** @type {Map<string, { kind: 'read' | 'unread' }>} */
  const people = new Map(Array.from({ length: PEOPLE_PER_TASK }, (_, i) => [`${key.taskId}-${i}`, { kind: i < read ? 'read' : 'unread' }]))
  const respondedAt = new Date(requestedAt.getTime() + 180)
  return { kind: 'observed', observation: { requestedAt, respondedAt, requestId: 'bench', people } }
}

/** The task as it is loaded before the next poll. */
function advance(task, { changed, task: update, poll }) {
  const known = new Map(task.recipients.map((person) => [person.userId, person]))
  for (const person of changed) known.set(person.userId, person)
  // An unread person whom the last successful poll listed was unread when it was asked for.
  const recipients = [...known.values()].map((person) =>
    person.state.kind === 'unread' && person.state.listed
      ? { ...person, state: { ...person.state, lastUnreadAt: update.lastGoodRequestedAt } }
      : person,
  )
  Object.assign(task, update, { pollNo: poll.pollNo, recipients })
}

/** Updates of a row that touch no index (heap-only tuples), and all of them. A session reports its last ones a moment after it ended. */
async function updates(client) {
  await client.query('SELECT pg_sleep(1)')
  const { rows } = await client.query(
    `SELECT relname AS name, n_tup_upd::int AS updated, n_tup_hot_upd::int AS in_place FROM pg_stat_user_tables
     WHERE relname IN ('delivery_task', 'delivery_recipient') ORDER BY relname`,
  )
  return rows
}

function report(before, after) {
  after.forEach(({ name, updated, in_place: inPlace }, i) => {
    console.log(`${name}: ${inPlace - before[i].in_place} of ${updated - before[i].updated} updates touched no index`)
  })
}
