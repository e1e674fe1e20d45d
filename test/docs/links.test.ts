import { expect, test } from 'vitest'
import { anchorsIn, findFault, linksIn, linksOf } from './support/links.ts'
import { ALL_PAGES, chineseNameOf, isChinese } from './support/pages.ts'

test.each(ALL_PAGES)('every link of %s leads to a file, a heading or a picture of the project', (page) => {
  const faults = linksOf(page).flatMap((link) => {
    const fault = findFault(link)
    return fault === null ? [] : [`${link.at}: ${fault}`]
  })
  expect(faults).toEqual([])
})

test('a page and its translation lead to each other', () => {
  for (const page of ALL_PAGES.filter((each) => isChinese(chineseNameOf(each)) && ALL_PAGES.includes(chineseNameOf(each)))) {
    const targets = (from: string) => linksOf(from).map(({ target }) => target)
    expect([page, targets(page).includes(chineseNameOf(page).replace('docs/', ''))]).toEqual([page, true])
    expect([page, targets(chineseNameOf(page)).includes(page.replace('docs/', ''))]).toEqual([page, true])
  }
})

const PAGE = 'docs/commands.md'

test.each([
  ['a file that is not there', '[a](no.md)', 'there is no docs/no.md'],
  ['a heading that is not there', '[a](#no)', 'docs/commands.md has no heading #no'],
  ['a heading of another page', '[a](../README.md#no)', 'README.md has no heading #no'],
  ['a picture', '<img src="images/no.png">', 'there is no docs/images/no.png'],
  ['a place outside of the project', '[a](../../x.md)', '../../x.md leads out of the project'],
])('%s is found', (_, text, fault) => {
  expect(linksIn(PAGE, text).map(findFault)).toEqual([fault])
})

test('what leads somewhere, and what is in a block, is no fault', () => {
  const text = '[a](#every-command) [b](../README.md) [c](https://example.com/x)\n```sh\n[d](no.md)\n```\n'
  expect(linksIn(PAGE, text).map(findFault)).toEqual([null, null])
})

test('anchors are those of the hosts', () => {
  expect([...anchorsIn('# A `b` c\n## SQL, inside your own transaction\n## A b c\n## What 它 is?\n```sh\n# no\n```\n')]).toEqual([
    'a-b-c',
    'sql-inside-your-own-transaction',
    'a-b-c-1',
    'what-它-is',
  ])
})
