import type { StateKind } from '../../../domain/delivery.ts'
import type { RateColumns } from '../../../report/rates.ts'
import type { ShareBounds } from '../../../report/time-to-read.ts'
import { type PeoplePlace, peopleLink } from '../links.ts'
import type { Page } from '../page.ts'
import { type Html, html } from './html.ts'

/** What a bar is made of. Each part has a pattern of its own beside its colour: colour is never the only sign. */
export type Part = 'read' | 'unread' | 'pending' | 'not-sent'

export function partOf(state: StateKind): Part {
  return state === 'failed' || state === 'forbidden' || state === 'invalid' ? 'not-sent' : state
}

/** Stands once in a page, for all its bars. */
export const PATTERNS = html`<svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false"><defs>
<pattern id="pattern-pending" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="ground" width="6" height="6"/><rect class="ink" width="2" height="6"/></pattern>
<pattern id="pattern-not-sent" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="ground" width="5" height="5"/><circle class="ink" cx="2.5" cy="2.5" r="1.1"/></pattern>
<pattern id="pattern-unknown" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="ink" width="1.25" height="8"/></pattern>
</defs></svg>`

/** All targeted people by part. The label has the figures for screen readers. */
export function stateBar({ messages, format }: Page, rates: RateColumns): Html {
  const parts = countParts(rates).filter(({ people }) => people > 0)
  const label = parts.map(({ part, people }) => `${messages.parts[part]}: ${format.number(people)}`).join(', ')
  let before = 0
  const pieces = parts.map(({ part, people }) => {
    const x = before
    before += people
    return piece(part, (100 * x) / rates.targeted, (100 * people) / rates.targeted)
  })
  return html`<svg class="bar" role="img" aria-label="${label === '' ? messages.noRecipients : label}"><rect class="track" width="100%" height="100%"/>${pieces}</svg>`
}

/** The parts with their figures, each with a link to its people. */
export function legend({ messages, format }: Page, rates: RateColumns, place: PeoplePlace): Html {
  const items = countParts(rates)
    .filter(({ part, people }) => people > 0 || part === 'read' || part === 'unread')
    .map(
      ({ part, people }) =>
        html`<li><a href="${peopleLink(place, chooseState(part, rates))}">${swatch(part)} ${messages.parts[part]} <b>${format.number(people)}</b></a></li>`,
    )
  return html`<ul class="legend">${items}</ul>`
}

/** The state whose people show a part: of those not sent, the most. */
function chooseState(part: Part, rates: RateColumns): StateKind {
  if (part !== 'not-sent') return part
  return (['forbidden', 'failed', 'invalid'] as const).reduce((most, state) => (rates[state] > rates[most] ? state : most))
}

/** A sample of a part's colour and pattern, beside its name. */
export function swatch(part: Part): Html {
  return html`<svg class="swatch" width="12" height="12" aria-hidden="true" focusable="false">${piece(part, 0, 100)}</svg>`
}

/** A share that is known as a range: from `atLeast` to `atMost`, each between 0 and 1. @param likely where in it a mark stands; null: nowhere */
export function rangeBar(label: string, { atLeast, atMost }: ShareBounds, likely: number | null): Html {
  return html`<svg class="range" role="img" aria-label="${label}"><rect class="track" width="100%" height="100%"/>
<rect class="maybe" x="${round(100 * atLeast)}%" width="${round(100 * (atMost - atLeast))}%" height="100%"/>
<rect class="part-read" width="${round(100 * atLeast)}%" height="100%"/>
${likely !== null && html`<line class="likely" x1="${round(100 * likely)}%" x2="${round(100 * likely)}%" y1="0" y2="100%"/>`}</svg>`
}

/** Calls used of a budget. */
export function budgetBar(label: string, used: number, budget: number): Html {
  const share = budget === 0 ? 100 : Math.min(100, (100 * used) / budget)
  return html`<svg class="range" role="img" aria-label="${label}"><rect class="track" width="100%" height="100%"/>
<rect class="${share >= 90 ? 'spent' : 'used'}" width="${round(share)}%" height="100%"/></svg>`
}

function countParts(rates: RateColumns): ReadonlyArray<{ readonly part: Part; readonly people: number }> {
  return [
    { part: 'read', people: rates.read },
    { part: 'unread', people: rates.unread },
    { part: 'pending', people: rates.pending },
    { part: 'not-sent', people: rates.failed + rates.forbidden + rates.invalid },
  ]
}

function piece(part: Part, xPercent: number, widthPercent: number): Html {
  const pattern = part === 'pending' || part === 'not-sent'
  const fill = pattern ? html` fill="url(#pattern-${part})"` : null
  return html`<rect class="part-${part}" x="${round(xPercent)}%" width="${round(widthPercent)}%" height="100%"${fill}/>`
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
