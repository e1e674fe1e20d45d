import type { RateReader, RecipientStatus } from '../../report/rates.ts'
import type { Simulator } from '../../simulator/simulator.ts'
import type { Sent } from './send.ts'

/** The tracked states of one campaign compared with the simulator's truth. */
export interface Comparison {
  readonly campaign: string
  readonly people: number
  /** People whose stored state is true as of the final poll. */
  readonly agree: number
  /** People in the state `read`, and those of them whose true read time lies in the stored bracket. */
  readonly readers: number
  readonly bracketed: number
}

type Truth = NonNullable<ReturnType<Simulator['truth']>>['recipients'][number]

/** Compares each stored person with the simulator's truth. */
export async function compareWithTruth(
  reader: RateReader,
  simulator: Pick<Simulator, 'truth'>,
  sent: readonly Sent[],
): Promise<Comparison[]> {
  const stored = await readStored(reader, sent)
  const campaigns = [...new Set(sent.map(({ campaign }) => campaign))]
  return campaigns.map((campaign) => {
    const pairs = sent
      .filter((notification) => notification.campaign === campaign)
      .flatMap(({ taskId }) =>
        (simulator.truth(taskId)?.recipients ?? []).map((truth) => ({ truth, row: stored.get(`${taskId} ${truth.userId}`) })),
      )
    const readers = pairs.filter(({ row }) => row?.state === 'read')
    return {
      campaign,
      people: pairs.length,
      agree: pairs.filter(({ truth, row }) => row !== undefined && agrees(row, truth)).length,
      readers: readers.length,
      bracketed: readers.filter(({ truth, row }) => row !== undefined && isBracketed(row, truth)).length,
    }
  })
}

export function isPerfect({ people, agree, readers, bracketed }: Comparison): boolean {
  return agree === people && bracketed === readers
}

async function readStored(reader: RateReader, sent: readonly Sent[]): Promise<Map<string, RecipientStatus>> {
  const people = await Promise.all(sent.map(({ taskId }) => reader.recipients({ taskId }, {})))
  return new Map(people.flat().map((person) => [`${person.taskId} ${person.userId}`, person]))
}

/** The tracked state is as of the last poll: a person who read after it is correctly unread. */
function agrees(row: RecipientStatus, truth: Truth): boolean {
  switch (row.state) {
    case 'read':
      return truth.readAt !== null
    case 'unread':
      return isDelivered(truth) && (truth.readAt === null || (row.lastUnreadAt !== null && truth.readAt >= row.lastUnreadAt))
    case 'pending':
      return truth.processedAt === null || row.asOf === null || truth.processedAt >= row.asOf
    default:
      return truth.fate === row.state
  }
}

function isDelivered({ fate }: Truth): boolean {
  return fate === 'read' || fate === 'never'
}

function isBracketed({ readAfter, readBefore }: RecipientStatus, { readAt }: Truth): boolean {
  return readAt !== null && readAfter !== null && readBefore !== null && readAt >= readAfter && readAt <= readBefore
}
