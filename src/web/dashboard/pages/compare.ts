import { InvalidInputError, TrackerError } from '../../../domain/errors.ts'
import { parseApp, parseCampaignName } from '../../../intake/track-request.ts'
import { type CampaignComparison, compareCampaigns } from '../../../report/compare.ts'
import type { CampaignRates, CampaignRef, RateReader } from '../../../report/rates.ts'
import { campaignPicker } from '../components/campaign-picker.ts'
import { comparison } from '../components/comparison.ts'
import { html } from '../components/html.ts'
import { breadcrumbs, campaignField, compareLink } from '../links.ts'
import { ACTIVE_REFRESH_SECONDS, type Content, IDLE_REFRESH_SECONDS, type Page, type PageRequest } from '../page.ts'
import { parseAppParameter } from '../request.ts'

/** More lines in one plot cannot be told apart. */
const MOST = 6
/** Campaigns to choose from, besides those that are chosen. */
const OFFERED = 30

/** Two to six campaigns side by side, or the list in which they are chosen. */
export async function comparePage({ page, options: { rates }, query }: PageRequest): Promise<Content> {
  const chosen = parseCampaigns(query)
  const isChoice = chosen.length < 2 || chosen.length > MOST || query.has('choose')
  return isChoice ? choicePage(page, rates, query, chosen) : comparedPage(page, rates, chosen)
}

async function comparedPage(page: Page, rates: RateReader, chosen: readonly CampaignRef[]): Promise<Content> {
  const { compare } = page.messages
  const compared = compareCampaigns(await Promise.all(chosen.map((ref) => loadCampaign(rates, page, ref))), page.now)
  return {
    title: compare.title,
    body: html`${breadcrumbs(page)}
<div class="heading spread"><h1>${compare.title}</h1><a class="button" href="${compareLink(chosen, { choose: '1' })}">${compare.chooseOthers}</a></div>
${comparison(page, compared)}`,
    refreshSeconds: isOpen(compared) ? ACTIVE_REFRESH_SECONDS : IDLE_REFRESH_SECONDS,
  }
}

function isOpen(compared: readonly CampaignComparison[]): boolean {
  return compared.some(({ campaign }) => campaign.openTasks > 0)
}

async function choicePage(page: Page, rates: RateReader, query: URLSearchParams, chosen: readonly CampaignRef[]): Promise<Content> {
  const { compare } = page.messages
  const search = (query.get('q') ?? '').trim()
  const marked = await Promise.all(chosen.slice(0, MOST).map((ref) => findCampaign(rates, page, ref)))
  const { items } = await rates.campaigns({ limit: OFFERED, search: search === '' ? undefined : search })
  return {
    title: compare.title,
    body: html`${breadcrumbs(page)}
<h1>${compare.title}</h1>
<p class="lead">${compare.choose}</p>
${chosen.length > MOST && html`<p class="note">${compare.tooMany(chosen.length)}</p>`}
${campaignPicker(page, { marked, offered: items, search })}`,
    refreshSeconds: null,
  }
}

/** Each once, in the order of the address: `campaign=NAME`, of the app in `app`, or `campaign.APP=NAME`. */
function parseCampaigns(query: URLSearchParams): CampaignRef[] {
  const app = parseAppParameter(query)
  const refs = Array.from(query).flatMap(([field, value]): CampaignRef[] => {
    if (field === 'campaign') return [{ campaign: parseCampaignName(value, field), app }]
    return field.startsWith(APP_FIELD) ? [{ campaign: parseCampaignName(value, field), app: parseApp(field.slice(APP_FIELD.length)) }] : []
  })
  return refs.filter((ref, i) => refs.findIndex((each) => each.app === ref.app && each.campaign === ref.campaign) === i)
}

const APP_FIELD = campaignField('')

/** Three statements. */
async function loadCampaign(rates: RateReader, page: Page, ref: CampaignRef): Promise<Parameters<typeof compareCampaigns>[0][number]> {
  const campaign = await findCampaign(rates, page, ref)
  const [curve, { timeToRead }] = await Promise.all([rates.campaignCurve(campaign), rates.readTimes(campaign)])
  return { campaign, curve, timeToRead }
}

/** @throws {TrackerError} `CAMPAIGN_NOT_FOUND`; {@link InvalidInputError} where several apps have it, with what to write instead */
async function findCampaign(rates: RateReader, { messages }: Page, ref: CampaignRef): Promise<CampaignRates> {
  try {
    return await rates.campaign(ref)
  } catch (error) {
    if (!(error instanceof TrackerError && error.code === 'SEVERAL_APPS')) throw error
    throw new InvalidInputError('campaign', messages.compare.severalApps(ref.campaign))
  }
}
