/** One campaign half a day after the send: tasks of 100 people, twelve polls each, some people never reached. */
import { ONE_OR_EACH, PEOPLE_PER_TASK } from '../million/seed.mjs'

export const CAMPAIGN = 'all-hands'
const POLLS = 12

/**
 * Fills an empty, migrated database. Returns false where it has tasks already.
 * @param database a connected pg.Client
 * @param people in the campaign; rounded up to whole tasks
 */
export async function seed(database, people) {
  const { rowCount } = await database.query('SELECT FROM delivery_task LIMIT 1')
  if (rowCount !== 0) return false
  await database.query('BEGIN')
  await database.query('SELECT setseed(0.5)')
  for (const statement of STATEMENTS) await database.query(statement(Math.ceil(people / PEOPLE_PER_TASK)))
  await database.query('COMMIT')
  await database.query('SELECT delivery_recount_campaigns(10, 60.0)')
  await database.query('VACUUM ANALYZE')
  return true
}

/** A poll each hour, each task at its own second. */
const AT = (poll) => `(sent_at + ${poll} * interval '1 hour' + (id % 3600) * interval '1 second')`

const STATEMENTS = [
  (tasks) => `
INSERT INTO delivery_task (
  app, task_id, agent_id, campaign, status, sent_at, deadline_at, tracked_at, scheduled_at, recipients_known, poll_no, good_polls, next_poll_at,
  last_good_requested_at, last_observed_at
)
SELECT 'default', (256271667526 + k)::text, '836390886', '${CAMPAIGN}', 'tracking', sent_at, sent_at + interval '24 hours', sent_at, sent_at, true,
  ${POLLS}, ${POLLS}, now() + interval '1 hour', now(), now()
FROM (SELECT k, date_trunc('milliseconds', now()) - interval '13 hours 30 minutes' + k * interval '500 ms' AS sent_at FROM generate_series(1, ${tasks}) AS k) AS sent`,

  // Of a hundred people 2 are forbidden, 3 are pending, 15 are unread; half of the others read within the first three hours.
  () => `
CREATE TEMP TABLE person ON COMMIT DROP AS
SELECT id, sent_at, '0' || lpad((id * ${PEOPLE_PER_TASK} + i)::text, 17, '0') AS user_id,
  CASE WHEN luck < 0.02 THEN 'forbidden' WHEN luck < 0.05 THEN 'pending' WHEN luck < 0.2 THEN 'unread' ELSE 'read' END AS state,
  least(${POLLS}, 1 + floor(-ln(1 - random()) * 3.5))::integer AS read_poll
FROM (SELECT id, sent_at, i, random() AS luck FROM delivery_task, generate_series(0, ${PEOPLE_PER_TASK - 1}) AS i) AS drawn`,
  () => `
INSERT INTO delivery_recipient (task_pk, user_id, named, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count)
SELECT id, user_id, true, state, CASE WHEN state <> 'pending' THEN ${AT(1)} END,
  CASE WHEN state = 'read' AND read_poll > 1 THEN ${AT('(read_poll - 1)')} - interval '200 ms' END, CASE WHEN state = 'read' THEN ${AT('read_poll')} END,
  CASE WHEN state = 'forbidden' THEN (ARRAY['143105', '143106', '143103'])[1 + floor(random() * 3)] END, CASE WHEN state = 'forbidden' THEN 500 END
FROM person ORDER BY id, user_id COLLATE "C"`,
  () => `
INSERT INTO delivery_poll (
  task_pk, poll_no, due_at, requested_at, responded_at, outcome, code, pending, invalid, failed, forbidden, unread, read, changed, anomalies,
  moved_user_ids, moved_states, moved_after
)
SELECT id, poll, ${AT('poll')}, ${AT('poll')} - interval '200 ms', ${AT('poll')}, 'observed', '0', 3, 0, 0, 2, 15, 80, 0, 0, user_ids, states, after
FROM delivery_task CROSS JOIN generate_series(1, ${POLLS}) AS poll
LEFT JOIN (
  SELECT id, poll, string_agg(user_id, E'\\n' ORDER BY user_id COLLATE "C") AS user_ids, ${ONE_OR_EACH('code')} AS states, ${ONE_OR_EACH('after_at')} AS after
  FROM (
    SELECT id, user_id, 1 AS poll, CASE state WHEN 'forbidden' THEN 3 ELSE 4 END::smallint AS code, sent_at AS after_at
    FROM person WHERE state <> 'pending' AND NOT (state = 'read' AND read_poll = 1)
    UNION ALL
    SELECT id, user_id, read_poll, CASE WHEN read_poll = 1 THEN 5 ELSE 45 END::smallint, ${AT('(read_poll - 1)')}
    FROM person WHERE state = 'read'
  ) AS change GROUP BY id, poll
) AS moved USING (id, poll)
ORDER BY poll, id`,
  () => `
UPDATE delivery_task SET pending = counted.pending, forbidden = counted.forbidden, unread = counted.unread, read = counted.read
FROM (
  SELECT id, count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'forbidden') AS forbidden,
    count(*) FILTER (WHERE state = 'unread') AS unread, count(*) FILTER (WHERE state = 'read') AS read
  FROM person GROUP BY id
) AS counted WHERE counted.id = delivery_task.id`,
]
