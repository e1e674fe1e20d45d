import { createHash, timingSafeEqual } from 'node:crypto'

/** Takes as long for a near miss as for a wild guess; hashed first, so that it also tells nothing about the length. */
export function isSameSecret(given: string, right: string): boolean {
  return timingSafeEqual(digest(given), digest(right))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** The token of an `Authorization: Bearer …` header; null where there is none. */
export function bearerIn(header: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? null
}
