import type { PlannedPoll } from '../../../domain/poll-times.ts'
import type { Poll, TaskRates } from '../../../report/rates.ts'
import { scaleOf, sinceSendMs } from '../../../report/read-brackets.ts'
import type { TaskReport } from '../../../report/task-report.ts'
import type { Page } from '../page.ts'
import { formatPercent, stretched, stretchedMarks } from './axis.ts'
import { type Html, html } from './html.ts'

/** Heights in the plot, in pixels. */
const MIDDLE = 34
/** Failed polls are drawn above the line, so that successful ones beside them do not hide them. */
const ABOVE = 20
const HEIGHT = 68

/** The polls of a task from the send to the deadline: made and planned ones. */
export function timeline(page: Page, { task, polls, ahead }: TaskReport): Html {
  const { messages } = page
  const good = polls.filter(({ outcome }) => outcome === 'observed').length
  const at = (time: Date): string => formatPercent(stretched(time.getTime() - task.sentAt.getTime(), spanOf(task)))
  return html`<figure class="timeline">
<svg class="line" height="${HEIGHT}" role="img" aria-label="${messages.timeline.summary(good, polls.length - good, ahead.length)}">
<line class="axis" x1="0" x2="100%" y1="${MIDDLE}" y2="${MIDDLE}"/>
${marks(page, task)}
${page.now < task.deadlineAt && html`<line class="now" x1="${at(page.now)}" x2="${at(page.now)}" y1="10" y2="${HEIGHT - 10}"/><text class="now" x="${at(page.now)}" y="6">${messages.now}</text>`}
<line class="deadline" x1="100%" x2="100%" y1="14" y2="${HEIGHT - 14}"/>
${ahead.map((poll) => plannedMark(page, task, poll, at(poll.at)))}
${polls.map((poll) => madeMark(page, task, poll, at(poll.requestedAt)))}
</svg>
<figcaption><ul class="legend">
<li>${key(html`<circle class="good" cx="6" cy="6" r="5"/>`)} ${messages.timeline.good}</li>
${good < polls.length && html`<li>${key(html`<path class="bad" d="M2 2l8 8M10 2l-8 8"/>`)} ${messages.timeline.failed}</li>`}
${ahead.length > 1 && html`<li>${key(html`<circle class="planned" cx="6" cy="6" r="4"/>`)} ${messages.timeline.planned}</li>`}
${ahead.length > 0 && html`<li>${key(html`<circle class="planned" cx="6" cy="6" r="5"/><circle class="planned" cx="6" cy="6" r="2"/>`)} ${messages.timeline.last}</li>`}
</ul><p class="quiet">${messages.timeline.stretched}</p></figcaption>
</figure>`
}

function spanOf({ sentAt, deadlineAt }: TaskRates): number {
  return Math.max(1, deadlineAt.getTime() - sentAt.getTime())
}

function marks({ format }: Page, task: TaskRates): Html[] {
  const spanMs = spanOf(task)
  return stretchedMarks(spanMs).map((ms, i) => {
    const x = formatPercent(stretched(ms, spanMs))
    const place = i === 0 ? ' start' : ms === spanMs ? ' end' : i % 2 === 1 && ' spare'
    return html`<line class="tick" x1="${x}" x2="${x}" y1="${MIDDLE - 4}" y2="${MIDDLE + 4}"/><text class="x${place}" x="${x}" y="${HEIGHT}">${ms === 0 ? '0' : format.duration(ms * scaleOf(task))}</text>`
  })
}

function madeMark({ messages, format }: Page, task: TaskRates, poll: Poll, x: string): Html {
  const when = format.duration(sinceSendMs(poll.requestedAt, task))
  const title =
    poll.outcome === 'observed'
      ? messages.timeline.saw(poll.pollNo, when, format.number(poll.read ?? 0), format.number((poll.read ?? 0) + (poll.unread ?? 0)))
      : messages.timeline.failedWith(poll.pollNo, when, messages.outcomes[poll.outcome], poll.code)
  const shape =
    poll.outcome === 'observed'
      ? html`<circle class="good" cx="${x}" cy="${MIDDLE}" r="5"/>`
      : html`<svg class="cross" x="${x}" y="${ABOVE}"><path class="bad" d="M-5 -5l10 10M5 -5l-10 10"/></svg>`
  return html`<g><title>${title}</title>${shape}</g>`
}

function plannedMark({ messages, format }: Page, task: TaskRates, { at, last }: PlannedPoll, x: string): Html {
  const title = messages.timeline.plannedAt(format.duration(sinceSendMs(at, task)), last)
  return html`<g><title>${title}</title><circle class="planned" cx="${x}" cy="${MIDDLE}" r="${last ? 5 : 4}"/>${last && html`<circle class="planned" cx="${x}" cy="${MIDDLE}" r="2"/>`}</g>`
}

function key(shape: Html): Html {
  return html`<svg class="key" width="12" height="12" aria-hidden="true" focusable="false">${shape}</svg>`
}
