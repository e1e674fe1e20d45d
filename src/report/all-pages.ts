import { MAX_PAGE, type Page, type PageFilter } from './rates.ts'

/**
 * The page of a file of people after the first one, and no limit that a caller may give. Its cursor has where all later pages begin: to find the first
 * people after any other cursor, PostgreSQL reads all user ids after it.
 */
export const FILE_PAGE = 5_000

/**
 * The items of all pages of a list, one page at a time.
 * @param later the rows of each page after the first, which comes soon
 */
export async function* allPages<Item>(
  page: (filter: PageFilter) => Promise<Page<Item>>,
  later: typeof MAX_PAGE | typeof FILE_PAGE = MAX_PAGE,
): AsyncGenerator<readonly Item[], undefined> {
  let cursor: string | undefined
  let limit: number = MAX_PAGE
  do {
    const { items, nextCursor }: Page<Item> = await page({ limit, cursor })
    yield items
    cursor = nextCursor ?? undefined
    limit = later
  } while (cursor !== undefined)
}

/** The items of {@link allPages} as one list. */
export async function collectPages<Item>(page: (filter: PageFilter) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  for await (const each of allPages(page)) items.push(...each)
  return items
}
