import type { Database } from '../store/prisma.ts'

/**
 * What deploy/postgres/roles.sql gives a worker, read from the catalogue: a table, view, sequence or function that a migration adds is asked for
 * without a change here. The schema is that of `delivery_task`: the one in the search path, else one that the role may not use.
 * Left out is what is done without asking for a right: sequences of identity columns, and the functions of triggers.
 */
const LACKING = `/* lacking_rights */
WITH place AS (
  SELECT relnamespace AS schema FROM pg_class
  WHERE relname = 'delivery_task' AND relkind IN ('r', 'p') AND NOT pg_is_other_temp_schema(relnamespace)
  ORDER BY pg_table_is_visible(oid) DESC, oid LIMIT 1
), relation AS (
  SELECT class.oid, class.relname AS name, class.relkind AS kind,
    CASE
      WHEN class.relname = '_prisma_migrations' OR class.relkind IN ('v', 'm') THEN ARRAY['SELECT']
      WHEN class.relkind = 'S' THEN ARRAY['USAGE']
      ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']
    END AS privileges
  FROM pg_class AS class JOIN place ON place.schema = class.relnamespace
  WHERE (class.relname ^@ 'delivery_' OR class.relname = '_prisma_migrations') AND class.relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = class.oid AND deptype = 'i' AND class.relkind = 'S')
), needed AS (
  SELECT 1 AS part, 'USAGE' AS privilege, 'schema ' || space.nspname AS object, has_schema_privilege(space.oid, 'USAGE') AS granted
  FROM pg_namespace AS space JOIN place ON place.schema = space.oid
  UNION ALL
  SELECT 2, privilege, name,
    CASE WHEN kind = 'S' THEN has_sequence_privilege(oid, privilege) ELSE has_table_privilege(oid, privilege) END
  FROM relation CROSS JOIN LATERAL unnest(privileges) AS privilege
  UNION ALL
  SELECT 3, 'EXECUTE', 'function ' || proname, has_function_privilege(routine.oid, 'EXECUTE')
  FROM pg_proc AS routine JOIN place ON place.schema = routine.pronamespace
  WHERE (proname ^@ 'delivery_' OR proname = 'track_delivery') AND prorettype <> 'trigger'::regtype
)
SELECT current_user AS role,
  coalesce(array_agg(privilege || ' on ' || object ORDER BY part, object COLLATE "C", privilege COLLATE "C") FILTER (WHERE NOT granted), '{}') AS lacking
FROM needed`

export interface Rights {
  readonly role: string
  /** Each as `INSERT on delivery_task`. Empty where the role may do all that a worker does, and where there are no tables yet. */
  readonly lacking: readonly string[]
}

/** What the role of the connection may not do of what a worker does. */
export async function rightsOf({ pool }: Pick<Database, 'pool'>): Promise<Rights> {
  const { rows } = await pool.query<Rights>(LACKING)
  const [rights] = rows
  if (rights === undefined) throw new TypeError('an aggregate has one row')
  return rights
}
