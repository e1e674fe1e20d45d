import { crc32, deflateSync } from 'node:zlib'
import type { Page } from 'playwright-core'

/** A picture as the mean colours of its blocks, in rows. */
export interface Blocks {
  readonly columns: number
  readonly rows: number
  /** Red, green and blue of each block, 0 to 255. */
  readonly values: readonly number[]
}

/** Runs in the page: the browser decodes PNG, so that no package has to. */
const DRAW = `async (base64) => {
  const image = new Image()
  image.src = 'data:image/png;base64,' + base64
  await image.decode()
  const canvas = document.createElement('canvas')
  canvas.width = image.naturalWidth
  canvas.height = image.naturalHeight
  const context = canvas.getContext('2d', { willReadFrequently: true })
  context.drawImage(image, 0, 0)
  return context.getImageData(0, 0, canvas.width, canvas.height)
}`

/** A block at the edge that is not whole is left out. */
const AVERAGE = `(image, size) => {
  const columns = Math.floor(image.width / size)
  const rows = Math.floor(image.height / size)
  const values = []
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
    const sums = [0, 0, 0]
    for (let y = row * size; y < (row + 1) * size; y++) for (let x = column * size; x < (column + 1) * size; x++)
      for (let colour = 0; colour < 3; colour++) sums[colour] += image.data[4 * (y * image.width + x) + colour]
    values.push(...sums.map((sum) => Math.round(sum / size / size)))
  }
  return { columns, rows, values }
}`

/** @param size of a block in pixels of the picture */
export function readBlocks(page: Page, png: Buffer, size: number): Promise<Blocks> {
  return page.evaluate<Blocks>(`(${DRAW})('${png.toString('base64')}').then((image) => (${AVERAGE})(image, ${size}))`)
}

/** Writes one pixel for each block, with few colours: such a file is small. */
export function encodePng({ columns, rows, values }: Blocks): Buffer {
  const few = Buffer.from(values.map((value) => Math.min(255, 16 * Math.round(value / 16))))
  const lines = Array.from({ length: rows }, (_, row) => [Buffer.of(0), few.subarray(3 * row * columns, 3 * (row + 1) * columns)]).flat()
  const chunks: ReadonlyArray<readonly [string, Buffer]> = [
    ['IHDR', Buffer.of(...bytesOf(columns), ...bytesOf(rows), 8, 2, 0, 0, 0)],
    ['IDAT', deflateSync(Buffer.concat(lines), { level: 9 })],
    ['IEND', Buffer.alloc(0)],
  ]
  return Buffer.concat([Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), ...chunks.map(encodeChunk)])
}

function encodeChunk([type, data]: readonly [string, Buffer]): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  return Buffer.concat([bytesOf(data.length), body, bytesOf(crc32(body))])
}

function bytesOf(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** The share of the blocks whose colour differs by more than `tolerance` (0 to 255); blocks that only one picture has differ. */
export function differentShare(a: Blocks, b: Blocks, tolerance: number): number {
  const [columns, rows] = [Math.max(a.columns, b.columns), Math.max(a.rows, b.rows)]
  const colourAt = (blocks: Blocks, row: number, column: number, colour: number): number =>
    row < blocks.rows && column < blocks.columns
      ? (blocks.values[3 * (row * blocks.columns + column) + colour] ?? Number.NaN)
      : Number.POSITIVE_INFINITY
  let different = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const isSame = [0, 1, 2].every((colour) => Math.abs(colourAt(a, row, column, colour) - colourAt(b, row, column, colour)) <= tolerance)
      if (!isSame) different += 1
    }
  }
  return different / Math.max(1, columns * rows)
}
