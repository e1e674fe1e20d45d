import { createReadStream } from 'node:fs'
import type { Config } from '../config.ts'
import { TrackerError } from '../core/errors.ts'
import { createTracker, type Tracker } from '../index.ts'
import type { AddCommand } from './command.ts'
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
  $ dingtalk-delivery track 256271667526 --campaign payroll-11 --user 036632523163121146 --user 0366325231
  $ dingtalk-delivery track 256271667526 --users-file recipients.txt --sent-at 2026-11-23T09:00:00+08:00`

export const addTrack: AddCommand = (program, context, run) => {
  program
    .command('track')
    .description('start tracking a sent work notification; doing so twice is one task')
    .argument('<task-id>', 'the task_id that DingTalk returned')
    .option('--agent-id <id>', "the agent id the message was sent with (default: the app's)")
    .option('--user <id>', 'a recipient; repeat it for each (at most 100)', (id: string, ids: readonly string[] | undefined) => [
      ...(ids ?? []),
      id,
    ])
    .option('--users-file <file>', 'recipients, one user id a line; "#" begins a comment')
    .option('--sent-at <time>', 'when it was sent, ISO 8601 with time zone or epoch milliseconds (default: now)')
    .option('--campaign <name>', 'a label over tasks')
    .option('--app <name>', "the app in the worker's configuration (default: default)")
    .addHelpText('after', EXAMPLES)
    .action(
      run(async (taskId: string, options: TrackOptions) => {
        const userIds = await recipientsOf(options)
        const tracker = openTracker(await configWithEmbedded(context))
        try {
          const { agentId, campaign, app, sentAt } = options
          const result = await tracker.track({ taskId, agentId, campaign, app, userIds, sentAt: timeOf(sentAt) })
          context.print(result.duplicate === true ? 'already tracked' : 'tracking')
        } finally {
          await tracker.close()
        }
      }),
    )
}

/** The database answers at once whether the task is new, so it goes before the queue. */
function openTracker({ databaseUrl, queue }: Config): Tracker {
  if (databaseUrl !== null) return createTracker({ databaseUrl })
  if (queue !== null) return createTracker({ queueUrl: queue.url, queueName: queue.name, queuePrefix: queue.prefix })
  throw new TrackerError('INVALID_CONFIG', 'Neither DATABASE_URL nor QUEUE_URL is set. Give the one that the worker uses.')
}

async function recipientsOf({ user = [], usersFile }: TrackOptions): Promise<readonly string[] | undefined> {
  const listed = usersFile === undefined ? [] : parseUsers(await readUsersFile(usersFile))
  if (usersFile !== undefined && listed.length === 0) {
    throw new TrackerError('INVALID_INPUT', `--users-file ${usersFile} names nobody. Give one user id a line, or leave it out.`)
  }
  return user.length + listed.length === 0 ? undefined : [...user, ...listed]
}

/** A hundred ids of the longest kind are 40 kB; the rest is room for comments, and no more is read of a file that is another one. */
const MAX_FILE_BYTES = 1_048_576

async function readUsersFile(path: string): Promise<string> {
  const wrong = (what: string): TrackerError =>
    new TrackerError('INVALID_INPUT', `--users-file ${path} ${what}. Give a text file in UTF-8 with one user id a line.`)
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

/** One user id a line. Files from Windows begin with a byte order mark and end lines with CRLF. */
export function parseUsers(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
}

/** Digits alone are epoch milliseconds; everything else is checked where all doors check it. */
function timeOf(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
}
