/** Markup that may be sent as it is. Only {@link html} makes it, so whatever came from outside has been escaped on the way in. */
export class Html {
  readonly markup: string

  /** For {@link html} alone: nothing is escaped here. */
  constructor(markup: string) {
    this.markup = markup
  }
}

/** What may stand in a template: text is escaped, markup is kept, lists are joined, and nothing is nothing. */
export type Child = Html | string | number | null | undefined | false | readonly Child[]

/** Attributes in a template stand in double quotes: there, and between tags, escaped text can do nothing. */
export function html(strings: TemplateStringsArray, ...children: readonly Child[]): Html {
  return new Html(strings.reduce((markup, text, i) => markup + renderMarkup(children[i - 1]) + text))
}

function renderMarkup(child: Child): string {
  if (child === null || child === undefined || child === false) return ''
  if (child instanceof Html) return child.markup
  if (typeof child === 'object') return child.map(renderMarkup).join('')
  return escapeText(String(child))
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
