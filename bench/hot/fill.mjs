async function columnsOf(client, table) {
  const { rows } = await client.query(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [table],
  )
  return rows
}

/** @param {number} tasks */
export function openTaskIds(tasks) {
  return Array.from({ length: tasks }, (_, i) => `2562${900_000_000_001 + i}`)
}

/**
 * Open tasks like the last one that was tracked, due hours later, with their people: those of openTaskIds. Their timers are the caller's.
 * @param {import('pg').Client} client
 * @param {number} tasks
 */
export async function addOpenTasks(client, tasks) {
  const columns = (await columnsOf(client, 'delivery_task')).map(({ name }) => name).filter((name) => name !== 'id')
  const values = columns.map((name) => {
    if (name === 'task_id') return `'2562' || lpad((900000000000 + n)::text, 12, '0')`
    return name === 'next_poll_at' ? `now() + interval '10 hours' + n * interval '100 ms'` : `stored.${name}`
  })
  await client.query(
    `INSERT INTO delivery_task (${columns.join(', ')}) SELECT ${values.join(', ')}
     FROM (SELECT * FROM delivery_task ORDER BY id DESC LIMIT 1) AS stored, generate_series(1, ${tasks}) AS n`,
  )
  const people = (await columnsOf(client, 'delivery_recipient')).map(({ name }) => name).filter((name) => name !== 'task_pk')
  await client.query(
    `INSERT INTO delivery_recipient (task_pk, ${people.join(', ')}) SELECT task.id, ${people.map((name) => `stored.${name}`).join(', ')}
     FROM delivery_task AS task
     CROSS JOIN (SELECT * FROM delivery_recipient WHERE task_pk = (SELECT max(id) FROM delivery_task WHERE task_id NOT LIKE '25629%')) AS stored
     WHERE task.task_id LIKE '25629%' ORDER BY task.id, stored.user_id`,
  )
  await client.query('VACUUM ANALYZE')
}
