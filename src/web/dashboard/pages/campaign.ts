import { MINUTE_MS, type StateKind } from '../../../domain/delivery.ts'
import { parseCampaignName } from '../../../intake/track-request.ts'
import { everything } from '../../../report/all-pages.ts'
import type { CampaignRates, CampaignRef, ForbiddenCount, RateColumns } from '../../../report/rates.ts'
import { scaleOf } from '../components/axis.ts'
import { legend, partOf, stateBar, swatch } from '../components/bar.ts'
import { readCurve } from '../components/curve.ts'
import { type Html, html } from '../components/html.ts'
import { pager } from '../components/pager.ts'
import { peopleFilterOf, peopleSection, queryOf, STATES } from '../components/people.ts'
import { taskTable } from '../components/task-table.ts'
import { timeToReadSection } from '../components/time-to-read.ts'
import { campaignLink, type PeoplePlace, peopleLink, trail, withQuery } from '../links.ts'
import { peopleCsv } from '../people-csv.ts'
import { appOf } from '../request.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, type PageRequest, QUIET_SECONDS, type View } from '../view.ts'
import { asOf, openBadge } from './overview.ts'

const PEOPLE = 25
const TASKS = 20

export async function campaignPage({ view, options: { rates }, params, query }: PageRequest): Promise<Content> {
  const campaign = await rates.campaign(refOf(params, query))
  const ref: CampaignRef = campaign
  const filter = peopleFilterOf(query)
  const cursors = { cursor: query.get('cursor'), tasks: query.get('tasks') }
  const [points, { band, timeToRead: time }, forbidden, tasks, people, unreadAsOf] = await Promise.all([
    rates.campaignCurve(ref),
    rates.readTimes(ref),
    rates.forbidden(ref),
    rates.tasks({ ...ref, limit: TASKS, cursor: cursors.tasks ?? undefined }),
    rates.campaignRecipients(ref, {
      state: filter.state ?? undefined,
      search: filter.search,
      limit: PEOPLE,
      cursor: cursors.cursor ?? undefined,
    }),
    rates.unreadAsOf(ref),
  ])
  const { words } = view
  const place: PeoplePlace = { path: campaignLink({ campaign: campaign.campaign }), app: campaign.app }
  const scale = tasks.items.map(scaleOf)[0] ?? 1
  const page = (tasksCursor: string | null): string =>
    `${withQuery(place.path, { ...queryOf(place.app, filter), ...cursors, tasks: tasksCursor })}#tasks`
  const body = html`${campaignHead(view, campaign, { ...place, unreadAsOf })}
<section id="curve" aria-labelledby="curve-title"><h2 id="curve-title">${words.curve.title}</h2>
${readCurve(view, { points, band, sentAt: campaign.firstSentAt, deadlineAt: campaign.lastDeadlineAt, scale })}</section>
${peopleSection(view, { ...place, filter, counts: campaign, people: people.items, cursor: cursors.cursor, nextCursor: people.nextCursor, window: null })}
${timeToReadSection(view, time, elapsedMs(view, campaign, scale))}
${statesSection(view, campaign)}
${forbiddenSection(view, forbidden)}
<section id="tasks" aria-labelledby="tasks-title"><h2 id="tasks-title">${words.overview.tasks}</h2>
${taskTable(view, tasks.items, 'tasks-title', false)}
${pager(view, words.overview.tasks, { first: cursors.tasks === null ? null : page(null), next: tasks.nextCursor === null ? null : page(tasks.nextCursor) })}</section>`
  return { title: campaign.campaign, body, refreshSeconds: campaign.openTasks > 0 ? ACTIVE_REFRESH_SECONDS : QUIET_SECONDS }
}

export async function campaignCsv({ options: { rates }, params, query }: PageRequest): Promise<string> {
  const ref = refOf(params, query)
  // Also tells a misspelt name from a campaign in which nobody is left.
  const campaign = await rates.campaign(ref)
  const { state, search } = peopleFilterOf(query)
  return peopleCsv(await everything((page) => rates.campaignRecipients(campaign, { state: state ?? undefined, search, ...page })))
}

function refOf(params: PageRequest['params'], query: URLSearchParams): CampaignRef {
  return { campaign: parseCampaignName(params['name'], 'name'), app: appOf(query) }
}

/** Of the window, in its own milliseconds: what lies beyond is still to come. */
function elapsedMs({ now }: View, { firstSentAt, lastDeadlineAt }: CampaignRates, scale: number): number {
  return (Math.min(now.getTime(), lastDeadlineAt.getTime()) - firstSentAt.getTime()) * scale
}

function campaignHead(view: View, campaign: CampaignRates, place: PeoplePlace & Headed): Html {
  const { words, format, now } = view
  const { firstSentAt, lastSentAt } = campaign
  const severalSends = lastSentAt.getTime() - firstSentAt.getTime() >= MINUTE_MS
  return html`${trail(view)}
<div class="heading"><h1 class="name">${campaign.campaign}</h1>${openBadge(view, campaign)}</div>
${headline(view, campaign, place)}
<dl class="facts">
<div><dt>${words.facts.sent}</dt><dd>${format.time(firstSentAt)}${severalSends && html` – ${format.time(lastSentAt)}`}</dd></div>
<div><dt>${words.facts.deadline}</dt><dd>${format.time(campaign.lastDeadlineAt)} <span class="quiet">${format.distance(campaign.lastDeadlineAt, now)}</span></dd></div>
${unreadFact(view, place)}<div><dt>${words.facts.app}</dt><dd>${campaign.app}</dd></div>
</dl>`
}

/** What the head of a page says besides the rates. */
export interface Headed {
  /** Everybody who is unread is so as of then at least; null where nobody is. */
  readonly unreadAsOf: Date | null
}

export function unreadFact({ words, format }: View, { unreadAsOf }: Headed): Html | null {
  return unreadAsOf === null ? null : html`<div><dt>${words.facts.unreadAsOf}</dt><dd>${format.time(unreadAsOf)}</dd></div>`
}

/** The figures that people come for, each with its denominator in words. */
export function headline(view: View, rates: RateColumns & { readonly lastObservedAt: Date | null }, place: PeoplePlace): Html {
  const { words, format } = view
  return html`<section class="headline" aria-label="${words.readRate}">
<div class="heading">
<p class="rate"><b>${format.percent(rates.readRate)}</b> <span>${words.ofDeliveredHaveRead(format.number(rates.read), format.number(rates.delivered))}</span></p>
${rates.unread > 0 && html`<a class="button primary" href="${peopleLink(place, 'unread')}">${words.whoHasNotRead(format.number(rates.unread))}</a>`}
</div>
${stateBar(view, rates)}${legend(view, rates, place)}
<p class="quiet sentence">${asOf(view, rates.lastObservedAt)} · ${words.ofTargetedHaveRead(format.number(rates.read), format.number(rates.targeted), format.percent(rates.readRateOfTargeted))}</p>
</section>`
}

function statesSection(view: View, rates: RateColumns): Html {
  const { words, format } = view
  const row = (
    state: StateKind,
  ): Html => html`<tr><th scope="row">${swatch(partOf(state))} ${words.states[state]}<p class="quiet">${words.stateMeaning[state]}</p></th>
<td class="figure">${format.number(rates[state])}</td><td class="figure">${format.percent(rates.targeted === 0 ? null : rates[state] / rates.targeted)}</td></tr>`
  const order: readonly StateKind[] = ['read', ...STATES.filter((state) => state !== 'read')]
  return html`<section id="states" aria-labelledby="states-title"><h2 id="states-title">${words.statesTitle}</h2>
<div class="table" role="group" aria-labelledby="states-title" tabindex="0"><table class="states">
<thead><tr><th scope="col">${words.columns.state}</th><th scope="col" class="figure">${words.columns.people}</th><th scope="col" class="figure">${words.columns.shareOfAll}</th></tr></thead>
<tbody>${order.filter((state) => rates[state] > 0 || state === 'read' || state === 'unread').map(row)}</tbody></table></div></section>`
}

export function forbiddenSection({ words, format }: View, forbidden: readonly ForbiddenCount[]): Html | null {
  if (forbidden.length === 0) return null
  return html`<section id="forbidden" aria-labelledby="forbidden-title"><h2 id="forbidden-title">${words.forbidden.title}</h2>
<ul class="cards">${forbidden.map(({ code, reason: word, people }) => {
    const reason = words.forbidden.reasons[word]
    return html`<li data-key="${code}"><h3>${reason.name}</h3><p class="headline">${format.number(people)} <small>${words.peopleWord(people)}</small></p>
<p>${reason.meaning}</p><p>${reason.remedy}</p>${code !== null && html`<p class="quiet">${words.forbidden.code} <code>${code}</code></p>`}</li>`
  })}</ul></section>`
}
