/** Attributes that a browser shows or a screen reader reads. */
const SHOWN = /\s(?:aria-label|title|placeholder|alt|data-label|content)="([^"]*)"/g
const ENTITIES: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }

/**
 * The texts of a page that its reader sees or hears. Left out: code, and what is marked as English, which is the text of DingTalk or of an error as
 * it was written.
 */
export function textsIn(page: string): string[] {
  const body = page
    .replaceAll(/<(script|style|code|pre)\b[^>]*>[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<(\w+)\b[^>]*\slang="en"[^>]*>[\s\S]*?<\/\1>/g, '')
    .replaceAll(/<(?:meta|link|input type="hidden")\b[^>]*>/g, '')
  const attributes = [...body.matchAll(/<\w[^>]*>/g)].flatMap(([tag]) => [...tag.matchAll(SHOWN)].map(([, text = '']) => text))
  return [...body.split(/<[^>]*>/), ...attributes].map((text) => decode(text).trim()).filter((text) => text !== '')
}

function decode(text: string): string {
  return text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity)
}
