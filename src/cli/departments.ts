import { formatRate } from '../report/rate.ts'
import type { CampaignRef, RateReader } from '../report/rates.ts'
import { type Display, departmentListing, render } from './rates.ts'
import { showTime } from './text/time.ts'
import { wrapTo } from './text/width.ts'

/** `report --campaign C --by department`: a line for each department, and one for the campaign, in which each person counts once. */
export async function departmentTable(reader: RateReader, ref: CampaignRef): Promise<(display: Display) => string> {
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
