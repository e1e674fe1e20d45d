/**
 * Seeded chance: a number is a pure function of the seed and of what it is about, so a run repeats whatever the order of the calls.
 * No state, hence nothing to share between people, tasks or calls.
 */

/** 53 bits of a text (cyrb53, public domain): spread well enough for draws, not for secrets. */
export function hash53(text: string, seed = 0): number {
  let high = 0xdeadbeef ^ seed
  let low = 0x41c6ce57 ^ seed
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}

/** A draw between 0 (inclusive) and 1 (exclusive) that belongs to `about`. */
export function chance(seed: number, ...about: readonly (string | number)[]): number {
  return hash53(about.join('\u0000'), seed) / 2 ** 53
}

/** A draw from the standard normal distribution. */
export function normal(seed: number, ...about: readonly (string | number)[]): number {
  const radius = Math.sqrt(-2 * Math.log(1 - chance(seed, ...about, 'radius')))
  return radius * Math.cos(2 * Math.PI * chance(seed, ...about, 'angle'))
}

/** A log-normal draw: half of all draws lie below `median`; `spread` is the deviation of the logarithm. */
export function logNormal(median: number, spread: number, seed: number, ...about: readonly (string | number)[]): number {
  return median * Math.exp(spread * normal(seed, ...about))
}

/** A token, a request id: `length` characters, random to a reader, and the same for the same seed. */
export function randomText(length: number, seed: number, ...about: readonly (string | number)[]): string {
  let text = ''
  for (let part = 0; text.length < length; part++) text += hash53([...about, part].join('\u0000'), seed).toString(36)
  return text.slice(0, length)
}
