import cellsOf from 'string-width'

/** A text without colours, cut to `width` columns; the last one is then an ellipsis. */
export function cutTo(text: string, width: number): string {
  if (cellsOf(text) <= width) return text
  let kept = ''
  for (const character of text) {
    if (cellsOf(kept + character) >= width) break
    kept += character
  }
  return `${kept}…`
}

/** The words of a text in lines of `width` columns at most; a longer word has a line of its own. */
export function wrapTo(text: string, width: number): string[] {
  const [first = '', ...words] = text.split(' ')
  const lines = [first]
  for (const word of words) {
    const longer = `${lines.at(-1)} ${word}`
    if (cellsOf(longer) <= width) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
