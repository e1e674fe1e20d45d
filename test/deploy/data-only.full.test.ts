import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDeliveryStore } from '../../src/store/delivery-store.ts'
import { keepFigures } from '../../src/store/maintenance.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { blocksOf, ROOT } from '../docs/support/pages.ts'
import { makeDay, trackDay } from '../store/support/one-day.ts'
import {
  describeInstalledPostgres,
  type InstalledPostgres,
  installedPrograms,
  startInstalledPostgres,
} from '../support/installed-postgres.ts'
import { execute, query } from '../support/postgres.ts'
import { giveRights, urlAs } from '../support/roles.ts'

/**
 * A dump of the data alone, restored into a migrated database as its owner, who is no superuser: triggers and keys are at work there. The day
 * that is dumped has kept figures, and marks and ended tasks that are not counted yet.
 */

const SEED = 20_261_130
const MIDDLE = 8

describeInstalledPostgres('the data alone', () => {
  let server: InstalledPostgres
  let folder: string
  let source: string
  beforeAll(async () => {
    server = await startInstalledPostgres()
    folder = await mkdtemp(join(tmpdir(), 'data-only-'))
    await chmod(folder, 0o711)
    source = await migratedDatabase('source')
    await fill(urlAs('migrate', source))
  }, 120_000)
  afterAll(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('has all that a restore could count twice', async () => {
    const counted = ['campaign', 'campaign_change', 'ended_tasks', 'task_end', 'task_brackets', 'poll', 'recipient']
    for (const table of counted) expect([table, (await query(source, `SELECT FROM delivery_${table}`)).length > 0]).toEqual([table, true])
  })

  const [dump = '', restore = ''] = blocksOf('docs/backup.md')
    .map(({ text }) => text)
    .filter((text) => text.includes('--data-only'))

  test('is restored by the lines of docs/backup.md: all rows are equal, new tasks are counted, and a recipient needs a task again', async () => {
    const target = await migratedDatabase('pasted')
    const data = join(folder, 'tracker-data.dump')
    sh(dump.replaceAll('tracker-data.dump', data), { OWNERS_URL: urlAs('migrate', source) })
    sh(restore.replaceAll('tracker-data.', join(folder, 'tracker-data.')), { NEW_URL: urlAs('migrate', target) })
    await expectSame(target)
    expect(await migrate(urlAs('migrate', target)), 'it is up to date').toEqual([])
    await expectAtWork(target)
  })

  test.each<readonly [string, (url: string) => void]>([
    ['from a plain script, by psql', (url) => restoreScript(url)],
    ['by several jobs at once, after the tasks', (url) => restoreByJobs(url)],
    [
      'with recipients before their tasks',
      (url) => run('pg_restore', ...WHOLE, '-L', ordered('delivery_recipient', 'delivery_task'), '-d', url, dumped('custom')),
    ],
    [
      'with --disable-triggers, by a superuser',
      (url) => run('pg_restore', ...WHOLE, '--disable-triggers', '-d', asSuperuser(url), dumped('custom')),
    ],
  ])('is restored %s', async (name, restoreInto) => {
    const target = await migratedDatabase(`restored_${name.length}`)
    restoreInto(urlAs('migrate', target))
    await expectSame(target)
    await expectAtWork(target)
  })

  const WHOLE = ['--data-only', '--exit-on-error', '--single-transaction']

  async function migratedDatabase(name: string): Promise<string> {
    await execute(server.url, `CREATE DATABASE ${name}`, `ALTER DATABASE ${name} SET search_path = dingtalk, public`)
    const url = new URL(server.url)
    url.pathname = `/${name}`
    await giveRights(url.href)
    await migrate(urlAs('migrate', url.href))
    await giveRights(url.href)
    return url.href
  }

  const asSuperuser = (url: string): string => server.url.replace(/\/postgres$/, new URL(url).pathname)

  /** The source in this format, dumped with the first who asks. */
  function dumped(format: 'custom' | 'directory'): string {
    const file = join(folder, format)
    const options = ['--data-only', '--load-via-partition-root', '--exclude-table=*._prisma_migrations']
    if (!made.has(file)) run('pg_dump', ...options, `--format=${format}`, `--file=${file}`, urlAs('migrate', source))
    made.add(file)
    return file
  }
  const made = new Set<string>()

  function restoreScript(url: string): void {
    const script = join(folder, 'script.sql')
    run('pg_restore', '--data-only', '-L', ordered('delivery_task'), `--file=${script}`, dumped('custom'))
    run('psql', '--quiet', '--single-transaction', '--set=ON_ERROR_STOP=1', `--file=${script}`, url)
  }

  function restoreByJobs(url: string): void {
    const entries = listed('directory')
    const tasks = (entry: string): boolean => entry.includes(' delivery_task ')
    for (const part of [entries.filter(tasks), entries.filter((entry) => !tasks(entry))]) {
      run('pg_restore', '--data-only', '--exit-on-error', '--jobs=4', '-L', listFile(part), '-d', url, dumped('directory'))
    }
  }

  const listed = (format: 'custom' | 'directory'): string[] => run('pg_restore', '--list', dumped(format)).split('\n')

  /** A list for `pg_restore -L` with these tables first. */
  function ordered(...tables: readonly string[]): string {
    const first = tables.flatMap((table) => listed('custom').filter((entry) => entry.includes(` ${table} `)))
    return listFile([...first, ...listed('custom').filter((entry) => !first.includes(entry))])
  }

  function listFile(entries: readonly string[]): string {
    const list = join(folder, 'list')
    writeFileSync(list, entries.join('\n'))
    return list
  }

  async function expectSame(target: string): Promise<void> {
    const [before, after] = [await allRows(source), await allRows(target)]
    expect(Object.keys(before).length).toBeGreaterThan(10)
    for (const [table, rows] of Object.entries(before)) expect([table, after[table]]).toEqual([table, rows])
  }
})

/** A day of polls, half of which are counted. */
async function fill(url: string): Promise<void> {
  const database = openDatabase(url)
  try {
    await trackDay({ ...database, url, store: createDeliveryStore(database) }, makeDay(SEED), async (round) => {
      if (round === MIDDLE) await keepFigures(database)
    })
  } finally {
    await database.close()
  }
}

/** Of each table. The history of migrations is the target's own. */
async function allRows(url: string): Promise<Record<string, unknown[]>> {
  const tables = await query(
    url,
    `SELECT relname FROM pg_class
     WHERE relnamespace = 'dingtalk'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_prisma_migrations' ORDER BY 1`,
  )
  const rows = tables.map(async ({ relname }) => [
    String(relname),
    await query(url, `SELECT row_to_json(each)::text AS row FROM dingtalk.${String(relname)} AS each ORDER BY 1`),
  ])
  return Object.fromEntries(await Promise.all(rows)) as Record<string, unknown[]>
}

/** What a restore leaves out works afterwards. */
async function expectAtWork(url: string): Promise<void> {
  const spring = async () =>
    (await query(url, "SELECT tasks, targeted FROM delivery_campaign_rates WHERE app = 'north' AND campaign = 'spring'"))[0]
  const before = await spring()
  const [tracked] = await query(
    urlAs('send', url),
    "SELECT dingtalk.track_delivery(task_id => '1', app => 'north', user_ids => ARRAY['new-1', 'new-2'], campaign => 'spring') AS is_new",
  )
  expect(tracked).toEqual({ is_new: true })
  expect(await spring()).toEqual({ tasks: Number(before?.['tasks']) + 1, targeted: Number(before?.['targeted']) + 2 })
  const orphan = "INSERT INTO delivery_recipient (task_pk, user_id, named, state) VALUES (4711, 'ann', true, 'pending')"
  await expect(execute(url, orphan)).rejects.toMatchObject({ code: '23503' })
}

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(join(installedPrograms() ?? '', program), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** As an operator pastes it. */
function sh(script: string, env: Readonly<Record<string, string>>): void {
  const { status, stderr } = spawnSync('sh', ['-euc', script], {
    ...{ cwd: ROOT, encoding: 'utf8' },
    env: { ...env, PATH: `${installedPrograms()}:/usr/bin:/bin` },
  })
  expect(status, stderr).toBe(0)
}
