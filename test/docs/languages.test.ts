import { expect, test } from 'vitest'
import { blocksOf, PAGES, textOf } from './support/pages.ts'

/** Each has a test beside this one that runs every block of it. */
const RUN = ['go', 'java', 'json', 'python', 'sh', 'sql', 'ts', 'yaml']

test.each(PAGES.flatMap(blocksOf).map(({ at, language }) => [at, language]))(
  '%s is in a language whose blocks are run: %s',
  (_, language) => {
    expect(RUN).toContain(language)
  },
)

test.each(PAGES)('%s has no block that is not seen', (page) => {
  expect(textOf(page).match(/^\s*(```|~~~)/gm) ?? []).toHaveLength(2 * blocksOf(page).length)
})
