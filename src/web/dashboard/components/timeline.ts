import { nextPlannedPoll, type PlannedPoll, pollTimes, timingOf } from '../../../domain/poll-times.ts'
import type { Poll, TaskRates } from '../../../report/rates.ts'
import type { View } from '../view.ts'
import { percentOf, scaleOf, stretched, stretchedMarks } from './axis.ts'
import { type Html, html } from './html.ts'

/** Heights in the plot, in pixels. */
const MIDDLE = 34
/** Failed polls stand above the line, so that the good ones around do not hide them. */
const ABOVE = 20
const HEIGHT = 68

/** A task's polls from the send to the deadline: those that were made, and those that are planned. */
export function timeline(view: View, task: TaskRates, polls: readonly Poll[], pollsPerTask: number): Html {
  const { words } = view
  const ahead = pollsAhead(task, view.now, pollsPerTask)
  const good = polls.filter(({ outcome }) => outcome === 'observed').length
  const at = (time: Date): string => percentOf(stretched(time.getTime() - task.sentAt.getTime(), spanOf(task)))
  return html`<figure class="timeline">
<svg class="line" height="${HEIGHT}" role="img" aria-label="${words.timeline.summary(good, polls.length - good, ahead.length)}">
<line class="axis" x1="0" x2="100%" y1="${MIDDLE}" y2="${MIDDLE}"/>
${marks(view, task)}
${view.now < task.deadlineAt && html`<line class="now" x1="${at(view.now)}" x2="${at(view.now)}" y1="10" y2="${HEIGHT - 10}"/><text class="now" x="${at(view.now)}" y="6">${words.now}</text>`}
<line class="deadline" x1="100%" x2="100%" y1="14" y2="${HEIGHT - 14}"/>
${ahead.map((poll) => plannedMark(view, task, poll, at(poll.at)))}
${polls.map((poll) => madeMark(view, task, poll, at(poll.requestedAt)))}
</svg>
<figcaption><ul class="legend">
<li>${key(html`<circle class="good" cx="6" cy="6" r="5"/>`)} ${words.timeline.good}</li>
${good < polls.length && html`<li>${key(html`<path class="bad" d="M2 2l8 8M10 2l-8 8"/>`)} ${words.timeline.failed}</li>`}
${ahead.length > 1 && html`<li>${key(html`<circle class="planned" cx="6" cy="6" r="4"/>`)} ${words.timeline.planned}</li>`}
${ahead.length > 0 && html`<li>${key(html`<circle class="planned" cx="6" cy="6" r="5"/><circle class="planned" cx="6" cy="6" r="2"/>`)} ${words.timeline.last}</li>`}
</ul><p class="quiet">${words.timeline.stretched}</p></figcaption>
</figure>`
}

/** The next look as it is due, and those that the plan has after it. The worker of a demo runs faster: the task's own window tells how much. */
export function pollsAhead(task: TaskRates, now: Date, pollsPerTask: number): PlannedPoll[] {
  if (task.status !== 'tracking' || task.nextPollAt === null) return []
  const timing = timingOf(pollsPerTask, scaleOf(task))
  const plan = { ...task, key: task, sentAtGiven: true }
  const next = task.nextPollAt
  const after = nextPlannedPoll(plan, next > now ? next : now, timing)
  const later = after === null ? [] : pollTimes(plan, timing).filter(({ at }) => at >= after.at)
  return [{ at: next, last: after === null }, ...later]
}

/** In milliseconds of the 24-hour window. */
export function sinceSend(task: TaskRates, at: Date): number {
  return (at.getTime() - task.sentAt.getTime()) * scaleOf(task)
}

function spanOf({ sentAt, deadlineAt }: TaskRates): number {
  return Math.max(1, deadlineAt.getTime() - sentAt.getTime())
}

function marks({ format }: View, task: TaskRates): Html[] {
  const spanMs = spanOf(task)
  return stretchedMarks(spanMs).map((ms, i) => {
    const x = percentOf(stretched(ms, spanMs))
    const place = i === 0 ? ' start' : ms === spanMs ? ' end' : i % 2 === 1 && ' spare'
    return html`<line class="tick" x1="${x}" x2="${x}" y1="${MIDDLE - 4}" y2="${MIDDLE + 4}"/><text class="x${place}" x="${x}" y="${HEIGHT}">${ms === 0 ? '0' : format.duration(ms * scaleOf(task))}</text>`
  })
}

function madeMark({ words, format }: View, task: TaskRates, poll: Poll, x: string): Html {
  const when = format.duration(sinceSend(task, poll.requestedAt))
  const title =
    poll.outcome === 'observed'
      ? words.timeline.saw(poll.pollNo, when, format.number(poll.read ?? 0), format.number((poll.read ?? 0) + (poll.unread ?? 0)))
      : words.timeline.failedWith(poll.pollNo, when, words.outcomes[poll.outcome], poll.code)
  const shape =
    poll.outcome === 'observed'
      ? html`<circle class="good" cx="${x}" cy="${MIDDLE}" r="5"/>`
      : html`<svg class="cross" x="${x}" y="${ABOVE}"><path class="bad" d="M-5 -5l10 10M5 -5l-10 10"/></svg>`
  return html`<g><title>${title}</title>${shape}</g>`
}

function plannedMark({ words, format }: View, task: TaskRates, { at, last }: PlannedPoll, x: string): Html {
  const title = words.timeline.plannedAt(format.duration(sinceSend(task, at)), last)
  return html`<g><title>${title}</title><circle class="planned" cx="${x}" cy="${MIDDLE}" r="${last ? 5 : 4}"/>${last && html`<circle class="planned" cx="${x}" cy="${MIDDLE}" r="2"/>`}</g>`
}

function key(shape: Html): Html {
  return html`<svg class="key" width="12" height="12" aria-hidden="true" focusable="false">${shape}</svg>`
}
