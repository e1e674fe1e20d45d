import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toCsv } from '../../src/report/csv.ts'
import { aTask, lookAt } from '../store/support/polls.ts'
import { runCommand } from '../support/commands.ts'
import { runs } from '../support/runs.ts'
import { ask } from '../web/support/ask.ts'
import { aServer } from '../web/support/server.ts'
import { anyText, SEED } from './support/values.ts'

/** What a spreadsheet takes for a formula. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/
const STARTS = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '"', "'", ',', '']

/** RFC 4180, as a spreadsheet reads it. */
function rowsOf(text: string): string[][] {
  const rows: string[][] = []
  let [row, cell, quoted] = [[] as string[], '', false]
  for (let i = text.startsWith('\ufeff') ? 1 : 0; i < text.length; i++) {
    const at = text[i]
    if (quoted && at === '"' && text[i + 1] === '"') cell += text[i++]
    else if (at === '"') quoted = !quoted
    else if (quoted || (at !== ',' && at !== '\r')) cell += at
    else {
      row.push(cell)
      cell = ''
      if (at === ',') continue
      rows.push(row)
      row = []
      i++
    }
  }
  return rows
}

test('whatever is in a cell comes back whole, and as text', () => {
  const cell = fc.tuple(fc.constantFrom(...STARTS), anyText).map(([start, text]) => start + text)
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, fc.integer()), { minLength: 1, maxLength: 5 }), (rows) => {
      const [head, ...read] = rowsOf(toCsv(['a', 'b', 'c'], rows))
      expect(head).toEqual(['a', 'b', 'c'])
      expect(read.map((row) => [row[0]?.replace(/^'/, ''), row[1]?.replace(/^'/, ''), Number(row[2])])).toEqual(
        rows.map(([a, b, c]) => [a.replace(/^'/, ''), b.replace(/^'/, ''), c]),
      )
      for (const [a = '', b = ''] of read) expect([a, b].filter((text) => FORMULA.test(text))).toEqual([])
    }),
    { numRuns: runs(500), seed: SEED },
  )
})

const NEUTRAL = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'＝1", "'quoted", 'x"y', '036']

test('every way to get a file with names gives the same harmless cells', async () => {
  const users = ['=1+1', '+1', '-1', '@SUM(A1)', '＝1', "'quoted", 'x"y', '036']
  const campaign = '=HYPERLINK("http://evil.example","工资")'
  const { url, store, options, databaseUrl: DATABASE_URL } = await aServer()
  const { key } = await aTask(store, { campaign, userIds: users })
  await lookAt(store, key, { unread: users }, 5)
  const name = encodeURIComponent(campaign)
  expect(options.host).toBe('127.0.0.1')
  const run = async (...args: string[]): Promise<string> =>
    (await runCommand([...args, '--format', 'csv'], { env: { DATABASE_URL } })).stdout
  const files = await Promise.all([
    ...[`/v1/tasks/${key.taskId}/recipients?format=csv`, `/v1/campaigns/${name}/recipients?format=csv`].map(
      async (path) => (await ask(url, path)).text,
    ),
    ...[`/tasks/${key.taskId}/people.csv?state=all`, `/campaigns/${name}/people.csv?state=all`].map(
      async (path) => (await ask(url, path)).text,
    ),
    run('unread', key.taskId),
    run('report'),
  ])
  for (const [i, file] of files.entries()) {
    const [head = [], ...rows] = rowsOf(file)
    const column = (title: string): Array<string | undefined> => rows.map((row) => row[head.indexOf(title)])
    expect([i, rows.flat().filter((cell) => FORMULA.test(cell))]).toEqual([i, []])
    expect([i, new Set(column('campaign'))]).toEqual([i, new Set([`'${campaign}`])])
    if (head.includes('user_id')) expect([i, new Set(column('user_id'))]).toEqual([i, new Set(NEUTRAL)])
  }
})
