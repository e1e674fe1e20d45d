import { expect, test } from 'vitest'
import { codeIn, tableUnder, textOf } from '../docs/support/pages.ts'
import { fullPage, readPage } from './support/exposed.ts'

const PAGE = 'docs/monitoring.md'
const { metrics, series } = readPage(await fullPage())
const ours = metrics.filter(({ name }) => name.startsWith('dingtalk_delivery_'))
const rows = tableUnder('Metrics', PAGE)
const nameOf = ([name = '']: readonly string[]): string => codeIn(name)[0] ?? ''

test('its table has every metric of ours with its type and its labels, and no other', () => {
  const told = rows.map((row) => ({ name: nameOf(row), type: row[1], labels: codeIn(row[2] ?? '') }))
  expect(told.sort(byName)).toEqual(ours.map(({ name, type, labels }) => ({ name, type, labels })).sort(byName))
})

test('what it marks as of the database is what is left out while the database is away', async () => {
  const marked = rows.filter((row) => row[3]?.endsWith('(database)')).map(nameOf)
  const left = readPage(await fullPage({ databaseIsAway: true })).series
  expect(marked.sort()).toEqual([...series.keys()].filter((name) => !left.has(name)).sort())
})

test.each(['outcome', 'kind', 'check'])('it names every value of the label %s', (label) => {
  const values = [...series.values()].flat().flatMap((each) => each[label] ?? [])
  expect(values.length).toBeGreaterThan(3)
  for (const value of values) expect(textOf(PAGE)).toContain(`\`${value}\``)
})

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
