import type { RateReader, RecipientStatus } from '../../report/rates.ts'
import type { Simulator } from '../../simulator/simulator.ts'
import type { Sent } from './send.ts'

/** How what was tracked compares with what really happened, for the people of one campaign. */
export interface Comparison {
  readonly campaign: string
  readonly people: number
  /** Whose stored state is the true one, as of the final poll. */
  readonly agree: number
  /** Of those who read: whose true read time lies inside the stored bracket. */
  readonly readers: number
  readonly bracketed: number
}

type Truth = NonNullable<ReturnType<Simulator['truth']>>['recipients'][number]

/** Holds what is stored against the simulator's truth, person by person. */
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

/** A tracker knows the world as of its polls: who read after the last one is rightly still unread. */
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
