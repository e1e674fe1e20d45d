import { MAX_PAGE, type Page, type PageFilter } from './rates.ts'

/** What all pages of a list hold, a page at a time: a file or an export that ends with the first page would be a lie. */
export async function* allPages<Item>(page: (filter: PageFilter) => Promise<Page<Item>>): AsyncGenerator<readonly Item[], undefined> {
  let cursor: string | undefined
  do {
    const { items, nextCursor }: Page<Item> = await page({ limit: MAX_PAGE, cursor })
    yield items
    cursor = nextCursor ?? undefined
  } while (cursor !== undefined)
}

/** {@link allPages} in one list. */
export async function everything<Item>(page: (filter: PageFilter) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  for await (const each of allPages(page)) items.push(...each)
  return items
}
