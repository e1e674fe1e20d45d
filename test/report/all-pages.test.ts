import { expect, test } from 'vitest'
import { allPages, collectPages, FILE_PAGE } from '../../src/report/all-pages.ts'
import { MAX_PAGE, type Page, type PageFilter } from '../../src/report/rates.ts'

/** A list in three pages, which notes what it was asked for. */
function aList(): { readonly asked: PageFilter[]; readonly page: (filter: PageFilter) => Promise<Page<string>> } {
  const asked: PageFilter[] = []
  const pages: Readonly<Record<string, Page<string>>> = {
    first: { items: ['ann', 'bob'], nextCursor: 'second' },
    second: { items: [], nextCursor: 'third' },
    third: { items: ['carol'], nextCursor: null },
  }
  return {
    asked,
    async page(filter) {
      asked.push(filter)
      const page = pages[filter.cursor ?? 'first']
      if (page === undefined) throw new Error(`no page ${filter.cursor}`)
      return page
    },
  }
}

test('everything is what all pages hold, in their order, each asked for once and as large as it may be', async () => {
  const { asked, page } = aList()
  expect(await collectPages(page)).toEqual(['ann', 'bob', 'carol'])
  expect(asked).toEqual(['first', 'second', 'third'].map((name) => ({ limit: MAX_PAGE, cursor: name === 'first' ? undefined : name })))
})

test('the pages of a file are larger after the first one', async () => {
  const { asked, page } = aList()
  for await (const _items of allPages(page, FILE_PAGE)) expect(asked.length).toBeGreaterThan(0)
  expect(asked.map(({ limit }) => limit)).toEqual([MAX_PAGE, FILE_PAGE, FILE_PAGE])
})

test('who stops after a page asks for no other', async () => {
  const { asked, page } = aList()
  expect(await allPages(page).next()).toEqual({ done: false, value: ['ann', 'bob'] })
  expect(asked).toHaveLength(1)
})

test('a page that fails fails the whole', async () => {
  await expect(collectPages(async () => Promise.reject(new Error('gone')))).rejects.toThrow('gone')
})
