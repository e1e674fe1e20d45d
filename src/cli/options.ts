import { InvalidArgumentError, Option } from 'commander'
import { decimalNumber, wholeNumber } from '../app/config/values.ts'
import { FORMATS } from './rates.ts'
import { parseSince } from './text/time.ts'

/** `--format table|json|csv`, and further ones. */
export function formatOption(...more: readonly string[]): Option {
  return new Option('--format <format>', 'how to print').choices([...FORMATS, ...more]).default('table')
}

/** `--since 7d|24h|2026-11-01`. */
export function sinceOption(now: () => Date): Option {
  return new Option(
    '--since <time>',
    'only what was sent since: 30m, 24h, 7d, 2w, a day such as 2026-11-01, or an ISO 8601 time',
  ).argParser((text) => {
    const since = parseSince(text, now())
    if (since === null) throw new InvalidArgumentError('Accepted: 30m, 24h, 7d, 2w, 2026-11-01 or 2026-11-01T09:00:00+08:00.')
    return since
  })
}

/** @throws InvalidArgumentError, which is wrong usage */
export function parseNumber(text: string, min: number, max: number, whole: boolean): number {
  const { accepted, parse } = whole ? wholeNumber(min, max) : decimalNumber(min, max)
  const value = parse(text)
  if (value === undefined) throw new InvalidArgumentError(`Accepted: ${accepted}.`)
  return value
}
