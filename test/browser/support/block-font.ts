/**
 * A font in which every character is a box: Latin ones and digits are narrow, Chinese ones square. Text in it has the same widths and
 * line breaks on every machine, whichever fonts that machine has, so that a picture of a page can be compared.
 */

const UNITS = 1_000
const ASCENT = 880
const DESCENT = 120

/** Advance, and the box in it: left, bottom, right, top; null: nothing is drawn. */
type Glyph = readonly [advance: number, box: readonly [number, number, number, number] | null]

const SPACE: Glyph = [280, null]
const NARROW: Glyph = [560, [60, 0, 500, 560]]
const SQUARE: Glyph = [1_000, [60, -60, 940, 760]]
/** The first one means that the font lacks a character, and the browser would take another font. */
const GLYPHS: readonly Glyph[] = [SQUARE, SPACE, NARROW, SQUARE]

/** Code points from, to, and the index of their glyph. */
const CHARACTERS: ReadonlyArray<readonly [number, number, number]> = [
  [0x20, 0x20, 1],
  [0x21, 0x7e, 2],
  [0xa0, 0xa0, 1],
  [0xa1, 0x2e7f, 2],
  [0x2e80, 0xffef, 3],
]

/** The style sheet that sets every text of a page in this font. */
export function blockFontStyle(): string {
  const address = `data:font/ttf;base64,${buildFont().toString('base64')}`
  return `@font-face { font-family: Block; src: url(${address}) } *, ::before, ::after { font-family: Block !important; font-synthesis: none !important }`
}

function buildFont(): Buffer {
  const outlines = GLYPHS.map(([, box]) => (box === null ? Buffer.alloc(0) : outline(box)))
  const tables: ReadonlyArray<readonly [string, Buffer]> = [
    ['OS/2', os2()],
    ['cmap', cmap()],
    ['glyf', Buffer.concat(outlines)],
    ['head', head()],
    ['hhea', int16([1, 0, ASCENT, -DESCENT, 0, UNITS, 0, 0, UNITS, 1, 0, 0, 0, 0, 0, 0, 0, GLYPHS.length])],
    ['hmtx', int16(GLYPHS.flatMap(([advance, box]) => [advance, box?.[0] ?? 0]))],
    ['loca', int32([0, ...outlines.map((_, i) => outlines.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0))])],
    ['maxp', Buffer.concat([int32([0x10000]), int16([GLYPHS.length, 4, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0])])],
    ['name', name()],
    ['post', int32([0x30000, 0, 0, 0, 0, 0, 0, 0])],
  ]
  let at = 12 + 16 * tables.length
  const entries: Buffer[] = []
  for (const [tag, body] of tables) {
    entries.push(Buffer.from(tag, 'latin1'), int32([0, at, body.length]))
    at += padded(body).length
  }
  return Buffer.concat([int32([0x10000]), int16([tables.length, 128, 3, 32]), ...entries, ...tables.map(([, body]) => padded(body))])
}

/** One rectangle. */
function outline([left, bottom, right, top]: readonly [number, number, number, number]): Buffer {
  const flags = Buffer.alloc(4, 1)
  const points = int16([left, 0, right - left, 0, bottom, top - bottom, 0, bottom - top])
  return padded(Buffer.concat([int16([1, left, bottom, right, top, 3, 0]), flags, points]))
}

/** Format 13: many characters have one glyph. */
function cmap(): Buffer {
  const groups = CHARACTERS.flat()
  return Buffer.concat([
    int16([0, 1, 3, 10]),
    int32([12]),
    int16([13, 0]),
    int32([16 + 4 * groups.length, 0, CHARACTERS.length, ...groups]),
  ])
}

function head(): Buffer {
  const dates = Buffer.alloc(16)
  return Buffer.concat([
    int32([0x10000, 0x10000, 0, 0x5f0f3cf5]),
    int16([3, UNITS]),
    dates,
    int16([0, -DESCENT, UNITS, ASCENT, 0, 8, 2, 1, 0]),
  ])
}

function os2(): Buffer {
  const [panose, ranges, vendor] = [Buffer.alloc(10), Buffer.alloc(16), Buffer.from('NONE', 'latin1')]
  return Buffer.concat([
    int16([4, 560, 400, 5, 0, 650, 700, 0, 140, 650, 700, 0, 480, 50, 250, 0]),
    panose,
    ranges,
    vendor,
    int16([64, 0x20, 0xffef, ASCENT, -DESCENT, 0, ASCENT, DESCENT]),
    int32([0, 0]),
    int16([560, 700, 0, 0x20, 1]),
  ])
}

function name(): Buffer {
  const texts = [1, 2, 4, 6].map((id) => ({ id, text: Buffer.from(id === 2 ? 'Regular' : 'Block', 'utf16le').swap16() }))
  let at = 0
  const records = texts.map(({ id, text }) => {
    const record = int16([3, 1, 0x409, id, text.length, at])
    at += text.length
    return record
  })
  return Buffer.concat([int16([0, texts.length, 6 + 12 * texts.length]), ...records, ...texts.map(({ text }) => text)])
}

function int16(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, 2 * i)
  return bytes
}

function int32(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * i)
  return bytes
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
