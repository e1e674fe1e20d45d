import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blocksOf, OWN_TESTS, PAGES, ROOT, textOf } from './support/pages.ts'

/** Each has a test beside this one that runs every block of it, but for those of pages with a test of their own. */
const RUN = ['json', 'sh', 'sql', 'ts', 'yaml']

const shared = PAGES.filter((page) => !(page in OWN_TESTS))
test.each(shared.flatMap(blocksOf).map(({ at, language }) => [at, language]))(
  '%s is in a language whose blocks are run: %s',
  (_, language) => {
    expect(RUN).toContain(language)
  },
)

test.each(PAGES)('%s has no block that is not seen', (page) => {
  expect(textOf(page).match(/^\s*(```|~~~)/gm) ?? []).toHaveLength(2 * blocksOf(page).length)
})

test.each(PAGES.filter((page) => page in OWN_TESTS))('%s is run by the test that is named for it', (page) => {
  const path = join(ROOT, OWN_TESTS[page] ?? '')
  expect([OWN_TESTS[page], existsSync(path)]).toEqual([OWN_TESTS[page], true])
  expect(readFileSync(path, 'utf8')).toContain(page)
})
