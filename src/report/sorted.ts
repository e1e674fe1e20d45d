/**
 * The value at an index that exists. Loops over a hundred thousand numbers go through here, so it is for one kind of array and never
 * called beyond its end: either makes them five times slower.
 */
export function at(values: Float64Array, index: number): number {
  return Number(values[index])
}

/** How many values come before the first that `isBehind`; all of them where none is. Once true for a value, it is true for all after it. */
export function indexOfFirst(values: Float64Array, isBehind: (value: number) => boolean): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBehind(at(values, middle))) high = middle
    else low = middle + 1
  }
  return low
}

export function runningSum(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length)
  let sum = 0
  for (const [i, value] of values.entries()) {
    sum += value
    sums[i] = sum
  }
  return sums
}
