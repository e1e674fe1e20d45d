import type { Database } from '../store/prisma.ts'

/** The tables that a worker reads and writes, each as a name that may be none yet. */
const LACKING = `
  SELECT current_user AS role, string_agg(privilege || ' on ' || name, ', ' ORDER BY name, privilege) AS lacking
  FROM unnest(ARRAY['delivery_task', 'delivery_recipient', 'delivery_poll', 'delivery_transition', 'delivery_app', 'delivery_campaign',
    'delivery_campaign_change']) AS name
  CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
  WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name), privilege)`

export interface Rights {
  readonly role: string
  /** `INSERT on delivery_task, …`; null where the role may do all that a worker does. */
  readonly lacking: string | null
}

/** What the role of the connection may not do of what a worker does. */
export async function rightsOf({ pool }: Pick<Database, 'pool'>): Promise<Rights> {
  const { rows } = await pool.query<Rights>(LACKING)
  const [rights] = rows
  if (rights === undefined) throw new TypeError('an aggregate has one row')
  return rights
}
