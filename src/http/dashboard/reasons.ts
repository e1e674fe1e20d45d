import { problemCodeOf as verdictOf } from '../../core/problems.ts'
import { type Html, html } from './html.ts'
import type { View } from './view.ts'

/** What the worker wrote, such as `never_observed: no look brought a result…`, decoded where the word before the colon is known. */
export function endReason({ words }: View, reason: string): Html {
  const [, word = '', text = ''] = /^([a-z_]+): (.+)$/s.exec(reason) ?? []
  if (!isKey(words.endReasons, word)) return asWritten(reason)
  const said = SAID.exec(text)?.[1]
  // What stood in the way when the window ended.
  const because = /; (.+)$/s.exec(text)?.[1]
  if (said !== undefined) return html`${words.endReasons[word]}${words.gap}${words.said(asWritten(said))}`
  return html`${words.endReasons[word]}${because !== undefined && html`${words.gap}${asWritten(because)}`}`
}

/** Why the last look was put off. */
export function hindrance({ words }: View, why: string): Html {
  return words.hindered(asWritten(why))
}

/** How the worker quotes DingTalk. */
const SAID = /\(DingTalk said: (.+)\)$/s

/** What must be done about a pause. DingTalk's code decides; the worker's own words stand below, since they quote DingTalk. */
export function pauseRemedy({ words }: View, kind: 'throttled' | 'configuration' | 'quota', reason: string | null): string {
  if (kind !== 'configuration') return words.pauses[kind].remedy
  const code = /DingTalk said: ([^\s)]+)/.exec(reason ?? '')?.[1] ?? ''
  return words.remedies[remedyOf(code)]
}

/** DingTalk's own words out of the worker's, where they are quoted: the rest says what {@link pauseRemedy} has said already. */
export function whatWasSaid({ words }: View, reason: string): Html {
  const said = SAID.exec(reason)?.[1]
  return said === undefined ? asWritten(reason) : words.said(asWritten(said))
}

export type Remedy = 'permission' | 'address' | 'credentials' | 'agent' | 'suite' | 'path' | 'other'

/** One code of each group of the table in core/problems.ts: codes with the same verdict have the same remedy. */
const EXAMPLES: ReadonlyArray<readonly [Remedy, string]> = [
  ['permission', '60011'],
  ['address', '60020'],
  ['credentials', '40096'],
  ['credentials', 'TOKEN_REFUSED'],
  ['agent', '41011'],
  ['agent', 'NO_AGENT_ID'],
  ['suite', '40078'],
  ['path', '43001'],
]

function remedyOf(code: string): Remedy {
  const verdict = verdictOf(code)
  return EXAMPLES.find(([, example]) => verdictOf(example) === verdict)?.[0] ?? 'other'
}

/** Text of the worker or of DingTalk: shown as it is, whatever the page's language. */
export function asWritten(text: string): Html {
  return html`<q lang="en" class="said">${text}</q>`
}

function isKey<Key extends string>(record: Readonly<Record<Key, unknown>>, key: string): key is Key {
  return Object.hasOwn(record, key)
}
