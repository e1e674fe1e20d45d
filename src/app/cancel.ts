import type { TaskKey } from '../domain/delivery.ts'
import { createDeliveryStore } from '../store/delivery-store.ts'
import { openDatabase } from '../store/prisma.ts'

/** Ends the tracking of a task; false when it had ended before, or is not there. */
export async function cancelTask(databaseUrl: string, key: TaskKey): Promise<boolean> {
  const database = openDatabase(databaseUrl, { max: 1, applicationName: 'dingtalk-delivery cancel' })
  try {
    return await createDeliveryStore(database).cancel(key)
  } finally {
    await database.close()
  }
}
