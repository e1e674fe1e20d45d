import type { ClientBase } from 'pg'
import { quoteIdentifier } from './database-schema.ts'
import { PostgresClient } from './postgres-client.ts'

/**
 * The tables, views and functions of the tracker are in one schema. Statements name them without it, so that they can be read and pasted; this file
 * puts it before them. It cannot be left to `search_path`: behind a pooler in transaction mode that setting stays from the client that had the session before.
 */

/** Where a new installation goes. */
export const DEFAULT_SCHEMA = 'dingtalk'

/** Prisma writes this name before each table of a model. It stands for the schema that is found when the connection is made. */
export const MODEL_SCHEMA = 'delivery_own_schema'

/**
 * An SQL query: the schemas that have the tracker's tables, as `name`. Two relations and the function, because another program may have a table of such
 * a name. The catalogue needs no right.
 */
export const INSTALLATIONS = `SELECT place.nspname::text AS name
    FROM pg_catalog.pg_class AS task JOIN pg_catalog.pg_namespace AS place ON place.oid = task.relnamespace
    WHERE task.relname = 'delivery_task' AND task.relkind = 'r'
      AND EXISTS (SELECT FROM pg_catalog.pg_class AS other WHERE other.relnamespace = place.oid AND other.relname = 'delivery_transition' AND other.relkind IN ('r', 'v'))
      AND EXISTS (SELECT FROM pg_catalog.pg_proc AS routine WHERE routine.pronamespace = place.oid AND routine.proname = 'track_delivery')`

/**
 * An SQL expression: the name of the schema with the tracker's tables. That is the one that was chosen; else `dingtalk`, a schema of the search path,
 * or `public` (where 0.1.0 is), the first that has them; else `dingtalk`.
 * @param chosen an expression: the name that the configuration has, or NULL
 */
export function ownSchema(chosen: string): string {
  return `coalesce(${chosen}, (
    SELECT place.name FROM (${INSTALLATIONS}) AS place
    WHERE place.name IN ('${DEFAULT_SCHEMA}', 'public') OR place.name = ANY (pg_catalog.current_schemas(false))
    ORDER BY place.name <> '${DEFAULT_SCHEMA}', pg_catalog.array_position(pg_catalog.current_schemas(false), place.name::name) LIMIT 1
  ), '${DEFAULT_SCHEMA}')`
}

/** Our own names: every name that begins with `delivery_`, the function for senders, the record of migrations. A text, a quoted name and a comment are skipped. */
const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[^]*?\*\/|(?<![\w$.])(?:delivery_\w+|track_delivery|_prisma_migrations)(?![\w$])/g

const MODEL_PLACE = `"${MODEL_SCHEMA}"`

/**
 * Puts the schema before each name of ours that has none. Aliases and columns must not have such names.
 * @param schema without quotes
 */
export function qualify(statement: string, schema: string): string {
  const place = quoteIdentifier(schema)
  return statement.replace(TOKENS, (token) => {
    if (token === MODEL_PLACE) return place
    return /^['"/-]/.test(token) ? token : `${place}.${token}`
  })
}

/** A connection whose statements find our tables, whatever its search path is. Before {@link useSchema} it changes no statement. */
export class SchemaClient extends PostgresClient {
  ownSchema: string | null = null

  // The overloads of the base class: a text or an object with one, with values, a callback, both or neither.
  override query(statement: unknown, ...rest: unknown[]) {
    const qualified = this.ownSchema === null ? statement : qualifyQuery(statement, this.ownSchema)
    // oxlint-disable-next-line typescript/no-unsafe-return -- what it returns depends on the overload
    return Reflect.apply(super.query, this, [qualified, ...rest])
  }
}

/** A `Submittable` (it has no `text` of its own, such as a cursor) is left as it is. */
function qualifyQuery(statement: unknown, schema: string): unknown {
  if (typeof statement === 'string') return qualify(statement, schema)
  if (typeof statement !== 'object' || statement === null || 'submit' in statement || !('text' in statement)) return statement
  return typeof statement.text === 'string' ? { ...statement, text: qualify(statement.text, schema) } : statement
}

/** @param client one that a pool made with the option `Client: SchemaClient` */
export function useSchema(client: ClientBase, schema: string): void {
  if (!(client instanceof SchemaClient)) throw new TypeError('the pool lacks the option Client: SchemaClient')
  client.ownSchema = schema
}
