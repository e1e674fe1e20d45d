import pg from 'pg'
import { createDeliveryStore, type PostgresDeliveryStore } from '../../../src/store/delivery-store.ts'
import { type Database, type DatabaseOptions, openDatabase } from '../../../src/store/prisma.ts'
import { createTestDatabase } from '../../support/postgres.ts'
import { type DatabaseRole, urlAs } from '../../support/roles.ts'

export interface TestStore extends Database {
  readonly url: string
  readonly store: PostgresDeliveryStore
}

interface TestStoreOptions extends DatabaseOptions {
  /** Default: whoever owns the server. */
  readonly role?: DatabaseRole
}

/**
 * A migrated database of its own with a store on it. The server's time zone is China's, as DingTalk's users have it:
 * whoever reads or writes a time without its zone is eight hours off here.
 */
export async function openTestStore({ role, ...options }: TestStoreOptions = {}): Promise<TestStore> {
  const { url: ownersUrl, drop } = await createTestDatabase({ migrated: true })
  await inChina(ownersUrl)
  const url = role === undefined ? ownersUrl : urlAs(role, ownersUrl)
  const database = openDatabase(url, options)
  const close = async (): Promise<void> => {
    await database.close()
    await drop()
  }
  return { ...database, url, close, store: createDeliveryStore(database) }
}

/** One more user of a database, with transactions of its own. Whoever opens it ends it. */
export async function openSession(url: string): Promise<pg.Client> {
  const session = new pg.Client({ connectionString: url })
  await session.connect()
  return session
}

async function inChina(url: string): Promise<void> {
  const client = await openSession(url)
  await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET timezone TO 'Asia/Shanghai'`)
  await client.end()
}

/** The first half of `keepFigures`. @returns how many campaigns were counted */
export async function recountCampaigns({ pool }: Pick<TestStore, 'pool'>): Promise<number> {
  const { rows } = await pool.query<{ campaigns: number }>('SELECT delivery_recount_campaigns(500, 2) AS campaigns')
  return rows[0]?.campaigns ?? -1
}
