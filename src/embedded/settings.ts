import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { errnoOf, unavailable } from './unavailable.ts'

const settingsSchema = z.object({
  /** Of PostgreSQL's superuser. */
  password: z.string().min(1),
  /** Where the cluster is, when it is not beside this file. */
  home: z.string().optional(),
  /** The port of the last start. */
  port: z.number().int().min(1).max(65_535).optional(),
})

/** Kept in the directory from one start to the next. */
export type Settings = z.infer<typeof settingsSchema>

const fileIn = (directory: string) => join(directory, 'embedded.json')

/** The settings of the last start; new ones, with a random password, for a new directory. */
export async function readSettings(directory: string): Promise<Settings> {
  const path = fileIn(directory)
  try {
    return settingsSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { password: randomBytes(24).toString('base64url') }
    throw unavailable(
      `${path} cannot be used (${errnoOf(error) ?? 'it is not what was written'}). Restore it, or delete ${directory} to start afresh.`,
      error,
    )
  }
}

/** Written aside and renamed: a crash leaves the old or the new settings. */
export async function writeSettings(directory: string, settings: Settings): Promise<void> {
  const path = fileIn(directory)
  await writeFile(`${path}.new`, JSON.stringify(settings), { mode: 0o600 })
  await rename(`${path}.new`, path)
}
