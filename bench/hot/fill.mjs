import { PEOPLE_PER_TASK, seed, TASKS_PER_CAMPAIGN } from '../million/seed.mjs'

const YEARS_IN_DAYS = 730
/** Copies in one statement. */
const STEP = 10

/**
 * Two years of tasks that have ended: fifty whole days of tracking, copied with all their rows until there are enough, each copy sent at another time.
 * @param {import('pg').Client} client
 * @param {number} tasks
 * @returns {Promise<{ tasks: number, recipients: number }>}
 */
export async function addHistory(client, tasks) {
  await seed(client, TASKS_PER_CAMPAIGN * 4, () => undefined)
  await client.query("DELETE FROM delivery_task WHERE status = 'tracking' OR id > $1", [TASKS_PER_CAMPAIGN])
  const copies = Math.max(1, Math.round(tasks / TASKS_PER_CAMPAIGN) - 1)
  for (let first = 1; first <= copies; first += STEP) {
    const copied = { first, last: Math.min(first + STEP - 1, copies), everyMs: Math.round((YEARS_IN_DAYS * 86_400_000) / copies) }
    for (const table of await tablesOfTasks(client)) await client.query(await copyStatement(client, table, copied))
  }
  await client.query("SELECT setval(pg_get_serial_sequence('delivery_task', 'id'), (SELECT max(id) FROM delivery_task))")
  await client.query('SELECT delivery_recount_campaigns(1000000, 1000.0)')
  await client.query('VACUUM ANALYZE')
  return { tasks: (copies + 1) * TASKS_PER_CAMPAIGN, recipients: (copies + 1) * TASKS_PER_CAMPAIGN * PEOPLE_PER_TASK }
}

/** Tasks first: the others refer to them. A partition is filled through its table. */
async function tablesOfTasks(client) {
  const { rows } = await client.query(
    `SELECT attrelid::regclass::text AS name FROM pg_attribute JOIN pg_class AS class ON class.oid = attrelid
     WHERE attname = 'task_pk' AND NOT attisdropped AND class.relkind IN ('r', 'p') AND NOT class.relispartition
       AND class.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'delivery_task'::regclass)`,
  )
  return ['delivery_task', ...rows.map(({ name }) => name)]
}

/** Each copy is so many places of fifty ids further, and its times are so much earlier. */
async function copyStatement(client, table, { first, last, everyMs }) {
  const columns = await columnsOf(client, table)
  const values = columns.map(({ name, type }) => {
    if (name === 'id' || name === 'task_pk') return `stored.${name} + n * ${TASKS_PER_CAMPAIGN}`
    if (name === 'task_id') return `stored.task_id || '-' || n`
    if (name === 'campaign') return `stored.campaign || '-' || n`
    return type === 'timestamp with time zone' ? `stored.${name} - n * ${everyMs}::double precision * interval '1 ms'` : `stored.${name}`
  })
  const key = table === 'delivery_task' ? 'id' : 'task_pk'
  return `INSERT INTO ${table} (${columns.map(({ name }) => name).join(', ')}) SELECT ${values.join(', ')}
FROM generate_series(${first}, ${last}) AS n CROSS JOIN (SELECT * FROM ${table} WHERE ${key} <= ${TASKS_PER_CAMPAIGN}) AS stored ORDER BY n, stored.${key}`
}

async function columnsOf(client, table) {
  const { rows } = await client.query(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [table],
  )
  return rows
}

/**
 * Open tasks like the last one that was tracked, due hours later, with their people. Their timers are the caller's.
 * @param {import('pg').Client} client
 * @param {number} tasks
 * @returns {Promise<string[]>} their task ids
 */
export async function addOpenTasks(client, tasks) {
  const columns = (await columnsOf(client, 'delivery_task')).map(({ name }) => name).filter((name) => name !== 'id')
  const values = columns.map((name) => {
    if (name === 'task_id') return `'2562' || lpad((900000000000 + n)::text, 12, '0')`
    return name === 'next_poll_at' ? `now() + interval '10 hours' + n * interval '100 ms'` : `stored.${name}`
  })
  const { rows } = await client.query(
    `INSERT INTO delivery_task (${columns.join(', ')}) SELECT ${values.join(', ')}
     FROM (SELECT * FROM delivery_task ORDER BY id DESC LIMIT 1) AS stored, generate_series(1, ${tasks}) AS n RETURNING task_id`,
  )
  const people = (await columnsOf(client, 'delivery_recipient')).map(({ name }) => name).filter((name) => name !== 'task_pk')
  await client.query(
    `INSERT INTO delivery_recipient (task_pk, ${people.join(', ')}) SELECT task.id, ${people.map((name) => `stored.${name}`).join(', ')}
     FROM delivery_task AS task
     CROSS JOIN (SELECT * FROM delivery_recipient WHERE task_pk = (SELECT max(id) FROM delivery_task WHERE task_id NOT LIKE '25629%')) AS stored
     WHERE task.task_id LIKE '25629%' ORDER BY task.id, stored.user_id`,
  )
  await client.query('VACUUM ANALYZE')
  return rows.map((row) => row.task_id)
}
