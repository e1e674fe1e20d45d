/**
 * Fills a migrated database as three months of tracking do: people are added as pending, then change as polls observe them,
 * rows of polls and changes are in the order of their time, and the triggers run.
 */
import { buildTiming } from '../../dist/domain/poll-times.js'

export const PEOPLE_PER_TASK = 100
/** The values of a poll's people as a poll stores them: one where all are equal, else one for each. */
export const ONE_OR_EACH = (value) =>
  `CASE WHEN count(DISTINCT ${value}) = 1 THEN ARRAY[min(${value})] ELSE array_agg(${value} ORDER BY user_id COLLATE "C") END`
export const TASKS_PER_CAMPAIGN = 50
export const CAMPAIGN_PREFIX = 'notice-'
const LOOKS_PER_TASK = 24
const DAYS = 90
/** Campaigns in one transaction. */
const STEP = 5

export function campaignName(number) {
  return `${CAMPAIGN_PREFIX}${String(number).padStart(4, '0')}`
}

/**
 * @param database a connected pg.Client
 * @param tasks a multiple of 50
 * @param onProgress is called with (what, done, all)
 */
export async function seed(database, tasks, onProgress) {
  const campaigns = tasks / TASKS_PER_CAMPAIGN
  await database.query('SELECT setseed(0.5)')
  for (let first = 0; first < campaigns; first += STEP) {
    await database.query('BEGIN')
    for (const statement of STATEMENTS) await database.query(statement(first, Math.min(first + STEP, campaigns) - 1, campaigns))
    await database.query('COMMIT')
    // As autovacuum does later.
    if (first % (8 * STEP) === 0) await database.query('VACUUM ANALYZE delivery_recipient, delivery_task')
    onProgress('campaigns', Math.min(first + STEP, campaigns), campaigns)
  }
  await database.query(`SELECT setval(pg_get_serial_sequence('delivery_task', 'id'), ${tasks})`)
  await database.query(
    `INSERT INTO delivery_app (app, calls_month, calls_used)
     SELECT app, to_char(now() AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM'), sum(poll_no) / 3 FROM delivery_task GROUP BY app`,
  )
  await database.query(DIRECTORY)
  await settle(database, onProgress)
  await database.query('VACUUM ANALYZE')
}

/**
 * Names for all people of the campaigns, and for so many others that there are 100,000 in the app `hr`. 40 departments with 7 teams each; every tenth
 * person is in two departments, every fiftieth in none.
 */
const DIRECTORY = `
INSERT INTO delivery_person (app, user_id, name, departments)
SELECT app, user_id, 'Name ' || n, CASE
  WHEN n % 50 = 0 THEN '{}'::text[]
  WHEN n % 10 = 0 THEN ARRAY[format('Headquarters/Department %s/Team %s', n % 40, n % 7), format('Headquarters/Project %s', n % 13)]
  ELSE ARRAY[format('Headquarters/Department %s/Team %s', n % 40, n % 7)]
END
FROM (
  SELECT app, user_id, row_number() OVER (ORDER BY app, user_id) AS n FROM (
    SELECT app, user_id FROM (SELECT DISTINCT app FROM delivery_task) AS apps
    CROSS JOIN (SELECT DISTINCT user_id FROM delivery_recipient WHERE task_pk <= ${TASKS_PER_CAMPAIGN}) AS users
    UNION
    SELECT 'hr', 'other' || i FROM generate_series(1, 95000) AS i
  ) AS known
) AS numbered`

/**
 * In short steps, as the worker does.
 * @param {(what: string, done: number, all: number) => void} [onProgress]
 */
export async function settle(database, onProgress = () => undefined) {
  const marked = await numberOf(database, 'SELECT count(DISTINCT (app, campaign))::int AS n FROM delivery_campaign_change')
  for (let done = 0; done < marked; onProgress('campaigns settled', done, marked)) {
    done += await numberOf(database, 'SELECT delivery_recount_campaigns(20, 1.0) AS n')
  }
  let ended = 1
  while (ended > 0) ended = await numberOf(database, 'SELECT delivery_keep_ended(200) AS n')
}

export async function numberOf(database, query) {
  const { rows } = await database.query(query)
  return rows[0].n
}

const OFFSETS = buildTiming(LOOKS_PER_TASK).offsetsMs
const PLAN = [...OFFSETS, 24 * 3_600_000 - 10 * 60_000].map((ms, i) => `(${i + 1}, ${Math.round(ms)} * interval '1 ms')`).join(', ')

/** Each gets the numbers of the first and the last campaign, and how many there are in all. The last one was sent two hours ago. */
const STATEMENTS = [
  (first, last, campaigns) => `
CREATE TEMP TABLE task ON COMMIT DROP AS
SELECT
  c * ${TASKS_PER_CAMPAIGN} + k + 1 AS id, c, k,
  CASE WHEN c % 10 < 6 THEN 'hr' WHEN c % 10 < 9 THEN 'it' ELSE 'sales' END AS app,
  (256271667526 + (c * ${TASKS_PER_CAMPAIGN} + k) * 7)::text AS task_id,
  '${CAMPAIGN_PREFIX}' || lpad(c::text, 4, '0') AS campaign,
  date_trunc('milliseconds', now()) - interval '2 hours' - interval '${DAYS} days' * (${campaigns} - 1 - c) / ${campaigns} + k * interval '6 s' AS sent_at,
  CASE WHEN (c * ${TASKS_PER_CAMPAIGN} + k) % 400 = 7 THEN 'stopped' WHEN k % 20 = 3 THEN 'all read' ELSE 'some never read' END AS fate
FROM generate_series(${first}, ${last}) AS c, generate_series(0, ${TASKS_PER_CAMPAIGN - 1}) AS k`,

  // Every fiftieth poll fails; the last one never, and the first three of a stopped task do.
  () => `
CREATE TEMP TABLE poll ON COMMIT DROP AS
SELECT id, poll_no, due_at, due_at + lag AS requested_at, due_at + lag + interval '180 ms' AS responded_at,
  fate <> 'stopped' AND (poll_no = ${LOOKS_PER_TASK} OR random() > 0.02) AS good
FROM (
  SELECT id, fate, poll_no, sent_at + after AS due_at, random() * interval '900 ms' AS lag
  FROM task, (VALUES ${PLAN}) AS plan (poll_no, after)
  WHERE fate <> 'stopped' OR poll_no <= 3
) AS planned
WHERE due_at < now()`,
  () => 'CREATE INDEX ON poll (id, requested_at) WHERE good',
  () => 'ANALYZE poll',

  // Half of them within an hour and a half, the last ones after days.
  () => `
CREATE TEMP TABLE person ON COMMIT DROP AS
SELECT
  given.*, at_first.poll_no AS first_poll_no, at_first.responded_at AS first_seen_at,
  at_read.poll_no AS read_poll_no, at_read.responded_at AS first_read_at, before.requested_at AS last_unread_at
FROM (
  SELECT
    id, sent_at,
    '0' || lpad((abs(hashint8extended(k * ${PEOPLE_PER_TASK} + i, 0)::numeric) % 100000000000000000)::text, 17, '0') AS user_id,
    CASE
      WHEN luck < 0.02 THEN 'forbidden' WHEN luck < 0.03 THEN 'failed' WHEN luck < 0.035 THEN 'invalid'
      WHEN fate = 'all read' THEN 'read'
      WHEN luck < 0.05 THEN 'pending' WHEN luck < 0.2 THEN 'unread' ELSE 'read'
    END AS fate,
    (ARRAY['143105', '143105', '143105', '143106', '143103', '143104', NULL])[1 + floor(random() * 7)] AS code,
    sent_at + CASE WHEN fate = 'all read' THEN random() * interval '20 hours' ELSE power(-ln(1 - random()), 1.8) * interval '170 minutes' END AS read_at
  FROM (SELECT *, random() AS luck FROM task, generate_series(0, ${PEOPLE_PER_TASK - 1}) AS i) AS drawn
) AS given
LEFT JOIN LATERAL (
  SELECT * FROM poll WHERE poll.id = given.id AND good AND given.fate <> 'pending' ORDER BY requested_at LIMIT 1
) AS at_first ON true
LEFT JOIN LATERAL (
  SELECT * FROM poll WHERE poll.id = given.id AND good AND given.fate = 'read' AND requested_at > given.read_at ORDER BY requested_at LIMIT 1
) AS at_read ON true
LEFT JOIN LATERAL (
  SELECT * FROM poll WHERE poll.id = given.id AND good AND requested_at < at_read.requested_at ORDER BY requested_at DESC LIMIT 1
) AS before ON true`,
  () => 'CREATE INDEX ON person (id)',
  () => 'ANALYZE person',

  // A task that ended is not polled again.
  () => `
DELETE FROM poll USING (
  SELECT task.id, max(read_poll_no) AS last_poll_no FROM task JOIN person USING (id)
  WHERE task.fate = 'all read' GROUP BY task.id HAVING bool_and(person.fate <> 'read' OR read_poll_no IS NOT NULL)
) AS complete WHERE poll.id = complete.id AND poll_no > last_poll_no`,

  () => `
INSERT INTO delivery_task (
  id, app, task_id, agent_id, campaign, status, reason_code, sent_at, deadline_at, tracked_at, scheduled_at, recipients_known, poll_no, next_poll_at,
  last_good_requested_at, last_observed_at, good_polls, delay_code, finished_at, pending, invalid, failed, forbidden, unread, read
)
SELECT
  id, app, task_id, '836390886', campaign, status,
  CASE status WHEN 'complete' THEN 'all_accounted_for' WHEN 'stopped' THEN 'parameters' WHEN 'expired' THEN 'window_over' END,
  sent_at, sent_at + interval '24 hours', sent_at, sent_at + interval '1 second', true, polls,
  CASE WHEN status = 'tracking' THEN coalesce(next_at, now() + interval '1 minute') END,
  last_good_requested_at, last_observed_at, good_looks, CASE WHEN status = 'tracking' AND id % 37 = 0 THEN 'call_rate' END,
  CASE status WHEN 'tracking' THEN NULL WHEN 'expired' THEN sent_at + interval '24 hours' ELSE last_look_at END,
  pending, invalid, failed, forbidden, unread, read
FROM (
  SELECT
    *, CASE
      WHEN fate = 'stopped' THEN 'stopped' WHEN unread + pending = 0 THEN 'complete'
      WHEN sent_at + interval '24 hours' < now() THEN 'expired' ELSE 'tracking'
    END AS status
  FROM task
  JOIN (
    SELECT id, count(*) AS polls, count(*) FILTER (WHERE good) AS good_looks, max(responded_at) AS last_look_at,
      max(requested_at) FILTER (WHERE good) AS last_good_requested_at, max(responded_at) FILTER (WHERE good) AS last_observed_at
    FROM poll GROUP BY id
  ) AS polled USING (id)
  JOIN (
    SELECT id,
      count(*) FILTER (WHERE first_poll_no IS NULL) AS pending, count(*) FILTER (WHERE first_poll_no > 0 AND fate = 'invalid') AS invalid,
      count(*) FILTER (WHERE first_poll_no > 0 AND fate = 'failed') AS failed, count(*) FILTER (WHERE first_poll_no > 0 AND fate = 'forbidden') AS forbidden,
      count(*) FILTER (WHERE first_poll_no > 0 AND fate IN ('read', 'unread') AND read_poll_no IS NULL) AS unread, count(read_poll_no) AS read
    FROM person GROUP BY id
  ) AS counted USING (id)
  LEFT JOIN LATERAL (SELECT min(sent_at + after) AS next_at FROM (VALUES ${PLAN}) AS plan (poll_no, after) WHERE sent_at + after > now()) AS next ON true
) AS known
ORDER BY id`,

  () => `
INSERT INTO delivery_recipient (task_pk, user_id, named, state)
SELECT id, user_id, true, 'pending' FROM person ORDER BY id, user_id COLLATE "C"`,
  () => `
UPDATE delivery_recipient AS known SET
  state = CASE WHEN fate IN ('read', 'unread') THEN 'unread' ELSE fate END, first_seen_at = person.first_seen_at,
  forbidden_code = CASE WHEN fate = 'forbidden' THEN code END, forbidden_count = CASE WHEN fate = 'forbidden' AND code IS NOT NULL THEN 500 END
FROM person WHERE known.task_pk = person.id AND known.user_id = person.user_id AND person.first_poll_no IS NOT NULL`,
  ...[`<= 8`, `> 8`].map(
    (when) => () =>
      `
UPDATE delivery_recipient AS known SET state = 'read', first_read_at = person.first_read_at, last_unread_at = person.last_unread_at
FROM person WHERE known.task_pk = person.id AND known.user_id = person.user_id AND read_poll_no ${when}`,
  ),

  () => `
INSERT INTO delivery_poll (
  task_pk, poll_no, due_at, requested_at, responded_at, outcome, code, message, request_id,
  pending, invalid, failed, forbidden, unread, read, changed, anomalies, moved_user_ids, moved_states, moved_after
)
SELECT
  stored.id, stored.poll_no, due_at, requested_at, responded_at, CASE WHEN good THEN 'observed' WHEN fate = 'stopped' THEN 'task' ELSE 'transient' END,
  CASE WHEN good THEN '0' ELSE 'HTTP_502' END, CASE WHEN NOT good THEN 'Bad gateway' END, md5(random()::text),
  CASE WHEN good THEN known.pending END, CASE WHEN good THEN known.invalid END, CASE WHEN good THEN known.failed END,
  CASE WHEN good THEN known.forbidden END, CASE WHEN good THEN known.unread + known.read - have_read END, CASE WHEN good THEN have_read END,
  coalesce(changed, 0), 0, user_ids, states, after
FROM (
  SELECT poll.*, task.fate, changed, coalesce(sum(newly_read) OVER (PARTITION BY id ORDER BY poll_no), 0) AS have_read
  FROM poll JOIN task USING (id)
  LEFT JOIN (
    SELECT id, poll_no, count(*) FILTER (WHERE is_read) AS newly_read, count(DISTINCT user_id) AS changed
    FROM (
      SELECT id, user_id, first_poll_no AS poll_no, false AS is_read FROM person
      UNION ALL SELECT id, user_id, read_poll_no, true FROM person
    ) AS change WHERE poll_no IS NOT NULL GROUP BY id, poll_no
  ) AS found USING (id, poll_no)
) AS stored
JOIN delivery_task AS known USING (id)
LEFT JOIN (
  SELECT id, poll_no, string_agg(user_id, E'\\n' ORDER BY user_id COLLATE "C") AS user_ids, ${ONE_OR_EACH('code')} AS states, ${ONE_OR_EACH('after_at')} AS after
  FROM (
    SELECT id, user_id, first_poll_no AS poll_no, sent_at AS after_at,
      (CASE fate WHEN 'invalid' THEN 1 WHEN 'failed' THEN 2 WHEN 'forbidden' THEN 3 ELSE 4 END)::smallint AS code
    FROM person WHERE first_poll_no IS NOT NULL AND first_poll_no IS DISTINCT FROM read_poll_no
    UNION ALL
    SELECT id, user_id, read_poll_no, coalesce(last_unread_at, sent_at), CASE WHEN last_unread_at IS NULL THEN 5 ELSE 45 END::smallint
    FROM person WHERE read_poll_no IS NOT NULL
  ) AS change GROUP BY id, poll_no
) AS moved ON moved.id = stored.id AND moved.poll_no = stored.poll_no
ORDER BY requested_at`,
]
