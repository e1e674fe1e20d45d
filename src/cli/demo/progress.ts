import { MultiBar, type SingleBar } from 'cli-progress'
import { formatRate } from '../../report/rate.ts'
import type { Context } from '../context.ts'
import { plainText } from '../text/table.ts'

export interface CampaignProgress {
  readonly campaign: string | null
  readonly targeted: number
  readonly read: number
  readonly readRate: number | null
  readonly openTasks: number
}

export interface Progress {
  show(elapsedMs: number, campaigns: readonly CampaignProgress[]): void
  close(): void
}

const DAY_MS = 24 * 3_600_000
/** Plain lines are for logs: a few are enough. */
const SIMULATED_MS_BETWEEN_LINES = 3 * 3_600_000

/** Bars on a terminal, a line now and then elsewhere. Both go to stderr: they are no data. */
export function createProgress(context: Context, timeScale: number): Progress {
  return context.logIsTerminal ? bars(timeScale) : lines(context, timeScale)
}

function bars(timeScale: number): Progress {
  const multi = new MultiBar({
    format: '{bar} {label}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    fps: 5,
    emptyOnZero: true,
  })
  const clock = multi.create(DAY_MS, 0, { label: '' })
  const byCampaign = new Map<string | null, SingleBar>()
  return {
    show(elapsedMs, campaigns) {
      const simulated = Math.min(DAY_MS, elapsedMs * timeScale)
      clock.update(simulated, { label: `${formatClock(simulated)} of 24:00 since the send` })
      for (const each of campaigns) {
        const bar = byCampaign.get(each.campaign) ?? multi.create(1, 0, { label: '' })
        byCampaign.set(each.campaign, bar)
        bar.setTotal(each.targeted)
        bar.update(each.read, { label: formatLabel(each) })
      }
    },
    close: () => multi.stop(),
  }
}

function lines(context: Context, timeScale: number): Progress {
  let next = 0
  return {
    show(elapsedMs, campaigns) {
      const simulated = Math.min(DAY_MS, elapsedMs * timeScale)
      if (simulated < next || campaigns.every(({ readRate }) => readRate === null)) return
      next = simulated + SIMULATED_MS_BETWEEN_LINES
      context.note(
        `${formatClock(simulated)}  ${campaigns.map((each) => `${formatRate(each.readRate)} ${plainText(each.campaign)}`).join(' · ')}`,
      )
    },
    close: () => {},
  }
}

function formatLabel({ campaign, read, targeted, openTasks }: CampaignProgress): string {
  const open = openTasks === 0 ? 'ended' : `${openTasks} open`
  return `${String(read).padStart(4)} of ${targeted} read, ${open.padEnd(6)}  ${plainText(campaign)}`
}

function formatClock(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`
}
