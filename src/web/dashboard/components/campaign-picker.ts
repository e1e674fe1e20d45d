import type { CampaignRates } from '../../../report/rates.ts'
import { campaignField } from '../links.ts'
import type { Page } from '../page.ts'
import { type Html, html } from './html.ts'

/** The form that the boxes of {@link compareBox} belong to, wherever in the page they stand. */
const FORM = 'compare-form'

interface Picker {
  /** Campaigns that are chosen already. */
  readonly marked: readonly CampaignRates[]
  /** Campaigns to choose from. */
  readonly offered: readonly CampaignRates[]
  readonly search: string
}

/** A list of campaigns with a box each. A search keeps the boxes that are ticked. */
export function campaignPicker(page: Page, { marked, offered, search }: Picker): Html {
  const { messages, format } = page
  const key = ({ app, campaign }: CampaignRates): string => `${app} ${campaign}`
  const chosen = new Set(marked.map(key))
  const campaigns = [...marked, ...offered.filter((each) => !chosen.has(key(each)))]
  const severalApps = new Set(campaigns.map(({ app }) => app)).size > 1
  const item = (campaign: CampaignRates): Html =>
    html`<li data-key="${key(campaign)}"><label>${box(campaign, chosen.has(key(campaign)))}<span><span class="name">${campaign.campaign}</span>${severalApps && html` <span class="quiet">${campaign.app} ·</span>`}
<span class="quiet">${messages.sentAt(format.time(campaign.firstSentAt))} · ${format.percent(campaign.readRate)}</span></span></label></li>`
  return html`<section aria-label="${messages.overview.campaigns}"><form class="picker" method="get" action="/compare">
<div class="search" role="search"><label for="picker-search">${messages.compare.searchLabel}</label>
<input id="picker-search" type="search" name="q" value="${search}" autocomplete="off" maxlength="200"><button type="submit" name="choose" value="1">${messages.search}</button></div>
${campaigns.length === 0 ? html`<p class="empty">${messages.overview.noCampaigns}</p>` : html`<ul class="picks">${campaigns.map(item)}</ul>`}
<p><button type="submit" class="primary">${messages.compare.button}</button></p></form></section>`
}

function box({ app, campaign }: CampaignRates, isChecked: boolean): Html {
  return html`<input type="checkbox" name="${campaignField(app)}" value="${campaign}"${isChecked && html` checked`}>`
}

/** Beside a campaign of a list: chooses it for {@link compareButton}. */
export function compareBox({ messages }: Page, { app, campaign }: CampaignRates): Html {
  return html`<input type="checkbox" class="compare-box" form="${FORM}" name="${campaignField(app)}" value="${campaign}" aria-label="${messages.compare.box(campaign)}">`
}

/** Compares the campaigns whose boxes are ticked. Nothing where there is nothing to compare. */
export function compareButton({ messages }: Page, campaigns: readonly CampaignRates[]): Html | null {
  if (campaigns.length < 2) return null
  return html`<form id="${FORM}" class="compare-button" method="get" action="/compare"><button type="submit">${messages.compare.button}</button> <span class="quiet">${messages.compare.choose}</span></form>`
}
