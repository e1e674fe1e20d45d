import type { AppUsage, CampaignRates, Page as Paged, PairStatus, Pause, TaskAtRisk, TaskRates } from '../../../report/rates.ts'
import { budgetBar, legend, stateBar } from '../components/bar.ts'
import { delayReason, endReason, problemLines, problemOfTask, resumeButton } from '../components/causes.ts'
import { emptyState } from '../components/empty.ts'
import { type Html, html } from '../components/html.ts'
import { pager } from '../components/pager.ts'
import { taskTable } from '../components/task-table.ts'
import { campaignLink, taskLink, withQuery } from '../links.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, type PageRequest, QUIET_SECONDS, type View } from '../view.ts'

const CAMPAIGNS = 10
const TASKS = 20
/** Where more tasks are at the same risk, one cause is common to them, and the first few tell it. */
const TASKS_AT_RISK = 3
/** What a whole organisation has on the standard edition. Source: DingTalk's price list of 2025-11. */
const STANDARD_CALLS = 5_000

interface Overview {
  readonly apps: readonly AppUsage[]
  readonly attention: readonly TaskAtRisk[]
  readonly campaigns: Paged<CampaignRates>
  /** Null while campaigns are searched by name. */
  readonly tasks: Paged<TaskRates> | null
  readonly search: string
  readonly budgets: ReadonlyMap<string, number>
  readonly cursors: { readonly campaigns: string | null; readonly tasks: string | null }
}

export async function overviewPage({ view, options, query }: PageRequest): Promise<Content> {
  const overview = await load(options.rates, query, options.budgets)
  const { attention, campaigns, tasks } = overview
  const open = [
    ...campaigns.items.map(({ openTasks }) => openTasks > 0),
    ...(tasks?.items ?? []).map(({ status }) => status === 'tracking'),
  ]
  return {
    title: view.words.overview.title,
    body: isEmpty(overview) ? emptyState(view) : filled(view, overview),
    refreshSeconds: open.some(Boolean) || attention.length > 0 || isEmpty(overview) ? ACTIVE_REFRESH_SECONDS : QUIET_SECONDS,
  }
}

async function load(rates: PageRequest['options']['rates'], query: URLSearchParams, budgets: Overview['budgets']): Promise<Overview> {
  const search = (query.get('q') ?? '').trim()
  const isId = /^\d+$/.test(search)
  const cursors = { campaigns: query.get('campaigns'), tasks: query.get('tasks') }
  const [apps, attention, campaigns, tasks] = await Promise.all([
    rates.apps(),
    rates.attention(),
    rates.campaigns({ limit: CAMPAIGNS, search: search === '' ? undefined : search, cursor: cursors.campaigns ?? undefined }),
    search === '' || isId ? rates.tasks({ limit: TASKS, taskId: isId ? search : undefined, cursor: cursors.tasks ?? undefined }) : null,
  ])
  return { apps, attention, campaigns, tasks, search, budgets, cursors }
}

function isEmpty({ apps, campaigns, tasks, search, cursors }: Overview): boolean {
  const nothingAskedFor = search === '' && cursors.campaigns === null && cursors.tasks === null
  return nothingAskedFor && campaigns.items.length === 0 && tasks?.items.length === 0 && apps.every(({ pauseKind }) => pauseKind === null)
}

function filled(view: View, overview: Overview): Html {
  const { words } = view
  return html`<div class="heading spread"><h1>${words.overview.title}</h1>
<form class="search" method="get" action="/" role="search">
<label for="search">${words.overview.searchLabel}</label>
<input id="search" type="search" name="q" value="${overview.search}" autocomplete="off" maxlength="200"><button type="submit">${words.search}</button>
${overview.search !== '' && html`<a href="/">${words.showAll}</a>`}
</form></div>
${attentionSection(view, overview)}
${campaignsSection(view, overview)}
${callsSection(view, overview)}
${tasksSection(view, overview)}`
}

function attentionSection(view: View, { apps, attention, budgets }: Overview): Html {
  const { words, format } = view
  const isOneOfFew = ({ risk }: TaskAtRisk, i: number): boolean =>
    attention.slice(0, i).filter((before) => before.risk === risk).length < TASKS_AT_RISK
  const alerts = [
    ...apps.flatMap((app) => [pausedApp(view, app), ...pausedPairs(view, app), ...workerProblems(view, app)]),
    ...apps.map((app) => budgetAlmostSpent(view, app, budgets.get(app.app))),
    ...attention.filter(isOneOfFew).map((task) => taskAtRisk(view, task)),
  ].filter((alert) => alert !== null)
  const more = attention.filter((task, i) => !isOneOfFew(task, i)).map((task) => taskAtRisk(view, task))
  return html`<section id="attention" aria-labelledby="attention-title" class="${alerts.length === 0 ? 'calm' : 'attention'}">
<h2 id="attention-title">${words.attention.title}</h2>
${alerts.length === 0 ? html`<p>${words.attention.nothing}</p>` : html`<ul class="alerts">${alerts}</ul>`}
${more.length > 0 && html`<details id="more-attention"><summary>${words.attention.more(format.number(more.length))}</summary><ul class="alerts">${more}</ul></details>`}
</section>`
}

/** From here on somebody should think about the rest of the month. */
const ALMOST_SPENT = 0.9

function budgetAlmostSpent(
  { words, format }: View,
  { app, callsUsed, month, pauseKind }: AppUsage,
  budget: number | undefined,
): Html | null {
  if (budget === undefined || callsUsed < budget * ALMOST_SPENT || pauseKind === 'quota') return null
  return html`<li data-key="budget ${app}"><h3>${words.attention.budget(app)}</h3>
<p>${words.calls.usedOf(format.number(callsUsed), format.number(budget), format.month(month))}${words.gap}${words.attention.budgetRemedy}</p></li>`
}

function pausedApp(view: View, usage: AppUsage): Html | null {
  const { app } = usage
  return pauseAlert(view, { key: `app ${app}`, title: view.words.attention.paused(app), app }, usage)
}

function pausedPairs(view: View, { app, pairs }: AppUsage): Array<Html | null> {
  const titled = ({ agentId }: PairStatus) => ({ key: `pair ${app} ${agentId}`, title: view.words.attention.pairPaused(app, agentId), app })
  return pairs.map((pair) => pauseAlert(view, titled(pair), pair))
}

function pauseAlert(
  view: View,
  { key, title, app }: { readonly key: string; readonly title: string; readonly app: string },
  { pauseCode, pauseDetail, pauseSince, pausedUntil }: Pause,
): Html | null {
  if (pauseCode === null) return null
  return html`<li data-key="${key}"><h3>${title}</h3>
${problemLines(view, { code: pauseCode, detail: pauseDetail }, pauseSince)}
${pausedUntil !== null && html`<p class="quiet">${nextProbe(view, pausedUntil)}</p>`}
${resumeButton(view, appPath(app), null)}</li>`
}

function nextProbe({ words, format, now }: View, dueAt: Date): Html | string {
  return dueAt > now ? words.attention.again(format.time(dueAt), format.distance(dueAt, now)) : words.attention.againWithNext
}

function workerProblems(view: View, { app, workerProblems: problems }: AppUsage): Html[] {
  const { words } = view
  return problems.map(
    ({
      workerId,
      problemCode,
      problemDetail,
      problemSince,
    }) => html`<li data-key="worker ${workerId} ${app}"><h3>${words.attention.worker(app)}</h3>
${problemLines(view, { code: problemCode, detail: problemDetail }, problemSince)}<p class="quiet">${words.attention.workerId} <code>${workerId}</code></p></li>`,
  )
}

function appPath(app: string): string {
  return `/apps/${encodeURIComponent(app)}`
}

function taskAtRisk(view: View, task: TaskAtRisk): Html {
  const { words, format, now } = view
  const link = html`<a href="${taskLink(task)}">${words.taskTitle(task.taskId)}</a>`
  const problem = task.status === 'tracking' ? problemOfTask(task) : null
  const delay = task.status === 'tracking' ? delayReason(view, task) : null
  return html`<li data-key="task ${task.app} ${task.taskId}"><h3>${words.attention.task(link, words.risks[task.risk].name)}</h3>
${problem === null ? html`<p>${endReason(view, task) ?? words.risks[task.risk].meaning}</p>` : problemLines(view, problem, task.problemSince)}
${delay !== null && html`<p class="quiet">${words.problem.delayed(delay)}</p>`}
<p class="quiet sentence">${asOf(view, task.lastObservedAt)} · ${words.attention.deadline(format.time(task.deadlineAt), format.distance(task.deadlineAt, now))}${task.campaign !== null && html` · <span class="name">${task.campaign}</span>`} · ${task.app}</p></li>`
}

function callsSection(view: View, { apps, budgets }: Overview): Html | null {
  if (apps.length === 0) return null
  const { words } = view
  return html`<section id="calls" aria-labelledby="calls-title"><h2 id="calls-title">${words.calls.title}</h2>
<ul class="cards">${apps.map((app) => appCalls(view, app, budgets.get(app.app)))}</ul></section>`
}

/** There is something that `resume` changes. */
function isHeldBack({ pauseCode, pairs, workerProblems: problems, tasksWithProblem, tasksDelayed }: AppUsage): boolean {
  return pauseCode !== null || pairs.some((pair) => pair.pauseCode !== null) || problems.length + tasksWithProblem + tasksDelayed > 0
}

function appCalls(view: View, usage: AppUsage, budget: number | undefined): Html {
  const { words, format } = view
  const { app, callsUsed, month, openTasks, tasksWithProblem } = usage
  const [used, of] = [format.number(callsUsed), format.number(budget ?? STANDARD_CALLS)]
  return html`<li data-key="${app}"><h3>${app}</h3>
<p class="headline">${used}${budget !== undefined && html` <small>/ ${of}</small>`}</p>
${budgetBar(words.calls.usedOf(used, of, format.month(month)), callsUsed, budget ?? STANDARD_CALLS)}
<p>${words.calls.used(format.month(month))}${words.gap}${budget === undefined ? words.calls.noBudget(of) : words.calls.left(format.number(Math.max(0, budget - callsUsed)))}</p>
<p class="quiet">${words.calls.openTasks(openTasks)}${tasksWithProblem > 0 && html`${words.gap}${words.calls.withProblem(tasksWithProblem)}`}</p>
${isHeldBack(usage) && resumeButton(view, appPath(app), null)}</li>`
}

function campaignsSection(view: View, overview: Overview): Html {
  const { words } = view
  const { campaigns, search } = overview
  return html`<section id="campaigns" aria-labelledby="campaigns-title"><h2 id="campaigns-title">${words.overview.campaigns}</h2>
${
  campaigns.items.length === 0
    ? html`<p class="empty">${search === '' ? words.overview.noCampaigns : words.overview.notFound(search)}</p>`
    : html`<ul class="campaigns">${campaigns.items.map((campaign) => campaignItem(view, campaign))}</ul>`
}
${pager(view, words.overview.campaigns, pagesOf(overview, 'campaigns', campaigns.nextCursor))}</section>`
}

function campaignItem(view: View, campaign: CampaignRates): Html {
  const { words, format } = view
  return html`<li data-key="${campaign.app} ${campaign.campaign}">
<div class="heading"><h3 class="name"><a href="${campaignLink(campaign)}">${campaign.campaign}</a></h3>${openBadge(view, campaign)}</div>
<p class="rate"><b>${format.percent(campaign.readRate)}</b> <span>${words.ofDeliveredHaveRead(format.number(campaign.read), format.number(campaign.delivered))}</span></p>
${stateBar(view, campaign)}
<div class="heading">${legend(view, campaign, { path: campaignLink({ campaign: campaign.campaign }), app: campaign.app })}<p class="quiet">${words.sentAt(format.time(campaign.lastSentAt))} · ${asOf(view, campaign.lastObservedAt)} · ${campaign.app}</p></div></li>`
}

export function openBadge({ words }: View, { tasks, openTasks }: CampaignRates): Html {
  return openTasks > 0
    ? html`<span class="badge tracking">${words.open(openTasks, tasks)}</span>`
    : html`<span class="badge ended">${words.ended(tasks)}</span>`
}

export function asOf({ words, format, now }: View, at: Date | null): Html | string {
  return at === null ? words.nothingKnown : words.asOfAgo(format.time(at), format.distance(at, now))
}

function tasksSection(view: View, overview: Overview): Html | null {
  const { words } = view
  const { tasks, search } = overview
  if (tasks === null) return null
  return html`<section id="tasks" aria-labelledby="tasks-title"><h2 id="tasks-title">${words.overview.tasks}</h2>
${tasks.items.length === 0 ? html`<p class="empty">${words.overview.notFound(search)}</p>` : taskTable(view, tasks.items, 'tasks-title', true)}
${pager(view, words.overview.tasks, pagesOf(overview, 'tasks', tasks.nextCursor))}</section>`
}

function pagesOf({ search, cursors }: Overview, list: 'campaigns' | 'tasks', next: string | null): Parameters<typeof pager>[2] {
  const page = (cursor: string | null): string => `${withQuery('/', { q: search, ...cursors, [list]: cursor })}#${list}`
  return { first: cursors[list] === null ? null : page(null), next: next === null ? null : page(next) }
}
