import type { Answer, ListedState, Recipient } from './delivery.ts'

/** Somebody who was erased while DingTalk may still name them. What is kept is not the name: only whoever has it again can tell. */
export interface Erasure {
  readonly salt: string
  /** Of the salt and the name. */
  readonly digest: string
  /** What stands for the person everywhere. */
  readonly pseudonym: string
}

/** The digest of a name with a salt, as the store makes it. */
export type Digest = (salt: string, name: string) => string

/** Those of these names that were erased, with their pseudonyms. */
function erasedOf(names: Iterable<string>, erasures: readonly Erasure[], digest: Digest): Map<string, string> {
  const erased = new Map<string, string>()
  if (erasures.length === 0) return erased
  const pseudonyms = new Map(erasures.map((erasure) => [erasure.digest, erasure.pseudonym]))
  const salts = new Set(erasures.map((erasure) => erasure.salt))
  for (const name of names) {
    for (const salt of salts) {
      const pseudonym = pseudonyms.get(digest(salt, name))
      if (pseudonym !== undefined) erased.set(name, pseudonym)
    }
  }
  return erased
}

/** An answer as if DingTalk knew the pseudonyms: nothing behind this point sees the name of anybody who was erased. */
export function withoutErased(answer: Answer, erasures: readonly Erasure[], digest: Digest): Answer {
  if (answer.kind !== 'observed') return answer
  const { people } = answer.observation
  const erased = erasedOf(people.keys(), erasures, digest)
  if (erased.size === 0) return answer
  const renamed = [...people].map(([name, state]): [string, ListedState] => [erased.get(name) ?? name, state])
  return { kind: 'observed', observation: { ...answer.observation, people: new Map(renamed) } }
}

/** Known people who were erased and still have their names: the sender named them in a task that came in later. */
export function stillNamed(people: readonly Recipient[], erasures: readonly Erasure[], digest: Digest): Map<string, string> {
  return erasedOf(
    people.map((person) => person.userId),
    erasures,
    digest,
  )
}
