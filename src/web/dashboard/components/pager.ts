import type { View } from '../view.ts'
import { type Html, html } from './html.ts'

interface Pages {
  /** Null: this is the first one. */
  readonly first: string | null
  /** Null: this is the last one. */
  readonly next: string | null
}

/** Forward only: a cursor knows no page before it, and the browser's own way back does. */
export function pager({ words }: View, label: string, { first, next }: Pages): Html | null {
  if (first === null && next === null) return null
  return html`<nav class="pager" aria-label="${label}">${first !== null && html`<a href="${first}">${words.firstPage}</a>`}${next !== null && html`<a href="${next}" rel="next">${words.nextPage}</a>`}</nav>`
}
