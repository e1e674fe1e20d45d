/** Keeps what was used last. */
export interface Lru<Key, Value> {
  /** What is kept for the key, or what `make` returns, which is kept then. */
  get(key: Key, make: () => Value): Value
}

/** @param max entries; beyond it, the one that was not used for the longest time goes */
export function createLru<Key, Value>(max: number): Lru<Key, Value> {
  // A map has the order in which its keys were set.
  const entries = new Map<Key, { readonly value: Value }>()
  return {
    get(key, make) {
      const entry = entries.get(key) ?? { value: make() }
      entries.delete(key)
      entries.set(key, entry)
      if (entries.size > max) {
        const [oldest] = entries.keys()
        if (oldest !== undefined) entries.delete(oldest)
      }
      return entry.value
    },
  }
}
