/**
 * Two years of history, and one campaign that is changing: a quarter of a day after its send.
 * Rows come in the order of their keys, a few statements for all of them, and triggers rest meanwhile: what they would have kept is made at the end.
 */
import { numberOf } from '../support/database.mjs'

export const APP = 'hr'
export const LARGE = 'all-hands'
export const DEPARTMENTS = 12
const PEOPLE_PER_TASK = 100
const DAYS = 730
const POLLS = 24
const POLLS_OF_LARGE = 6
/** Tasks of four campaigns, which repeat. */
const CAMPAIGN_SIZES = [50, 20, 20, 10]
const TASKS_OF_FOUR = 100

/**
 * A campaign of 5,000 people from the middle of the history.
 * @param {number} tasks of the history
 */
export function mediumCampaign(tasks) {
  return `notice-${String(Math.floor(tasks / TASKS_OF_FOUR / 2) * CAMPAIGN_SIZES.length).padStart(4, '0')}`
}

/**
 * Fills a migrated, empty database, as its superuser.
 * @param database a connected pg.Client
 * @param {number} tasks of the history, a multiple of 100; the changing campaign has a fiftieth of them, but 10 at least
 * @param {(what: string) => void} onStep is called before each step
 */
export async function seed(database, tasks, onStep) {
  const sizes = { tasks, large: Math.max(10, tasks / 50) }
  await database.query("SET synchronous_commit = off; SET work_mem = '256MB'; SET jit = off")
  for (const [what, statement] of STATEMENTS) {
    onStep(what)
    // Triggers of tasks run: they are few.
    await database.query(`SET session_replication_role = '${what === 'tasks with their figures' ? 'origin' : 'replica'}'`)
    await database.query(statement(sizes))
  }
  await database.query('RESET session_replication_role; RESET synchronous_commit; RESET work_mem')
  onStep('vacuum')
  await database.query('VACUUM ANALYZE')
  onStep('kept figures')
  await settle(database)
  await database.query("SELECT delivery_keep_rosters(20000, '0', 60)")
  await database.query('VACUUM ANALYZE delivery_campaign, delivery_campaign_change, delivery_roster_part, delivery_task_brackets')
}

/** In short steps, as the worker does. */
async function settle(database) {
  while ((await numberOf(database, 'SELECT delivery_recount_campaigns(20, 1.0) AS n')) > 0);
  while ((await numberOf(database, 'SELECT delivery_keep_ended(1000) AS n')) > 0);
}

/** Eighteen digits, with a zero at the front, as DingTalk has them; in no order. */
const userId = (person) => `('0' || lpad((hashint8extended(${person}, 0) & 72057594037927935)::text, 17, '0'))`
/** In [0, 1), and the same each time. */
const luck = (key, kind) => `((hashint8extended(${key}, ${kind}) & 1048575) / 1048576::double precision)`
/** A poll an hour, nearly, each task at its own second. The answer arrives then. */
const at = (poll) => `(sent_at + ${poll} * interval '59 minutes' + (id % 600) * interval '1 second')`
const peopleOf = ({ large }) => large * PEOPLE_PER_TASK

/** @type {ReadonlyArray<readonly [string, (sizes: { tasks: number, large: number }) => string]>} */
const STATEMENTS = [
  [
    'tasks',
    ({ tasks, large }) => `
CREATE TEMP TABLE task AS
SELECT id, app, campaign, polls, date_trunc('milliseconds', sent_at) AS sent_at, first_person FROM (
  SELECT row_number() OVER (ORDER BY c, k) AS id, CASE WHEN c % 10 = 9 THEN 'it' ELSE '${APP}' END AS app,
    'notice-' || lpad(c::text, 4, '0') AS campaign, ${POLLS} AS polls,
    now() - interval '2 days' - interval '${DAYS - 2} days' * (${tasks} * 4 / ${TASKS_OF_FOUR} - 1 - c) / (${tasks} * 4 / ${TASKS_OF_FOUR}) + k * interval '6 s' AS sent_at,
    c::bigint * 7919 + k * ${PEOPLE_PER_TASK} AS first_person
  FROM generate_series(0, ${(tasks * 4) / TASKS_OF_FOUR} - 1) AS c, generate_series(0, (ARRAY[${CAMPAIGN_SIZES.join()}])[1 + c % 4] - 1) AS k
  UNION ALL
  SELECT ${tasks} + 1 + k, '${APP}', '${LARGE}', ${POLLS_OF_LARGE}, now() - interval '6 hours 30 minutes' + k * interval '500 ms', k * ${PEOPLE_PER_TASK}
  FROM generate_series(0, ${large} - 1) AS k
) AS drawn ORDER BY id`,
  ],

  // Of a hundred people 2 are forbidden, 2 are pending, 12 are never seen to read; half of the others read within the first three hours.
  [
    'recipients',
    (sizes) => `
INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count)
SELECT id, user_id, true, state, CASE WHEN state <> 'pending' THEN ${at(1)} END,
  CASE WHEN state = 'read' AND read_poll > 1 THEN ${at('(read_poll - 1)')} - interval '200 ms' END, CASE WHEN state = 'read' THEN ${at('read_poll')} END,
  CASE WHEN state = 'forbidden' THEN (ARRAY['143105', '143106', '143103'])[1 + id % 3] END, CASE WHEN state = 'forbidden' THEN 500 END
FROM task CROSS JOIN LATERAL (
  SELECT user_id, read_poll, CASE WHEN luck < 0.02 THEN 'forbidden' WHEN luck < 0.04 THEN 'pending' WHEN luck < 0.16 OR read_poll > polls THEN 'unread' ELSE 'read' END AS state
  FROM (
    SELECT ${userId(`(first_person + i) % ${peopleOf(sizes)}`)} AS user_id, ${luck(`id * ${PEOPLE_PER_TASK} + i`, 1)} AS luck,
      1 + floor(-ln(1 - ${luck(`id * ${PEOPLE_PER_TASK} + i`, 2)}) * 4)::integer AS read_poll
    FROM generate_series(0, ${PEOPLE_PER_TASK - 1}) AS i
  ) AS person ORDER BY user_id COLLATE "C"
) AS drawn`,
  ],
  [
    'tasks with their figures',
    () => `
INSERT INTO delivery_task (
  id, app, task_id, agent_id, campaign, status, reason_code, sent_at, deadline_at, tracked_at, scheduled_at, recipients_known, poll_no, good_polls, calls,
  next_poll_at, last_good_requested_at, last_observed_at, finished_at, pending, forbidden, unread, read
)
SELECT id, app, (256271667526 + id * 7)::text, '836390886', campaign, status, reason, sent_at, deadline, sent_at, sent_at, true, polls, polls, polls,
  CASE WHEN status = 'tracking' THEN ${at('(polls + 1)')} END, ${at('polls')} - interval '200 ms', ${at('polls')}, CASE WHEN status <> 'tracking' THEN deadline END,
  pending, forbidden, unread, read
FROM (
  SELECT task.*, counted.*, sent_at + interval '24 hours' AS deadline,
    CASE WHEN campaign = '${LARGE}' THEN 'tracking' ELSE 'expired' END AS status, CASE WHEN campaign <> '${LARGE}' THEN 'window_over' END AS reason
  FROM task JOIN (
    SELECT task_pk, count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'forbidden') AS forbidden,
      count(*) FILTER (WHERE state = 'unread') AS unread, count(*) FILTER (WHERE state = 'read') AS read
    FROM delivery_recipient GROUP BY task_pk
  ) AS counted ON counted.task_pk = task.id
) AS known ORDER BY id`,
  ],
  ['the next task', () => "SELECT setval(pg_get_serial_sequence('delivery_task', 'id'), max(id)) FROM delivery_task"],
  // With the changes that each poll showed: by user id, each as "from" times ten and "to".
  [
    'polls',
    () => `
INSERT INTO delivery_poll (
  task_pk, poll_no, due_at, requested_at, responded_at, outcome, code, pending, invalid, failed, forbidden, unread, read, changed, anomalies,
  moved_user_ids, moved_states, moved_after
)
SELECT id, poll, ${at('poll')} - interval '1 second', ${at('poll')} - interval '200 ms', ${at('poll')}, 'observed', '0', pending, 0, 0, forbidden,
  unread + read - read * poll / poll_no, read * poll / poll_no, coalesce(cardinality(states), 0), 0, user_ids, states, after_at
FROM delivery_task CROSS JOIN LATERAL (
  SELECT * FROM generate_series(1, poll_no) AS poll
  LEFT JOIN (
    SELECT found_at, string_agg(user_id, E'\\n' ORDER BY user_id) AS user_ids, array_agg(code ORDER BY user_id) AS states, array_agg(after_at ORDER BY user_id) AS after_at
    FROM (
      SELECT user_id, (CASE WHEN last_unread_at IS NULL THEN 5 ELSE 45 END)::smallint AS code, coalesce(last_unread_at, sent_at) AS after_at, first_read_at AS found_at
      FROM delivery_recipient WHERE task_pk = id AND state = 'read'
      UNION ALL
      SELECT user_id, CASE state WHEN 'forbidden' THEN 3 ELSE 4 END, sent_at, first_seen_at
      FROM delivery_recipient WHERE task_pk = id AND (state IN ('unread', 'forbidden') OR last_unread_at IS NOT NULL)
    ) AS change GROUP BY found_at OFFSET 0
  ) AS moved ON moved.found_at = ${at('poll')}
) AS polled
ORDER BY id, poll`,
  ],
  [
    'people with names',
    (sizes) => `
INSERT INTO delivery_person (app, user_id, name, departments)
SELECT '${APP}', ${userId('n')}, '员工 Name ' || n, ARRAY['Headquarters/Department ' || n % ${DEPARTMENTS} || '/Team ' || n % 100]
FROM generate_series(0, ${peopleOf(sizes)} - 1) AS n ORDER BY 2`,
  ],
  [
    'apps',
    () => `
INSERT INTO delivery_app (app, calls_month, calls_used)
SELECT app, to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), 5000 FROM (SELECT DISTINCT app FROM task) AS apps`,
  ],
  ['marks', () => 'INSERT INTO delivery_campaign_change (app, campaign) SELECT DISTINCT app, campaign FROM task'],
]
