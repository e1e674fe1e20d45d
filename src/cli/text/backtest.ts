import { type BacktestReport, certaintyOf } from '../../report/schedule-backtest.ts'
import type { Display } from '../rates.ts'
import { plainText } from './table.ts'
import { showDuration, showTime } from './time.ts'
import { wrapTo } from './width.ts'

/** Some sentences for a person who decides whether to use learned plans. */
export function describeBacktest(report: BacktestReport, { width }: Display): string {
  return sentences(report)
    .flatMap((line) => (Number.isFinite(width) ? wrapTo(line, width) : [line]))
    .join('\n')
}

function sentences({ app, tasks, tasksNeeded, firstSentAt, lastSentAt, result }: BacktestReport): string[] {
  const ofApp = app === null ? '' : ` of app ${plainText(app)}`
  if (result === null)
    return [
      `Too few tasks: ${tasks}${ofApp} ${tasks === 1 ? 'has' : 'have'} ended with a known send time and an observed recipient, and ${tasksNeeded} are needed.`,
      'Try again when more have ended.',
    ]
  const { storedWidthMs, plannedWidthMs, plannedAtLeastMs, plannedAtMostMs } = result
  const about = `${tasks} tasks${ofApp}, sent from ${showTime(firstSentAt)} to ${showTime(lastSentAt)}; ${result.tasks} of them are compared, each with polls that were learned from earlier tasks alone.`
  if (storedWidthMs === null || plannedWidthMs === null || plannedAtLeastMs === null || plannedAtMostMs === null)
    return [about, 'None of their recipients was observed as read, so nothing can be compared.']
  return [
    about,
    `Bracket as polled: ${showDuration(storedWidthMs)} in the mean over ${result.reads.toLocaleString('en')} reads, with ${result.storedCalls.toLocaleString('en')} successful polls.`,
    `Bracket with learned polls: about ${showDuration(plannedWidthMs)}, with at most ${result.plannedCalls.toLocaleString('en')} polls. That is ${describeChange(plannedWidthMs / storedWidthMs)}.`,
    `How sure: ${CERTAINTY[certaintyOf(result)]} Where in its bracket a read was is not known; wherever it was, the mean is between ${showDuration(plannedAtLeastMs)} and ${showDuration(plannedAtMostMs)}.${result.tasks < FEW ? ` With ${result.tasks} compared tasks, a few unusual ones may decide.` : ''}`,
  ]
}

/** As many tasks have the law and the comparison settle. */
const FEW = 50

function describeChange(ratio: number): string {
  const percent = Math.round(Math.abs(1 - ratio) * 100)
  if (percent === 0) return 'no difference'
  return ratio < 1 ? `${percent}% narrower` : `${percent}% wider`
}

const CERTAINTY = {
  certain: 'certain in its direction for these tasks.',
  likely: 'likely: the estimate is clear, the bounds alone do not prove it.',
  open: 'open: the difference is too small, or the stored brackets are too wide, to tell.',
} as const
