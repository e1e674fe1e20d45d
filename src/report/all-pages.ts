import { MAX_PAGE, type Page, type PageFilter } from './rates.ts'

/** The items of all pages of a list, one page at a time. */
export async function* allPages<Item>(page: (filter: PageFilter) => Promise<Page<Item>>): AsyncGenerator<readonly Item[], undefined> {
  let cursor: string | undefined
  do {
    const { items, nextCursor }: Page<Item> = await page({ limit: MAX_PAGE, cursor })
    yield items
    cursor = nextCursor ?? undefined
  } while (cursor !== undefined)
}

/** The items of {@link allPages} as one list. */
export async function collectPages<Item>(page: (filter: PageFilter) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  for await (const each of allPages(page)) items.push(...each)
  return items
}
