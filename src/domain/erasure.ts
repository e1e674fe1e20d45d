import type { Answer, ListedState, Recipient } from './delivery.ts'

/** An erased person whom DingTalk may still name. The user id is not stored: only a program that has the id again can find its digest. */
export interface Erasure {
  readonly salt: string
  /** Of the salt and the user id. */
  readonly digest: string
  /** Replaces the user id everywhere. */
  readonly pseudonym: string
}

/** The digest of a user id with a salt, as the store makes it. */
export type Digest = (salt: string, userId: string) => string

/** The erased ones of these user ids, with their pseudonyms. */
function pseudonymsFor(userIds: Iterable<string>, erasures: readonly Erasure[], digest: Digest): Map<string, string> {
  const erased = new Map<string, string>()
  if (erasures.length === 0) return erased
  const pseudonyms = new Map(erasures.map((erasure) => [erasure.digest, erasure.pseudonym]))
  const salts = new Set(erasures.map((erasure) => erasure.salt))
  for (const userId of userIds) {
    for (const salt of salts) {
      const pseudonym = pseudonyms.get(digest(salt, userId))
      if (pseudonym !== undefined) erased.set(userId, pseudonym)
    }
  }
  return erased
}

/** The answer with pseudonyms for erased people. Everything after this call sees only the pseudonyms. */
export function replaceErased(answer: Answer, erasures: readonly Erasure[], digest: Digest): Answer {
  if (answer.kind !== 'observed') return answer
  const { people } = answer.observation
  const erased = pseudonymsFor(people.keys(), erasures, digest)
  if (erased.size === 0) return answer
  const renamed = [...people].map(([userId, state]): [string, ListedState] => [erased.get(userId) ?? userId, state])
  return { kind: 'observed', observation: { ...answer.observation, people: new Map(renamed) } }
}

/** Recipients who were erased and still have their user id: the sender named them in a task that came in later. */
export function findErased(recipients: readonly Recipient[], erasures: readonly Erasure[], digest: Digest): Map<string, string> {
  return pseudonymsFor(
    recipients.map(({ userId }) => userId),
    erasures,
    digest,
  )
}
