/**
 * 53-bit FNV-style hash (cyrb53 by bryc, public domain). Not for secrets: it spreads polls and compares sets of ids,
 * and it gives the same number on every machine and in every release.
 */
export function hash53(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    high = Math.imul(high ^ unit, 2_654_435_761)
    low = Math.imul(low ^ unit, 1_597_334_677)
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 2 ** 32 * (0x1fffff & low) + (high >>> 0)
}

/** A number in [0, 1) that depends only on the text: jitter that a restart does not change. */
export function hashToUnit(text: string): number {
  return hash53(text) / 2 ** 53
}

/** Equal for equal sets of ids, in any order. */
export function computeFingerprint(ids: Iterable<string>): string {
  return hash53(JSON.stringify([...ids].sort())).toString(36)
}
