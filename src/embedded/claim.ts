import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { startOf } from './process-table.ts'
import { errnoOf, unavailable } from './unavailable.ts'

const ownerSchema = z.object({ pid: z.number(), startedAt: z.string() })

type Owner = z.infer<typeof ownerSchema>

const ATTEMPTS = 50
const BETWEEN_ATTEMPTS_MS = 20

/**
 * Makes this process the only one to use a directory, until the returned function is called or the process is gone.
 * Two that take over from a dead one in the same instant can both get through; PostgreSQL's own lock then refuses the second.
 *
 * @throws TrackerError EMBEDDED_UNAVAILABLE where a living process has it
 */
export async function claim(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'owner.json')
  const self: Owner = { pid: process.pid, startedAt: (await startOf(process.pid)) ?? '' }
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, self)) return () => rm(path, { force: true })
    await removeIfDead(path, directory)
  }
  throw unavailable(`${path} cannot be taken over. Delete it if no other process uses ${directory}.`)
}

async function create(path: string, self: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(self), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw unavailable(`${path} cannot be written (${errnoOf(error) ?? String(error)}).`, error)
  }
}

async function removeIfDead(path: string, directory: string): Promise<void> {
  const text = await read(path)
  const owner = parse(text)
  if (owner && (await startOf(owner.pid)) === owner.startedAt) {
    throw unavailable(`process ${owner.pid} already runs it in ${directory}. Stop that process first, or use another directory.`)
  }
  if (!owner) await sleep(BETWEEN_ATTEMPTS_MS)
  if ((await read(path)) === text) await rm(path, { force: true })
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw unavailable(
      `${path} cannot be read (${errnoOf(error) ?? String(error)}). It belongs to another user, who has used this directory before.`,
      error,
    )
  }
}

/** undefined for a file that is being written, or was half written when its process died. */
function parse(text: string | undefined): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text ?? ''))
  } catch {
    return undefined
  }
}
