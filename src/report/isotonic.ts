import { at } from './sorted.ts'

/**
 * The non-decreasing numbers nearest to `values`, by squares with weights: neighbours in the wrong order are pooled into their mean
 * until none are left. Linear in their number.
 */
export function nonDecreasing(values: Float64Array, weights: Float64Array): Float64Array {
  const means = new Float64Array(values.length)
  const sums = new Float64Array(values.length)
  const begins = new Float64Array(values.length)
  let blocks = 0
  for (let i = 0; i < values.length; i++) {
    let mean = at(values, i)
    let sum = at(weights, i)
    let begin = i
    while (blocks > 0 && at(means, blocks - 1) >= mean) {
      blocks--
      const weight = at(sums, blocks)
      mean = (mean * sum + at(means, blocks) * weight) / (sum + weight)
      sum += weight
      begin = at(begins, blocks)
    }
    means[blocks] = mean
    sums[blocks] = sum
    begins[blocks] = begin
    blocks++
  }
  return spread(means.subarray(0, blocks), begins, values.length)
}

/** Each block's mean, from where it begins up to the next. */
function spread(means: Float64Array, begins: Float64Array, length: number): Float64Array {
  const fitted = new Float64Array(length)
  for (const [block, mean] of means.entries()) {
    const isLast = block === means.length - 1
    fitted.fill(mean, at(begins, block), isLast ? length : at(begins, block + 1))
  }
  return fitted
}
