import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '../../src')

/** Ways to hand a database a text. A template tagged by Prisma is none: what stands in it becomes parameters. */
const HANDED = /\$(?:query|execute)RawUnsafe\b|Prisma\.raw\(|\.query\s*(?:<[^()]*>)?\(/g
/** A text that is written there, or a constant: nothing from outside can be in it. */
const FIXED = /^\s*(?:'[^'\n]*'|"[^"\n]*"|`(?:[^`$]|\$(?!\{))*`|[A-Z][A-Z_]*)\s*[,)]/

/** Where a text is put together all the same, and why nothing from outside is in it. An entry needs a reason. */
const ALLOWED: ReadonlyArray<readonly [file: string, text: RegExp]> = [
  // The texts of Prisma.sql, which are written in src/store/reading, beside their parameters.
  ['store/raw-client.ts', /\$queryRawUnsafe<T = unknown>\(query: string, \.\.\.values/],
  ['store/reading/source.ts', /\$queryRawUnsafe<Row\[\]>\(text, \.\.\.values\)/],
  ['app/server-deps.ts', /\$queryRawUnsafe: |\$queryRawUnsafe\(query, \.\.\.values\)/],
  // It checks whether a client of the caller's has such a function.
  ['rates.ts', /\$queryRawUnsafe (!==|=== )|\$queryRawUnsafe\.'/],
  // Names of columns, written in the calls of these helpers.
  ['store/reading/sql.ts', /Prisma\.raw\((column\)|`lower\(\$\{column\})/],
  ['store/reading/brackets.ts', /Prisma\.raw\(`round\(extract\(epoch FROM \$\{column\}\)/],
  // Names, aliases and types of columns, written in the column maps and where they are used.
  ['store/columns.ts', /Prisma\.raw\((?:column\.type|alias)\)|Prisma\.raw\(\s*Object\.entries\(columns\)/],
  ['store/rows.ts', /Prisma\.raw\(column\.epochMs\(expression\)\)/],
  // A constant of the program in a condition on columns.
  ['store/reading/tasks.ts', /`task\.next_poll_at < now\(\) - \(task\.deadline_at - task\.sent_at\) \* \$\{OVERDUE_SHARE_OF_WINDOW\}/],
  ['store/delivery-store.ts', /\$queryRawUnsafe<TrackRow\[\]>\(TRACK, requestsAsJson\(requests\)\)/],
  ['store/prisma.ts', /\$queryRawUnsafe<AppliedMigration\[\]>\(APPLIED_MIGRATIONS\)/],
  ['store/prisma.ts', /\$queryRawUnsafe<Array<\{ name: string \}>>\(INSTALLATIONS\)/],
  // The texts of the first entry on a client of the caller's, with the schema in quotes before their names.
  ['store/reading/source.ts', /\$queryRawUnsafe<Array<\{ schema: string \}>>\(FIND_SCHEMA, schema\)/],
  ['store/reading/source.ts', /\$queryRawUnsafe\(query, \.\.\.values\) \{|\$queryRawUnsafe\(qualify\(query, await found\), \.\.\.values\)/],
  // A whole number that the program chose, the file of a migration, and a schema in quotes: none of the three can be a parameter.
  ['store/migrate.ts', /`SET LOCAL lock_timeout = \$\{Math\.max\(1, Math\.round\(timeoutMs\)\)\}`/],
  ['store/migrate.ts', /\.query\(sql\.replaceAll\(FOLDED_NAME, WHOLE_NAME\)\)/],
  ['store/migrate.ts', /`CREATE SCHEMA \$\{quoteIdentifier\(schema\)\}`/],
  ['store/migrate.ts', /`SET LOCAL search_path = \$\{quoteIdentifier\(schema\)\}`/],
  // A statement that a module of the store hands over whole, beside its parameters; the name of the queue's schema, in quotes.
  ['store/prisma.ts', /\.query<Row>\(statement, \[\.\.\.values\]\)/],
  // The statements of Prisma's own client, handed to the pool under it.
  ['store/raw-statements.ts', /\.query\(\{ text, values: \[\.\.\.values\], types|\$(?:query|execute)RawUnsafe: async \(text: string/],
  // A constant of the module that asks, beside the time.
  ['store/database-clock.ts', /\.query<column\.Row>\(question\.text\)/],
  // The states of a recipient, which the program names.
  ['store/reading/directory.ts', /Prisma\.raw\(STATES\.map\(/],
  ['store/session-settings.ts', /\.query<\{ schema: string \}>\(bounded\(SET_UP, \[/],
  ['queue/schema.ts', /`SELECT \$\{quoteIdentifier\(schema\)\}\.next_job_id\(name\)/],
  ['embedded/postgres.ts', /`CREATE DATABASE \$\{EMBEDDED_DATABASE\}`/],
]

async function sources(): Promise<Array<readonly [file: string, text: string]>> {
  const entries = await readdir(SRC, { recursive: true, withFileTypes: true })
  const files = entries.filter((each) => each.isFile() && each.name.endsWith('.ts')).map((each) => join(each.parentPath, each.name))
  const ours = files.filter((file) => !file.includes(join('store', 'generated')))
  return Promise.all(ours.map(async (file) => [relative(SRC, file).replaceAll('\\', '/'), await readFile(file, 'utf8')] as const))
}

/** Texts for a database that are neither fixed nor on the list. */
function suspiciousIn(file: string, text: string): string[] {
  return Array.from(text.matchAll(HANDED)).flatMap((match) => {
    const [call] = match
    const given = text.slice(match.index + call.length)
    const shown = `${call}${given.slice(0, 120)}`
    const isFine = FIXED.test(given) || ALLOWED.some(([allowed, pattern]) => allowed === file && pattern.test(shown))
    return isFine ? [] : [`${file}: ${shown}`]
  })
}

test('SQL comes from parameters only: no statement is put together of values', async () => {
  const all = await sources()
  expect(all.length).toBeGreaterThan(150)
  expect(all.flatMap(([file, text]) => suspiciousIn(file, text))).toEqual([])
})

test('every exception is still one', async () => {
  const all = new Map(await sources())
  expect(ALLOWED.filter(([file, pattern]) => !pattern.test(all.get(file) ?? ''))).toEqual([])
})

test.each([
  'pool.query(`SELECT * FROM delivery_task WHERE app = ${app}`)',
  "client.query('SELECT ' + column)",
  'await pool.query<{ a: string }>(statement)',
  'pool.query(\n  `SELECT ${x}`,\n)',
  'prisma.$queryRawUnsafe(text)',
  'prisma.$executeRawUnsafe(`DELETE FROM x WHERE y = ${z}`)',
  'Prisma.sql`SELECT ${Prisma.raw(given)}`',
])('%j would be found', (code) => expect(suspiciousIn('store/new.ts', code)).toHaveLength(1))

test.each([
  "pool.query('SELECT 1')",
  'pool.query(`SELECT a\nFROM b`, [c])',
  'client.query<Row>(SETTLE)',
  'prisma.$queryRaw`SELECT ${x}`',
  'pool.query(\n  `SELECT 1`,\n)',
])('%j is fine', (code) => expect(suspiciousIn('store/new.ts', code)).toEqual([]))
