import { beginningOf } from '../../domain/quote.ts'
import type { Rule } from './rules.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Reads variables one by one and remembers everything that is wrong, so that it can be said at once. */
export interface Variables {
  /** The value, or the fallback where the variable is missing, empty or wrong. */
  read<T, F>(name: string, rule: Rule<T>, fallback: F): T | F
  /** Whether the variable has a value, right or wrong. */
  has(name: string): boolean
  fault(message: string): void
  readonly faults: readonly string[]
}

export function variablesOf(env: Environment): Variables {
  const faults: string[] = []
  const textOf = (name: string): string | null => {
    // An empty value is how docker-compose and CI systems spell "not set".
    const text = env[name]?.trim() ?? ''
    return text === '' ? null : text
  }
  return {
    faults,
    fault: (message) => void faults.push(message),
    has: (name) => textOf(name) !== null,
    read(name, rule, fallback) {
      const text = textOf(name)
      if (text === null) return fallback
      const result = check(rule, text)
      if ('value' in result) return result.value
      faults.push(`${name}: ${result.fault}`)
      return fallback
    },
  }
}

export type Checked<T> = { readonly value: T } | { readonly fault: string }

/** The value, or a sentence that says what was given and what is accepted. */
export function check<T>(rule: Rule<T>, text: string): Checked<T> {
  try {
    const value = rule.parse(text)
    return value === undefined
      ? { fault: `${showGiven(text, rule.secret ?? false)} is not accepted. Accepted: ${rule.accepted}.` }
      : { value }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}

const MAX_SHOWN = 60

function showGiven(text: string, secret: boolean): string {
  if (secret) return `a value of ${text.length} characters`
  return JSON.stringify(text.length > MAX_SHOWN ? `${beginningOf(text, MAX_SHOWN)}…` : text)
}
