import { createReadStream } from 'node:fs'
import type { Config } from '../app/config/config.ts'
import { InvalidInputError, TrackerError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import type { ComparedField, StoredFields } from '../domain/track-outcome.ts'
import { parseRecipient } from '../intake/track-request.ts'
import { type OpenTracker, openTracker, type Taken } from '../intake/tracker.ts'
import { readUserList, type UserLine } from '../intake/user-list.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { configWithEmbedded } from './embedded.ts'

interface TrackOptions {
  readonly agentId?: string
  readonly user?: readonly string[]
  readonly usersFile?: string
  readonly sentAt?: string
  readonly campaign?: string
  readonly app?: string
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery track 256271667526 --sent-at 2026-11-23T09:00:00+08:00 --campaign payroll-11 --user 036632523163121146 --user 0366325231
  $ npx dingtalk-delivery track 256271667526 --sent-at 2026-11-23T09:00:00+08:00 --users-file recipients.csv`

export const addTrack: AddCommand = (program, context, run) => {
  program
    .command('track')
    .description('start tracking a sent work notification; retrying is safe, and corrects a task that could not be polled yet')
    .argument('<task-id>', 'the task_id that DingTalk returned')
    .option('--agent-id <id>', "the agent id the message was sent with (default: the app's)")
    .option('--user <id>', 'a recipient; repeat it for each (at most 100)', (id: string, ids: readonly string[] | undefined) => [
      ...(ids ?? []),
      id,
    ])
    .option('--users-file <file>', 'recipients: one user id a line, "#" begins a comment; or a CSV file with a column user_id')
    .option(
      '--sent-at <time>',
      'when it was sent, ISO 8601 with time zone or epoch milliseconds; should be given (left out: now is assumed, and nothing about reading times relies on it)',
    )
    .option('--campaign <name>', 'a label over tasks')
    .option('--app <name>', "the app in the worker's configuration (default: default)")
    .addHelpText('after', EXAMPLES)
    .action(
      run(async (taskId: string, options: TrackOptions) => {
        const userIds = await collectRecipients(options, context)
        const tracker = trackerFor(await configWithEmbedded(context))
        try {
          const { agentId, campaign, app, sentAt } = options
          const [taken] = await tracker.trackMany([{ taskId, agentId, campaign, app, userIds, sentAt: toSentAt(sentAt) }])
          if (taken === undefined) throw new TypeError('one request gives one result')
          assertNoConflict(taken, { ...options, userIds })
          context.print(describeOutcome(taken))
        } finally {
          await tracker.close()
        }
      }),
    )
}

/** The database is preferred, because it answers whether the task is new. */
function trackerFor({ databaseUrl, queue }: Config): OpenTracker {
  if (databaseUrl !== null) return openTracker({ databaseUrl })
  if (queue !== null) {
    const { url: queueUrl, name: queueName, shards: queueShards, prefix: queuePrefix, schema: queueSchema } = queue
    return openTracker({ queueUrl, queueName, queueShards, queuePrefix, queueSchema })
  }
  throw new TrackerError('INVALID_CONFIG', 'Neither DATABASE_URL nor QUEUE_URL is set. Give the one that the worker uses.')
}

function describeOutcome({ outcome }: Taken): string {
  if (outcome === null || outcome.isNew) return 'tracking'
  return outcome.updated.length === 0 ? 'already tracked' : `already tracked, ${outcome.updated.join(', ')} updated; it is polled at once`
}

type Given = Pick<TrackOptions, 'agentId' | 'campaign' | 'sentAt'> & { readonly userIds: readonly string[] | undefined }

/** @throws {TrackerError} `CONFLICT` naming what is stored and what was given; people are counted, not named */
function assertNoConflict({ result, outcome }: Taken, given: Given): void {
  if (outcome === null || outcome.conflict.length === 0) return
  const { stored } = outcome
  const differences = outcome.conflict.map((field) => `${field} is ${storedText(field, stored)}, not ${givenText(field, given)}`)
  const why = outcome.status === 'tracking' ? 'polls with it have succeeded' : `it has ended (${outcome.status})`
  throw new TrackerError(
    'CONFLICT',
    `Task ${result.taskId} is tracked already, with other data: ${differences.join('; ')}. Nothing was changed, since ${why}. Check which of the two is right.`,
  )
}

function storedText(field: ComparedField, stored: StoredFields | null): string {
  if (field === 'userIds') return people(stored?.userIds ?? 0)
  const value = stored?.[field] ?? null
  return value === null ? 'not given' : quote(value)
}

function givenText(field: ComparedField, given: Given): string {
  return field === 'userIds' ? people(new Set(given.userIds).size, 'other ') : quote(given[field])
}

function people(count: number, which = ''): string {
  return `${count} ${which}${count === 1 ? 'person' : 'people'}`
}

async function collectRecipients({ user = [], usersFile }: TrackOptions, { resolvePath }: Context): Promise<readonly string[] | undefined> {
  const listed = usersFile === undefined ? [] : usersIn(usersFile, await readUsersFile(usersFile, resolvePath(usersFile)))
  if (usersFile !== undefined && listed.length === 0) {
    throw new TrackerError('INVALID_INPUT', `--users-file ${usersFile} names no recipient. Give one user id a line, or leave it out.`)
  }
  return user.length + listed.length === 0 ? undefined : [...user, ...listed]
}

/** A hundred of the longest ids are 40 kB. The rest is room for comments. */
const MAX_FILE_BYTES = 1_048_576

async function readUsersFile(name: string, path: string): Promise<string> {
  const wrong = (what: string): TrackerError =>
    new TrackerError('INVALID_INPUT', `--users-file ${name} ${what}. Give a text file in UTF-8 with one user id a line.`)
  const bytes = await beginningOfFile(path, MAX_FILE_BYTES + 1).catch((error: unknown) => {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : 'error'
    throw wrong(`cannot be read (${String(code)})`)
  })
  if (bytes.length > MAX_FILE_BYTES) throw wrong(`is larger than ${MAX_FILE_BYTES / 1_024} kB`)
  try {
    // Fatal: a replacement character inside a user id would make a person who does not exist.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw wrong('is not UTF-8')
  }
}

async function beginningOfFile(path: string, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  const stream: AsyncIterable<Buffer> = createReadStream(path, { end: bytes - 1 })
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** @throws {TrackerError} naming the file, the line and the value */
function usersIn(path: string, text: string): string[] {
  try {
    return parseUsers(text)
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof InvalidInputError)) throw error
    throw new TrackerError('INVALID_INPUT', `--users-file ${path}: ${error.message}`)
  }
}

/** What a spreadsheet makes of a long number. */
const ROUNDED = /^\d([.,]\d+)?E\+\d+$/i

/** @throws {InvalidInputError | RangeError} naming the line and the value */
export function parseUsers(text: string): string[] {
  return readUserList(text).map((entry, i) => userAt(entry, `userIds[${i}]`))
}

function userAt({ line, value }: UserLine, field: string): string {
  if (ROUNDED.test(value)) {
    throw new RangeError(`line ${line}: ${quote(value)} is a number that a spreadsheet has rounded. Export the column of ids as text.`)
  }
  try {
    return parseRecipient(field, value)
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
    const several = value.includes(',') ? ' A CSV file needs a header row with the column user_id.' : ''
    throw new RangeError(`line ${line}: ${error.message}${several}`, { cause: error })
  }
}

/** Digits alone are epoch milliseconds; everything else is checked where all ways to enqueue check it. */
function toSentAt(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
}
