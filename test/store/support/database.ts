import { createDeliveryStore, type PostgresDeliveryStore } from '../../../src/store/delivery-store.ts'
import { type Database, type DatabaseOptions, openDatabase } from '../../../src/store/prisma.ts'
import { createTestDatabase } from '../../support/postgres.ts'

export interface TestStore extends Database {
  readonly url: string
  readonly store: PostgresDeliveryStore
}

/**
 * A migrated database of its own with a store on it. The server's time zone is China's, as DingTalk's users have it:
 * whoever reads or writes a time without its zone is eight hours off here.
 */
export async function openTestStore(options: DatabaseOptions = {}): Promise<TestStore> {
  const { url, drop } = await createTestDatabase({ migrated: true })
  const database = openDatabase(url, options)
  await database.pool.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET timezone TO 'Asia/Shanghai'`)
  const close = async (): Promise<void> => {
    await database.close()
    await drop()
  }
  return { ...database, url, close, store: createDeliveryStore(database) }
}
