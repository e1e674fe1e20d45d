import type pg from 'pg'

type Asked = Pick<pg.Client | pg.Pool, 'query'>

/**
 * Every value of every column of every table in all schemas but PostgreSQL's own, as one text.
 * @param but tables that are left out, as `schema.table`
 */
export async function everything(asked: Asked, but: readonly string[] = []): Promise<string> {
  const { rows: tables } = await asked.query<{ name: string }>(
    `SELECT format('%I.%I', nspname, relname) AS name FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE relkind IN ('r', 'p', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg_toast%' ORDER BY 1`,
  )
  const texts: string[] = []
  for (const { name } of tables.filter((table) => !but.includes(table.name))) {
    const { rows } = await asked.query<{ text: string | null }>(`SELECT string_agg(to_json(t)::text, E'\\n') AS text FROM ${name} AS t`)
    texts.push(`${name}:\n${rows[0]?.text ?? ''}`)
  }
  return texts.join('\n')
}

/** What the views say of tasks and campaigns, people by state and without their names. */
export async function figures(asked: Asked): Promise<Record<'tasks' | 'campaigns' | 'people' | 'curve' | 'changes', unknown>> {
  const { rows } = await asked.query<Awaited<ReturnType<typeof figures>>>(`
    SELECT
      (SELECT json_agg(row_to_json(t)::jsonb - 'names_removed_at' ORDER BY t.app, t.task_id) FROM delivery_task_rates AS t) AS tasks,
      (SELECT json_agg(row_to_json(c)::jsonb - 'names_removed_at' ORDER BY c.app, c.campaign) FROM delivery_campaign_rates AS c) AS campaigns,
      (SELECT json_agg(p ORDER BY p::text) FROM (
        SELECT campaign, task_id, state, tasks, first_seen_at, last_unread_at, first_read_at FROM delivery_campaign_people
      ) AS p) AS people,
      (SELECT json_agg(r ORDER BY r.app, r.task_id, r.at) FROM delivery_read_curve AS r) AS curve,
      (SELECT json_agg(c ORDER BY c::text) FROM (
        SELECT app, task_id, campaign, from_state, to_state, after_at, at, poll_no FROM delivery_state_changes
      ) AS c) AS changes`)
  const [row] = rows
  if (row === undefined) throw new Error('a query without FROM gives a row')
  return row
}
