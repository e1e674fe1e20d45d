import { beginErasure, erasePerson } from '../../dist/store/erase-people.js'
import { createOldDetails } from '../../dist/store/maintenance.js'
import { LARGE } from './seed.mjs'

/** As `retain` takes them. */
const BATCH = 50

export const measureWrites = {
  /** Somebody of the changing campaign: in some fifty tasks of the history too. */
  async erasure(client, database) {
    const { rows } = await client.query('SELECT user_id FROM delivery_recipient_status WHERE campaign = $1 ORDER BY user_id LIMIT 1', [
      LARGE,
    ])
    const person = { userId: rows[0].user_id, app: null }
    const started = performance.now()
    const erased = await erasePerson(database, person, await beginErasure(database, person))
    return { seconds: (performance.now() - started) / 1_000, tasks: erased.tasks }
  },

  /** Tasks that ended on the first day of all: first their names go, then the rows. */
  async retention(client, database) {
    const { rows } = await client.query(
      "SELECT min(finished_at) + interval '1 day' AS before FROM delivery_task WHERE names_removed_at IS NULL",
    )
    const old = createOldDetails(database)
    const inBatches = async (remove) => {
      const started = performance.now()
      let tasks = 0
      for (let removed = BATCH; removed === BATCH; tasks += removed) removed = await remove(rows[0].before, BATCH)
      return { tasks, ms: performance.now() - started }
    }
    const names = await inBatches(old.removeNames)
    const all = await inBatches(old.removeTasks)
    return { tasks: names.tasks, namesMs: names.ms, tasksMs: all.ms }
  },
}
