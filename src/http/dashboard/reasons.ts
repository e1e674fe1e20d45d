import { verdictOf } from '../../core/classify.ts'
import { type Html, html } from './html.ts'
import type { View } from './view.ts'

/** What the worker wrote, such as `never_observed: no look brought a result…`, decoded where the word before the colon is known. */
export function endReason({ words }: View, reason: string): Html {
  const word = /^([a-z_]+):/.exec(reason)?.[1] ?? ''
  const decoded = isKey(words.endReasons, word) ? words.endReasons[word] : null
  if (decoded === null) return asWritten(reason)
  const details = word === 'refused' || word === 'blind_before_deadline' || word === 'never_observed'
  return html`${decoded}${details && html` <span class="quiet">${asWritten(reason)}</span>`}`
}

/** What must be done about a pause. DingTalk's code decides; the worker's own words stand below, since they quote DingTalk. */
export function pauseRemedy({ words }: View, kind: 'throttled' | 'configuration' | 'quota', reason: string | null): string {
  if (kind !== 'configuration') return words.pauses[kind].remedy
  const code = /DingTalk said: ([^\s)]+)/.exec(reason ?? '')?.[1] ?? ''
  return words.remedies[remedyOf(code)]
}

/** DingTalk's own words out of the worker's, where they are quoted: the rest says what {@link pauseRemedy} has said already. */
export function whatWasSaid({ words }: View, reason: string): Html {
  const said = /\(DingTalk said: (.+)\)$/s.exec(reason)?.[1]
  return said === undefined ? asWritten(reason) : html`${words.said} ${asWritten(said)}`
}

export type Remedy = 'permission' | 'address' | 'credentials' | 'agent' | 'suite' | 'path' | 'other'

/** One code of each group of the table in core/classify.ts: codes with the same verdict have the same remedy. */
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
