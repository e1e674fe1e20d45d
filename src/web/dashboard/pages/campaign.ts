import type { Readable } from 'node:stream'
import { MINUTE_MS, type StateKind } from '../../../domain/delivery.ts'
import { parseCampaignName } from '../../../intake/track-request.ts'
import { type CampaignReport, loadCampaignReport } from '../../../report/campaign-report.ts'
import type { CampaignRef, ForbiddenCount, RateColumns } from '../../../report/rates.ts'
import { openCampaignCsv } from '../../people-csv.ts'
import { openPeopleFile } from '../../people-file.ts'
import { legend, partOf, stateBar, swatch } from '../components/bar.ts'
import { readCurve } from '../components/curve.ts'
import { departmentsSection } from '../components/departments.ts'
import { type Html, html } from '../components/html.ts'
import { buildQuery, parseFileOptions, parsePeopleFilter, parseRecipientFilter, peopleSection, STATES } from '../components/people.ts'
import { taskTable } from '../components/task-table.ts'
import { timeToReadSection } from '../components/time-to-read.ts'
import { breadcrumbs, campaignLink, compareLink, type PeoplePlace, pager, peopleLink, withQuery } from '../links.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'
import { parseAppParameter } from '../request.ts'
import { openBadge, renderObservedAt } from './overview.ts'

const PEOPLE = 25
const TASKS = 20

export async function campaignPage({ page, options: { rates }, params, query }: PageRequest): Promise<Content> {
  const campaign = await rates.campaign(parseCampaignRef(params, query))
  const filter = parsePeopleFilter(query)
  const cursors = { cursor: query.get('cursor'), tasks: query.get('tasks') }
  const wanted = {
    people: { ...parseRecipientFilter(query), limit: PEOPLE, cursor: cursors.cursor ?? undefined },
    tasks: { limit: TASKS, cursor: cursors.tasks ?? undefined },
  }
  const [report, departments] = await Promise.all([
    loadCampaignReport(rates, campaign, wanted, page.now),
    page.canSeeNames ? rates.campaignDepartments(campaign) : [],
  ])
  const { tasks, people, scale } = report
  const { messages } = page
  const place: PeoplePlace = { path: campaignLink({ campaign: campaign.campaign }), app: campaign.app }
  const linkTo = (tasksCursor: string | null): string =>
    `${withQuery(place.path, { ...buildQuery(place.app, filter), ...cursors, tasks: tasksCursor })}#tasks`
  const body = html`${campaignHead(page, report, place)}
<section id="curve" aria-labelledby="curve-title"><h2 id="curve-title">${messages.curve.title}</h2>
${readCurve(page, { ...report, sentAt: campaign.firstSentAt, deadlineAt: campaign.lastDeadlineAt, lastObservedAt: campaign.lastObservedAt, scale })}</section>
${departmentsSection(page, departments, place)}
${peopleSection(page, { ...place, filter, counts: campaign, people: people.items, departments, cursor: cursors.cursor, nextCursor: people.nextCursor, window: null })}
${timeToReadSection(page, report.timeToRead, report.elapsedMs)}
${statesSection(page, campaign)}
${forbiddenSection(page, report.forbidden)}
<section id="tasks" aria-labelledby="tasks-title"><h2 id="tasks-title">${messages.overview.tasks}</h2>
${taskTable(page, tasks.items, 'tasks-title', false)}
${pager(page, messages.overview.tasks, { first: cursors.tasks === null ? null : linkTo(null), next: tasks.nextCursor === null ? null : linkTo(tasks.nextCursor) })}</section>`
  return { title: campaign.campaign, body, refreshSeconds: campaign.openTasks > 0 ? ACTIVE_REFRESH_SECONDS : IDLE_REFRESH_SECONDS }
}

export async function campaignCsv({ options: { rates }, params, query }: PageRequest): Promise<Readable> {
  // A row that was read costs the pages of the file no statement to check.
  return await openCampaignCsv(rates, await rates.campaign(parseCampaignRef(params, query)), parseRecipientFilter(query))
}

export function campaignXlsx({ page, options: { rates }, params, query }: PageRequest): Promise<Readable> {
  return openPeopleFile(rates, parseCampaignRef(params, query), parseFileOptions(page, query))
}

function parseCampaignRef(params: PageRequest['params'], query: URLSearchParams): CampaignRef {
  return { campaign: parseCampaignName(params['name'], 'name'), app: parseAppParameter(query) }
}

function campaignHead(page: Page, { campaign, unreadAsOf }: CampaignReport, place: PeoplePlace): Html {
  const { messages, format, now } = page
  const { firstSentAt, lastSentAt } = campaign
  const severalSends = lastSentAt.getTime() - firstSentAt.getTime() >= MINUTE_MS
  return html`${breadcrumbs(page)}
<div class="heading"><h1 class="name">${campaign.campaign}</h1>${openBadge(page, campaign)}</div>
${headline(page, campaign, place)}
<dl class="facts">
<div><dt>${messages.facts.sent}</dt><dd>${format.time(firstSentAt)}${severalSends && html` – ${format.time(lastSentAt)}`}</dd></div>
<div><dt>${messages.facts.deadline}</dt><dd>${format.time(campaign.lastDeadlineAt)} <span class="quiet">${format.distance(campaign.lastDeadlineAt, now)}</span></dd></div>
${unreadFact(page, unreadAsOf)}${page.severalApps && html`<div><dt>${messages.facts.app}</dt><dd>${campaign.app}</dd></div>`}
</dl>
<p><a href="${compareLink([campaign])}">${messages.compare.link}</a></p>`
}

export function unreadFact({ messages, format }: Page, unreadAsOf: Date | null): Html | null {
  return unreadAsOf === null ? null : html`<div><dt>${messages.facts.unreadAsOf}</dt><dd>${format.time(unreadAsOf)}</dd></div>`
}

/** The main figures, each with its denominator. */
export function headline(page: Page, rates: RateColumns & { readonly lastObservedAt: Date | null }, place: PeoplePlace): Html {
  const { messages, format } = page
  return html`<section class="headline" aria-label="${messages.readRate}">
<div class="heading">
<p class="rate"><b>${format.percent(rates.readRate)}</b> <span>${messages.ofDeliveredHaveRead(format.number(rates.read), format.number(rates.delivered))}</span></p>
${rates.unread > 0 && html`<a class="button primary" href="${peopleLink(place, 'unread')}">${messages.whoHasNotRead(format.number(rates.unread))}</a>`}
</div>
${stateBar(page, rates)}${legend(page, rates, place)}
<p class="quiet sentence">${renderObservedAt(page, rates.lastObservedAt)} · ${messages.ofTargetedHaveRead(format.number(rates.read), format.number(rates.targeted), format.percent(rates.readRateOfTargeted))}</p>
</section>`
}

function statesSection(page: Page, rates: RateColumns): Html {
  const { messages, format } = page
  const row = (
    state: StateKind,
  ): Html => html`<tr><th scope="row">${swatch(partOf(state))} ${messages.states[state]}<p class="quiet">${messages.stateMeaning[state]}</p></th>
<td class="figure">${format.number(rates[state])}</td><td class="figure">${format.percent(rates.targeted === 0 ? null : rates[state] / rates.targeted)}</td></tr>`
  const order: readonly StateKind[] = ['read', ...STATES.filter((state) => state !== 'read')]
  return html`<section id="states" aria-labelledby="states-title"><h2 id="states-title">${messages.statesTitle}</h2>
<div class="table" role="group" aria-labelledby="states-title" tabindex="0"><table class="states">
<thead><tr><th scope="col">${messages.columns.state}</th><th scope="col" class="figure">${messages.columns.people}</th><th scope="col" class="figure">${messages.columns.shareOfAll}</th></tr></thead>
<tbody>${order.filter((state) => rates[state] > 0 || state === 'read' || state === 'unread').map(row)}</tbody></table></div></section>`
}

export function forbiddenSection({ messages, format }: Page, forbidden: readonly ForbiddenCount[]): Html | null {
  if (forbidden.length === 0) return null
  return html`<section id="forbidden" aria-labelledby="forbidden-title"><h2 id="forbidden-title">${messages.forbidden.title}</h2>
<ul class="cards">${forbidden.map(({ code, reason: word, people }) => {
    const reason = messages.forbidden.reasons[word]
    return html`<li data-key="${code}"><h3>${reason.name}</h3><p class="headline">${format.number(people)} <small>${messages.personNoun(people)}</small></p>
<p>${reason.meaning}</p><p>${reason.remedy}</p>${code !== null && html`<p class="quiet">${messages.forbidden.code} <code>${code}</code></p>`}</li>`
  })}</ul></section>`
}
