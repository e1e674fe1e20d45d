import { stripVTControlCharacters } from 'node:util'

const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}/u
const NO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u

/** Columns that a text takes on a terminal: Chinese characters and emoji take two, colours and combining marks none. */
export function cellsOf(text: string): number {
  let cells = 0
  for (const character of stripVTControlCharacters(text)) cells += cellsOfCharacter(character)
  return cells
}

function cellsOfCharacter(character: string): number {
  if (WIDE.test(character)) return 2
  return NO_WIDTH.test(character) ? 0 : 1
}

/** A text without colours, cut to `width` columns; the last one is then an ellipsis. */
export function cutTo(text: string, width: number): string {
  if (cellsOf(text) <= width) return text
  let kept = ''
  let cells = 1
  for (const character of text) {
    cells += cellsOfCharacter(character)
    if (cells > width) break
    kept += character
  }
  return `${kept}…`
}

/** The words of a text in lines of `width` columns at most; a longer word has a line of its own. */
export function wrapTo(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && cellsOf(longer) > width) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}
