import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { giveRights } from '../support/roles.ts'
import { blocksOf, codeIn, ROOT, tableUnder, textOf } from './support/pages.ts'

const PAGE = 'SECURITY.md'

test('every test that it names is there', () => {
  const named = tableUnder('What is guarded, against whom, and what shows it', PAGE).map(([what, , , shownBy = '']) => ({
    what,
    files: codeIn(shownBy),
  }))
  for (const { what, files } of named) {
    expect([what, files.length > 0]).toEqual([what, true])
    for (const file of files) expect([file, existsSync(join(ROOT, file))]).toEqual([file, true])
  }
})

test('every role of the table is one that the script makes', () => {
  const roles = tableUnder('Roles in the database', PAGE).flatMap(([role = '']) => codeIn(role))
  const made = /ARRAY\[('delivery_\w+'(?:, 'delivery_\w+')*)\]/.exec(textOf('deploy/postgres/roles.sql'))?.[1] ?? ''
  expect(roles).toEqual([...made.matchAll(/delivery_\w+/g)].map(String))
})

test('the logins can be made as it says', async () => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await giveRights(database.url)
  const owner = new pg.Client({ connectionString: database.url })
  await owner.connect()
  onTestFinished(() => owner.end())
  const [logins = ''] = blocksOf(PAGE).flatMap(({ language, text }) => (language === 'sql' ? [text] : []))
  const made = [...logins.matchAll(/CREATE ROLE (\w+)/g)].map(([, name = '']) => name)
  expect(made).toHaveLength(4)
  // Roles are the whole server's, and other tests have their own.
  const here = (text: string): string => made.reduce((sql, name) => sql.replaceAll(name, `${name}_${process.pid}`), text)
  await owner.query(here(logins))
  onTestFinished(async () => void (await owner.query(`DROP ROLE ${made.map(here).join(', ')}`)))
  const sender = Object.assign(new URL(database.url), { username: here('payroll'), password: 'choose-a-third' })
  const client = new pg.Client({ connectionString: sender.href })
  await client.connect()
  onTestFinished(() => client.end())
  expect((await client.query("SELECT track_delivery(task_id => '1') AS new")).rows).toEqual([{ new: true }])
})
