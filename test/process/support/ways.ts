import { pathToFileURL } from 'node:url'
import type { Client } from 'pg'
import type * as Rates from '../../../src/rates.ts'
import { runCommand } from '../../support/commands.ts'
import { builtFile } from '../../support/process.ts'

export const STATES = ['read', 'unread', 'pending', 'failed', 'forbidden', 'invalid'] as const
export type State = (typeof STATES)[number]

export type Figures = Readonly<Record<State | 'targeted' | 'delivered', number> & Record<'readRate' | 'readRateOfTargeted', number | null>>

/** One way to ask for figures, and for the names of who has not read, in order. */
export interface Way {
  task(taskId: string): Promise<Figures>
  campaign(name: string): Promise<Figures>
  unreadOfTask(taskId: string): Promise<string[]>
  unreadOfCampaign(name: string): Promise<string[]>
}

const COUNTS = [...STATES, 'targeted', 'delivered'] as const
const SQL_FIGURES = `${COUNTS.join(', ')}, read_rate AS "readRate", read_rate_of_targeted AS "readRateOfTargeted"`

export function viewsOf(sql: Client): Way {
  const figures = async (view: string, column: string, value: string): Promise<Figures> => {
    const { rows } = await sql.query<Figures>(`SELECT ${SQL_FIGURES} FROM ${view} WHERE ${column} = $1`, [value])
    return figuresOf(rows[0])
  }
  const names = async (query: string, value: string): Promise<string[]> => {
    const { rows } = await sql.query<{ user_id: string }>(query, [value])
    return rows.map((row) => row.user_id).sort()
  }
  return {
    task: (taskId) => figures('delivery_task_rates', 'task_id', taskId),
    campaign: (name) => figures('delivery_campaign_rates', 'campaign', name),
    unreadOfTask: (taskId) => names("SELECT user_id FROM delivery_recipient_status WHERE task_id = $1 AND state = 'unread'", taskId),
    unreadOfCampaign: (name) =>
      names(
        `SELECT user_id FROM delivery_recipient_status WHERE campaign = $1
         GROUP BY user_id HAVING bool_or(state = 'unread') AND NOT bool_or(state = 'read')`,
        name,
      ),
  }
}

/** What is in common of all that has figures; whatever else is there is left out. Counts of SQL may be text. */
function figuresOf(from: unknown): Figures {
  const object = { ...(from as Record<string, unknown>) }
  const rate = (name: string): number | null => (object[name] === null ? null : Number(object[name]))
  return {
    ...(Object.fromEntries(COUNTS.map((name) => [name, Number(object[name])])) as Record<(typeof COUNTS)[number], number>),
    readRate: rate('readRate'),
    readRateOfTargeted: rate('readRateOfTargeted'),
  }
}

/** As a program has it that installed the package. */
export async function typescriptOf(databaseUrl: string): Promise<Way & { close(): Promise<void> }> {
  const { createRates } = (await import(pathToFileURL(builtFile('rates.js')).href)) as typeof Rates
  const rates = createRates({ databaseUrl })
  const idsOf = (people: ReadonlyArray<{ readonly userId: string }>): string[] => people.map(({ userId }) => userId).sort()
  return {
    task: async (taskId) => figuresOf(await rates.task(taskId)),
    campaign: async (name) => figuresOf(await rates.campaign(name)),
    unreadOfTask: async (taskId) => idsOf(await rates.recipients(taskId, { state: 'unread' })),
    unreadOfCampaign: async (name) => {
      const people: Array<{ readonly userId: string }> = []
      let cursor: string | undefined
      do {
        const page = await rates.campaignRecipients(name, { state: 'unread', cursor })
        people.push(...page.items)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return idsOf(people)
    },
    close: () => rates.close(),
  }
}

export function httpOf(origin: string): Way {
  const figures = async (path: string): Promise<Figures> => figuresOf(JSON.parse(await textAt(`${origin}${path}`)))
  const names = async (path: string): Promise<string[]> => usersIn(await textAt(`${origin}${path}/recipients?state=unread&format=csv`))
  return {
    task: (taskId) => figures(`/v1/tasks/${taskId}`),
    campaign: (name) => figures(`/v1/campaigns/${encodeURIComponent(name)}`),
    unreadOfTask: (taskId) => names(`/v1/tasks/${taskId}`),
    unreadOfCampaign: (name) => names(`/v1/campaigns/${encodeURIComponent(name)}`),
  }
}

export function commandsOf(databaseUrl: string): Way {
  const ask = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await runCommand(args, { env: { DATABASE_URL: databaseUrl } })
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
    return JSON.parse(stdout)
  }
  const names = async (...args: string[]): Promise<string[]> =>
    ((await ask('unread', ...args, '--format', 'json')) as Array<{ userId: string }>).map(({ userId }) => userId).sort()
  return {
    task: async (taskId) => figuresOf(await ask('show', taskId, '--json')),
    campaign: async (name) => figuresOf(((await ask('report', '--campaign', name, '--format', 'json')) as unknown[])[0]),
    unreadOfTask: (taskId) => names(taskId),
    unreadOfCampaign: (name) => names('--campaign', name),
  }
}

/** What a person reads on the pages, in English. */
export function dashboardOf(origin: string): Way {
  const figures = async (path: string): Promise<Figures> => figuresOn(await textAt(`${origin}${path}`))
  const names = async (path: string): Promise<string[]> => usersIn(await textAt(`${origin}${path}/people.csv?state=unread`))
  return {
    task: (taskId) => figures(`/tasks/${taskId}`),
    campaign: (name) => figures(`/campaigns/${encodeURIComponent(name)}`),
    unreadOfTask: (taskId) => names(`/tasks/${taskId}`),
    unreadOfCampaign: (name) => names(`/campaigns/${encodeURIComponent(name)}`),
  }
}

/** The choices above the list of people carry their numbers; a state that nobody is in has none. Rates are the percentages at the top. */
function figuresOn(page: string): Figures {
  const choices = [...page.matchAll(/[?;&]state=(\w+)[^"]*"[^>]*>[^<]*<span>([\d,]+)<\/span>/g)]
  const numbers = new Map(choices.map(([, state = '', people = '']) => [state, Number(people.replaceAll(',', ''))]))
  const count = (name: string): number => numbers.get(name) ?? 0
  const counts = Object.fromEntries(STATES.map((state) => [state, count(state)])) as Record<State, number>
  const top = /<section class="headline".*?<\/section>/s.exec(page)?.[0].replaceAll(/<[^>]*>/g, ' ') ?? ''
  const [readRate = Number.NaN, readRateOfTargeted = Number.NaN] = [...top.matchAll(/([\d.]+)%|–/g)].map(([, percent]) =>
    percent === undefined ? null : Number(percent) / 100,
  )
  return { ...counts, targeted: count('all'), delivered: count('read') + count('unread'), readRate, readRateOfTargeted }
}

/** Rates as a page tells them. */
export function inPercent(figures: Figures): Figures {
  const rounded = (rate: number | null): number | null => (rate === null ? null : Number((Math.round(rate * 1_000) / 1_000).toFixed(3)))
  return { ...figures, readRate: rounded(figures.readRate), readRateOfTargeted: rounded(figures.readRateOfTargeted) }
}

async function textAt(url: string): Promise<string> {
  const response = await fetch(url)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} gives ${response.status}: ${text.slice(0, 300)}`)
  return text
}

/** The column `user_id`; no name of the demo needs quotes. */
function usersIn(csv: string): string[] {
  const [head = '', ...rows] = csv
    .trim()
    .replace(/^\uFEFF/, '')
    .split('\r\n')
  const column = head.split(',').indexOf('user_id')
  return rows.map((row) => row.split(',')[column] ?? '').sort()
}
