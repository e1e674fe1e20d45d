import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../domain/delivery.ts'
import { InvalidInputError } from '../../domain/errors.ts'
import { quote } from '../../domain/quote.ts'
import type { curveOfDensity } from '../../domain/schedule/curve.ts'
import type { ReadTextFile } from '../../lib/read-text-file.ts'
import { describeFaults, exactObject, field, listOf, optionalField } from './fields.ts'
import { readJsonFile } from './json-file.ts'
import { decimalNumber, oneOf, setting, type Value } from './values.ts'

/** A read law that is given: the density of reads since the send, constant between edges. */
export type DensityLaw = Parameters<typeof curveOfDensity>[0]

/** Ten thousand edges have a quarter of it. */
const MAX_FILE_BYTES = 1_048_576
const ACCEPTED = 'Accepted: {"unit":"min","edges":[0,60,1440],"density":[3,1],"readShare":0.85}.'

const UNITS = { s: SECOND_MS, min: MINUTE_MS, h: HOUR_MS } as const
const UNIT_NAMES = ['s', 'min', 'h'] as const
const UNIT = setting(oneOf(UNIT_NAMES), 'min')
/** Ten million seconds are four months. */
const EDGE = decimalNumber(0, 10_000_000)
/** Only proportions count. */
const DENSITY = decimalNumber(0, 1_000_000_000_000)

const AT_MOST_ONE = decimalNumber(0, 1)
const READ_SHARE: Value<number> = {
  ...AT_MOST_ONE,
  accepted: 'a number above 0, at most 1',
  parse: (given) => AT_MOST_ONE.parse(given) || undefined,
}
/** That of the simulator's laws. */
const DEFAULT_READ_SHARE = 0.85

const schema = exactObject({
  unit: optionalField(UNIT, 'file'),
  edges: listOf(field(EDGE, 'file'), 'numbers'),
  density: listOf(field(DENSITY, 'file'), 'numbers'),
  readShare: optionalField(setting(READ_SHARE, DEFAULT_READ_SHARE), 'file'),
})

/**
 * The law of a file of `forecast --law`.
 * @param path as the user wrote it
 * @throws {InvalidInputError} that names the first wrong entry, what was given and what is accepted
 */
export function readLawFile(path: string, readFile: ReadTextFile): DensityLaw {
  const refuse = (fault: string): InvalidInputError => new InvalidInputError('law', `--law: ${quote(path)} ${fault}`)
  const file = readJsonFile(path, MAX_FILE_BYTES, readFile, ACCEPTED)
  if ('fault' in file) throw refuse(file.fault)
  const { data, error } = schema.safeParse(file.value)
  const [fault, ...others] = data === undefined ? describeFaults(error, 'it') : lawFaults(data)
  if (data === undefined || fault !== undefined)
    throw refuse(`has a wrong law: ${fault}${others.length === 0 ? '' : ` Faults after this one: ${others.length}.`}`)
  const { unit, edges, density, readShare } = data
  return { edgesMs: edges.map((edge) => edge * UNITS[unit]), density, readShare }
}

/** What no entry shows alone. */
function lawFaults({ edges, density }: { readonly edges: readonly number[]; readonly density: readonly number[] }): string[] {
  const low = edges.findIndex((edge, i) => edge <= (edges[i - 1] ?? -1))
  const wanted = Math.max(1, edges.length - 1)
  return [
    ...(edges.length < 2 ? [`edges has ${countEntries(edges)}. Accepted: two or more, ascending.`] : []),
    ...(low > 0
      ? [`edges[${low}] is ${edges[low]}, which is not above edges[${low - 1}] (${edges[low - 1]}). Accepted: ascending numbers.`]
      : []),
    ...(density.length === edges.length - 1
      ? []
      : [
          `density has ${countEntries(density)}, and edges ${edges.length}. Accepted: one for each time between two edges, here ${wanted}.`,
        ]),
    ...(density.every((each) => each === 0)
      ? ['density has no number above 0, so no one would ever read. Accepted: at least one number above 0.']
      : []),
  ]
}

function countEntries({ length }: readonly number[]): string {
  return length === 1 ? '1 entry' : `${length} entries`
}
