import { InvalidArgumentError, Option } from 'commander'
import { TrackerError } from '../domain/errors.ts'
import { collectPages } from '../report/all-pages.ts'
import { type CampaignReport, campaignReportJson, loadCampaignFigures, loadCampaignReport } from '../report/campaign-report.ts'
import { loadComparison } from '../report/compare.ts'
import { formatRate, rateOf } from '../report/rate.ts'
import type { CampaignFilter, CampaignRates, CampaignRef, RateReader, TaskRates } from '../report/rates.ts'
import { CAMPAIGN_PAGES, describeCampaign } from './campaign.ts'
import type { AddCommand } from './command.ts'
import { comparisonTable, exportedComparison, refuseUncomparable } from './compare.ts'
import type { Context } from './context.ts'
import { formatOption, sinceOption } from './options.ts'
import { addFileOptions, checkFileOptions, FILE_FORMAT, type FileOptions, savePeopleFile } from './people-file.ts'
import {
  CURVE_WIDTH,
  campaignListing,
  type Display,
  departmentListing,
  type Format,
  type Listing,
  type ListingOptions,
  render,
  taskListing,
} from './rates.ts'
import { withReader } from './reads.ts'
import { sparkline } from './text/bars.ts'
import { showTime } from './text/time.ts'
import { wrapTo } from './text/width.ts'
import { refuseWatch, watch, watchOption } from './watch.ts'

interface ReportOptions extends FileOptions {
  readonly campaign?: readonly string[]
  readonly app?: string
  readonly since?: Date
  readonly by: By
  readonly format: Format | typeof FILE_FORMAT
  readonly watch?: number
}

type By = 'campaign' | 'task' | 'department'

type Filter = Pick<CampaignFilter, 'campaign' | 'app' | 'since'>

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery report --since 7d
  $ npx dingtalk-delivery report --campaign payroll-11 --watch
  $ npx dingtalk-delivery report --campaign payroll-11 --by task --format csv > payroll-11.csv
  $ npx dingtalk-delivery report --campaign payroll-11 --by department
  $ npx dingtalk-delivery report --campaign payroll-11 --format xlsx --output payroll-11.xlsx
  $ npx dingtalk-delivery report --campaign payroll-10 --campaign payroll-11`

export const addReport: AddCommand = (program, context, run) => {
  const command = program
    .command('report')
    .description('read rates, a line for each campaign, or one campaign in full; a person in several tasks of a campaign counts once')
    .option('--campaign <name>', 'this campaign, in full; repeat it to see two to six campaigns side by side', repeated)
    .option('--app <name>', 'only this app')
    .addOption(sinceOption(context.now))
    .addOption(
      new Option('--by <what>', 'a line for each campaign or task, or for each department of one campaign')
        .choices(['campaign', 'task', 'department'])
        .default('campaign'),
    )
    .addOption(formatOption(FILE_FORMAT))
    .addOption(watchOption())
  addFileOptions(command)
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ format, watch: seconds, output, language, ...options }: ReportOptions) => {
        if (format !== 'table') refuseWatch(seconds, `--format ${format}`)
        const question = parseQuestion(options)
        const file = { ...(output !== undefined && { output }), ...(language !== undefined && { language }) }
        checkFileOptions(format, file)
        if (format === FILE_FORMAT) {
          const campaign = oneCampaign(question)
          return withReader(context, (reader) => savePeopleFile(context, reader, campaign, {}, file))
        }
        await withReader(context, async (reader) => {
          if (format === 'table') await showTable(context, () => loadDrawing(reader, context, question), seconds)
          else context.print(await exported(reader, question, format, context))
        })
      }),
    )
}

type Question =
  | { readonly by: 'campaign' | 'task'; readonly filter: Filter }
  | { readonly by: 'department'; readonly ref: CampaignRef }
  | { readonly by: 'comparison'; readonly refs: readonly CampaignRef[] }

function repeated(name: string, names: readonly string[] = []): readonly string[] {
  return [...names, name]
}

/** @throws InvalidArgumentError, which is wrong usage */
function parseQuestion({ by, campaign: names = [], app, since }: Omit<ReportOptions, 'format' | 'watch' | keyof FileOptions>): Question {
  const [campaign, ...others] = names
  const refuseSince = (): void => {
    if (since !== undefined) throw new InvalidArgumentError('--since is for lists of campaigns and tasks: leave it out here.')
  }
  if (by === 'department') {
    refuseSince()
    if (campaign !== undefined && others.length === 0) return { by, ref: { campaign, app } }
    throw new InvalidArgumentError('--by department is for one campaign: give --campaign with its name, once.')
  }
  if (others.length === 0) return { by, filter: { ...(campaign !== undefined && { campaign }), app, since } }
  refuseSince()
  if (by === 'task') throw new InvalidArgumentError('--by task is for one campaign or all of them: give --campaign once, or leave it out.')
  refuseUncomparable(names)
  return { by: 'comparison', refs: names.map((each) => ({ campaign: each, app })) }
}

/** The file has the people of one campaign. */
function oneCampaign(question: Question): CampaignRef {
  if (question.by === 'campaign' && question.filter.campaign !== undefined && question.filter.since === undefined)
    return { campaign: question.filter.campaign, app: question.filter.app }
  throw new InvalidArgumentError('--format xlsx has the people of one campaign: give --campaign once, and neither --by nor --since.')
}

/** Text for the width that there is when it is drawn. */
export type Drawing = (display: Display) => string

async function showTable(context: Context, load: () => Promise<Drawing>, seconds: number | undefined): Promise<void> {
  if (seconds === undefined) context.print((await load())(context))
  else await watch(context, seconds, { load, render: (draw, display) => draw(display), isOver: () => false })
}

async function loadDrawing(reader: RateReader, { now }: Context, question: Question): Promise<Drawing> {
  if (question.by === 'department') return departmentTable(reader, question.ref)
  if (question.by === 'comparison') return comparisonTable(await loadComparison(reader, question.refs, now()), now())
  const { by, filter } = question
  if (by === 'task') return taskTable(reader, await loadTaskRates(reader, filter), now())
  const campaigns = await loadCampaignRates(reader, filter)
  return filter.campaign !== undefined && campaigns.length > 0 ? inFull(reader, campaigns, now()) : campaignTable(reader, campaigns, now())
}

async function exported(reader: RateReader, question: Question, format: 'json' | 'csv', context: Context): Promise<string> {
  const options = { colors: context.colors, now: context.now() }
  if (question.by === 'department')
    return render(format, await reader.campaignDepartments(question.ref), departmentListing(options), context)
  if (question.by === 'comparison') return exportedComparison(await loadComparison(reader, question.refs, options.now), format, context)
  const { by, filter } = question
  if (by === 'task') return render(format, await loadTaskRates(reader, filter), taskListing(options), context)
  const campaigns = await loadCampaignRates(reader, filter)
  if (format === 'csv' || filter.campaign === undefined) return render(format, campaigns, campaignListing(options), context)
  return JSON.stringify(
    await Promise.all(campaigns.map(async (campaign) => campaignReportJson(campaign, await loadCampaignFigures(reader, campaign)))),
    null,
    2,
  )
}

async function loadCampaignRates(reader: RateReader, filter: Filter): Promise<CampaignRates[]> {
  const campaigns = await collectPages((page) => reader.campaigns({ ...filter, ...page }))
  if (campaigns.length === 0) await assertThere(reader, filter)
  return campaigns
}

async function loadTaskRates(reader: RateReader, filter: Filter): Promise<TaskRates[]> {
  const tasks = await collectPages((page) => reader.tasks({ ...filter, ...page }))
  if (tasks.length === 0) await assertThere(reader, filter)
  return tasks
}

/** An empty report must not mean a misspelt name. */
async function assertThere(reader: RateReader, { campaign, app }: Filter): Promise<void> {
  if (campaign === undefined) return
  await reader.campaign({ campaign, app }).catch((error: unknown) => {
    if (!(error instanceof TrackerError && error.code === 'SEVERAL_APPS')) throw error
  })
}

/** Each curve costs a statement. */
const CURVES_SHOWN = 50

export async function campaignTable(reader: RateReader, campaigns: readonly CampaignRates[], now: Date): Promise<Drawing> {
  const curves = new Map<CampaignRates, string>()
  for (const each of campaigns.length <= CURVES_SHOWN ? campaigns : []) {
    const span = { from: each.firstSentAt, until: each.lastDeadlineAt, now }
    curves.set(each, sparkline(await reader.campaignCurve(each), each.delivered, span, CURVE_WIDTH))
  }
  const tasks = campaigns.reduce((sum, each) => sum + each.tasks, 0)
  const open = campaigns.reduce((sum, each) => sum + each.openTasks, 0)
  const total = `${count(campaigns.length, 'campaign')}, ${count(tasks, 'task')}, ${open} open.`
  return tabled(campaigns, campaignListing, curves, total, now)
}

async function taskTable(reader: RateReader, tasks: readonly TaskRates[], now: Date): Promise<Drawing> {
  const curves = new Map<TaskRates, string>()
  for (const each of tasks.length <= CURVES_SHOWN ? tasks : []) {
    const span = { from: each.sentAt, until: each.deadlineAt, now }
    curves.set(each, sparkline(await reader.curve(each), each.delivered, span, CURVE_WIDTH))
  }
  const delivered = tasks.reduce((sum, each) => sum + each.delivered, 0)
  const read = tasks.reduce((sum, each) => sum + each.read, 0)
  const total = `${count(tasks.length, 'task')}: ${count(delivered, 'message')} delivered, ${read} of them read${delivered === 0 ? '' : ` (${formatRate(rateOf(read, delivered))})`}.`
  return tabled(tasks, taskListing, curves, total, now)
}

interface Observed {
  readonly lastObservedAt: Date | null
}

function tabled<Row extends Observed>(
  rows: readonly Row[],
  listing: (options: ListingOptions<Row>) => Listing<Row>,
  curves: ReadonlyMap<Row, string>,
  total: string,
  now: Date,
): Drawing {
  return (display) => {
    const curveOption = curves.size === 0 ? {} : { showCurve: (row: Row) => curves.get(row) ?? '' }
    const table = render('table', rows, listing({ colors: display.colors, now, ...curveOption }), display)
    return rows.length === 0
      ? table
      : `${table}\n\n${wrapTo(`${total} ${LEGEND} Local time, ${showTime(now).slice(-6)}.`, display.width).join('\n')}`
  }
}

const LEGEND = '"Read" is of the delivered people, as of the last successful poll.'

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** A name that several apps use is several campaigns. */
async function inFull(reader: RateReader, campaigns: readonly CampaignRates[], now: Date): Promise<Drawing> {
  const reports: CampaignReport[] = []
  for (const each of campaigns) reports.push(await loadCampaignReport(reader, each, CAMPAIGN_PAGES, now))
  return (display) => reports.map((report) => describeCampaign(report, now, display)).join('\n\n\n')
}

/** `report --campaign C --by department`: a line for each department, and one for the campaign, in which each person counts once. */
async function departmentTable(reader: RateReader, ref: CampaignRef): Promise<Drawing> {
  const campaign = await reader.campaign(ref)
  const departments = await reader.campaignDepartments(campaign)
  const { read, delivered, readRate, lastObservedAt } = campaign
  const asOf = lastObservedAt === null ? 'before the first successful poll' : `as of ${showTime(lastObservedAt)}`
  const total = `All people of the campaign, each once: ${read} of ${delivered} read (${formatRate(readRate)}), ${asOf}.`
  const note = departments.some(({ department }) => department !== null) ? ADDED_UP : NOT_KNOWN
  return (display) =>
    [render('table', departments, departmentListing(display), display), '', ...wrapTo(`${total} ${note}`, display.width)].join('\n')
}

const ADDED_UP = 'A department has the people of those below it, and a person of several departments counts in each.'
const NOT_KNOWN =
  'No department of them is known: "npx dingtalk-delivery people import" stores names and departments, and the role in DATABASE_URL needs the right to see them (delivery_names).'
