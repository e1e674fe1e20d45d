import { z } from 'zod'
import { TrackerError } from '../../domain/errors.ts'
import { describeKind, quote, truncate } from '../../domain/quote.ts'
import type { Setting, Value } from './values.ts'

/** Zod finds all faults at once, each with its path. The sentences are ours, because those of zod quote secrets and name no remedy. */

type Source = 'environment' | 'file' | 'program'

/** In JSON a number may be written as text, and digits as a number. In a program a value has its declared type; an id may be a number. */
const ACCEPTED_TYPES: Readonly<Record<Source, Readonly<Record<Value<unknown>['type'], readonly string[]>>>> = {
  environment: { text: ['string'], number: ['string'], digits: ['string'], amount: ['string'] },
  file: { text: ['string', 'number'], number: ['string', 'number'], digits: ['string', 'number'], amount: ['string', 'number'] },
  program: { text: ['string'], number: ['number'], digits: ['string', 'number', 'bigint'], amount: ['string', 'number'] },
}

const TYPE_NAMES = { text: 'a text', number: 'a number', digits: 'a text of digits', amount: 'a number or a text' } as const

/** A value that must be given. */
export function field<T>(value: Value<T>, source: Source): z.ZodType<T> {
  return z.unknown().transform((given, context) => {
    const result = parseValue(value, given, source)
    if ('value' in result) return result.value
    context.addIssue(result.fault)
    return z.NEVER
  })
}

/** A value that may be left out. */
export function optionalField<T, Fallback>(value: Setting<T, Fallback>, source: Source): z.ZodType<T | Fallback> {
  return field(value, source)
    .optional()
    .transform((given) => (given === undefined ? value.fallback : given))
}

function parseValue<T>(value: Value<T>, given: unknown, source: Source): { readonly value: T } | { readonly fault: string } {
  const accepted = `Accepted: ${value.accepted}.`
  if (given === undefined) return { fault: `is missing. ${accepted}` }
  const isTyped = typeof given === 'string' || typeof given === 'number' || typeof given === 'bigint'
  if (!isTyped || !ACCEPTED_TYPES[source][value.type].includes(typeof given))
    return { fault: `must be ${TYPE_NAMES[value.type]}, not ${value.secret ? describeKind(given) : quoteScalar(given)}. ${accepted}` }
  if (value.type !== 'number' && Number.isInteger(given) && !Number.isSafeInteger(given))
    return { fault: `is a number whose digits may be wrong already. Give it as a text. ${accepted}` }
  return parseTyped(value, typeof given === 'number' && value.type === 'number' ? given : String(given))
}

function parseTyped<T>(value: Value<T>, given: string | number): { readonly value: T } | { readonly fault: string } {
  try {
    const parsed = value.parse(given)
    if (parsed !== undefined) return { value: parsed }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
  const shown = value.secret ? `a value of ${String(given).length} characters` : quote(given)
  return { fault: `${shown} is not accepted. Accepted: ${value.accepted}.` }
}

/** Objects are not shown: they may hold a secret. */
export function quoteScalar(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' ? quote(value) : describeKind(value)
}

/** A function of the caller. What it returns is checked when it is called. */
export const callback = <T extends (...args: never[]) => unknown>(returns: string): z.ZodType<T> =>
  z.custom<T>((value) => typeof value === 'function', {
    error: (issue) =>
      issue.input === undefined
        ? `is missing. Accepted: a function that returns ${returns}.`
        : `must be a function that returns ${returns}, not ${describeKind(issue.input)}.`,
  })

/** A schema that depends on DINGTALK_PRIVATE_HOSTS. The one without private hosts is built once, because building takes milliseconds. */
export function byPrivateHosts<Schema>(build: (privateHosts: readonly string[]) => Schema): (privateHosts: readonly string[]) => Schema {
  let common: Schema | undefined
  return (privateHosts) => (privateHosts.length > 0 ? build(privateHosts) : (common ??= build([])))
}

/** An object with these fields and no others. */
export function exactObject<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const fields = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys')
        return `must be an object, not ${describeKind(issue.input)}. Accepted: an object with ${fields}.`
      // A field's name may be any text.
      const unknown = issue.keys.map((key) => key.replace(/\p{Cc}/gu, '\uFFFD')).join(', ')
      return `has unknown fields: ${truncate(unknown, 200)}. Accepted: ${fields}.`
    },
  })
}

/** @param items what they are, in the plural */
export function listOf<T>(item: z.ZodType<T>, items: string): z.ZodArray<z.ZodType<T>> {
  return z.array(item, { error: (issue) => `must be a list of ${items}, not ${describeKind(issue.input)}.` })
}

/** The value where it is right. Undefined where it is wrong, which the whole schema reports. */
export function rightOrUndefined<T>(schema: z.ZodType<T>, given: unknown): T | undefined {
  return schema.safeParse(given).data
}

/** A property at any depth of any value. */
export function valueAt(value: unknown, ...path: ReadonlyArray<string | number>): unknown {
  return path.reduce<unknown>((inner, part) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, part) : undefined), value)
}

/** One sentence for each fault, such as `apps[2].appSecret is missing. …`. @param root the name of the whole */
export function describeFaults(error: z.ZodError | undefined, root: string): string[] {
  return (error?.issues ?? []).map(({ path, message }) => {
    const place = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
    return `${place.replace(/^\./, '') || root} ${message}${/[.!]$/.test(message) ? '' : '.'}`
  })
}

export function invalidConfig(headline: string, faults: readonly string[]): TrackerError {
  return new TrackerError('INVALID_CONFIG', [`${headline}:`, ...faults.map((fault) => `  - ${fault}`)].join('\n'))
}

/** Details must not be kept longer than their totals. */
export function retentionFaults(details: RetentionSetting, totals: RetentionSetting): string[] {
  if (details.days === undefined || totals.days === undefined) return []
  if ((totals.days ?? Infinity) >= (details.days ?? Infinity)) return []
  const remedy = 'Names are removed first, then totals: give it as many days or more, or never.'
  return [`${totals.name} (${totals.days}) is less than ${details.name} (${details.days ?? 'never'}). ${remedy}`]
}

interface RetentionSetting {
  readonly name: string
  /** Null: never. Undefined: it is wrong in itself. */
  readonly days: number | null | undefined
}
