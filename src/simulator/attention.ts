import { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import { parseInput, quoteJson, readonlyList } from './input.ts'
import { PRESETS, type PresetName } from './presets.ts'

const HOURS = 'expected 24 numbers from 0 to 1000, one for each hour from 0 to 23'
const hours = readonlyList(
  z.array(z.number({ error: HOURS }).min(0, { error: HOURS }).max(1_000, { error: HOURS }), { error: HOURS }).length(24, { error: HOURS }),
)

const share = z.number().min(0).max(1)

const PART = z.strictObject({
  /** Of those who read. */
  share: z.number().positive().max(1),
  /** Half of this part has read when so many minutes of attention have passed. */
  medianMinutes: z.number().positive().max(1_000_000),
  /** The deviation of the logarithm. */
  spread: z.number().min(0).max(5),
})

const ATTENTION = z.strictObject({
  work: hours.refine((weights) => weights.some((weight) => weight > 0), {
    error: 'expected an hour of the work day above 0: no one would ever read',
  }),
  /** Weekends and free dates. */
  free: hours,
  parts: readonlyList(z.array(PART).min(1).max(20)).refine(
    (parts) => Math.abs(parts.reduce((sum, part) => sum + part.share, 0) - 1) < 1e-6,
    {
      error: 'expected shares that add up to 1',
    },
  ),
  /** How much campaigns differ: the deviation of the logarithm of the factor that all people of one campaign have in common. */
  campaignSpread: z.number().min(0).max(5).default(0.5),
  /** Of the people whom the message reaches, so many never open it. */
  neverShare: share.default(0.15),
})

const EDGES = 'expected ascending minutes from 0 on'
const ELAPSED = z
  .strictObject({
    unit: z.literal('min', { error: 'expected "min"' }).default('min'),
    /** Minutes since the send. */
    edges: readonlyList(
      z
        .array(z.number({ error: EDGES }).min(0, { error: EDGES }).max(1_000_000))
        .min(2)
        .max(10_000),
    ).refine((edges) => edges.every((edge, i) => edge > (edges[i - 1] ?? -1)), { error: EDGES }),
    /** Reads a minute between two edges, in any unit: only their proportions count. */
    density: readonlyList(z.array(z.number().min(0)).min(1)).refine((values) => values.some((value) => value > 0), {
      error: 'expected a value above 0: no one would ever read',
    }),
    /** Of the people whom the message reaches, so many read by the last edge. */
    readShare: share.default(0.85),
  })
  .refine(({ edges, density }) => density.length === edges.length - 1, {
    path: ['density'],
    error: 'expected one value between every two edges, hence one less than edges',
  })

/** Reading by attention: the hour of the week counts. */
export type AttentionLaw = z.output<typeof ATTENTION>
/** Reading by elapsed time, whatever the hour: the form of `forecast --law`. */
export type ElapsedLaw = z.output<typeof ELAPSED>
export type ReadingLaw = AttentionLaw | ElapsedLaw

/** The name of a preset, or a law in one of the two forms. */
export type LawInput = PresetName | z.input<typeof ATTENTION> | z.input<typeof ELAPSED>

const SEE_LAWS = 'docs/simulator.md#attention-laws shows both forms of a law'

/** Only a law of elapsed minutes has edges. */
export function isElapsed(law: ReadingLaw): law is ElapsedLaw {
  return 'edges' in law
}

/**
 * @param given the name of a preset, or a law in one of its two forms
 * @param field the option that has it, for the message
 * @throws {InvalidInputError} that names the field, the value and what is accepted
 */
export function parseLaw(given: unknown, field: string): ReadingLaw {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    const schema: z.ZodType<ReadingLaw> = 'edges' in given || 'density' in given ? ELAPSED : ATTENTION
    return parseInput(z.strictObject({ [field]: schema }), { [field]: given }, SEE_LAWS)[field] ?? fail(given, field)
  }
  const preset = Object.entries(PRESETS).find(([name]) => name === given)?.[1]
  return preset === undefined ? fail(given, field) : ATTENTION.parse(preset)
}

function fail(given: unknown, field: string): never {
  const names = Object.keys(PRESETS).join(', ')
  throw new InvalidInputError(field, `${field}: expected ${names}, or a law as an object; given ${quoteJson(given)}; ${SEE_LAWS}`)
}
