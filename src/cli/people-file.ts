import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { TrackerError } from '../domain/errors.ts'
import { LANGUAGES, type Language } from '../domain/messages.ts'
import { quote } from '../domain/quote.ts'
import type { CampaignRef, RateReader, RecipientFilter, TaskRef } from '../report/rates.ts'
import type { Context } from './context.ts'

/** `--format xlsx` of the commands that list people: the file that the dashboard and the API give. */

export const FILE_FORMAT = 'xlsx'

export interface FileOptions {
  readonly output?: string
  readonly language?: Language
}

export function addFileOptions(command: Command): Command {
  return command
    .option('--output <file>', 'where --format xlsx writes its file; an existing one is replaced')
    .addOption(new Option('--language <language>', 'the language of that file').choices(LANGUAGES))
}

/** @throws {InvalidArgumentError}: a file is no text for a terminal, and the options are for a file */
export function checkFileOptions(format: string, { output, language }: FileOptions): void {
  if (format === FILE_FORMAT && output === undefined)
    throw new InvalidArgumentError('Give --output with the name of the file, such as people.xlsx.')
  const given = output !== undefined ? '--output' : language !== undefined ? '--language' : null
  if (format !== FILE_FORMAT && given !== null) throw new InvalidArgumentError(`${given} is for --format xlsx; other formats are printed.`)
}

/** Writes the file beside its place first, so that a part of it never has its name. Times are in the zone of this machine. */
export async function savePeopleFile(
  context: Context,
  reader: RateReader,
  of: TaskRef | CampaignRef,
  filter: RecipientFilter,
  { output = '', language = 'en' }: FileOptions,
): Promise<void> {
  const { openPeopleFile } = await import('../web/people-file.ts')
  const file = await openPeopleFile(reader, of, { filter, canSeeNames: true, language, now: context.now(), madeFor: null })
  const place = context.resolvePath(output)
  const part = `${place}.${process.pid}.part`
  const target = createWriteStream(part, { flags: 'wx' })
  try {
    await pipeline(file, target)
    await rename(part, place)
  } catch (error) {
    await rm(part, { force: true })
    throw error instanceof TrackerError ? error : describeFault(output, error)
  }
  context.note(`Written: ${output}`)
}

function describeFault(output: string, error: unknown): Error {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  const why = typeof code === 'string' ? (REASONS[code] ?? code) : String(error)
  return new Error(`--output ${quote(output)} cannot be written: ${why}.`, { cause: error })
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'a part of the path is no directory',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EISDIR: 'it is a directory',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
}
