import { Inject, Injectable } from '@nestjs/common'
import { InvalidInputError, type Tracker, TrackerError } from 'dingtalk-delivery-tracker'
import type { CampaignRates, Rates } from 'dingtalk-delivery-tracker/rates'
import { RATES, TRACKER } from './delivery.module'
import type { Settings } from './settings'

export const SETTINGS = Symbol('settings')

/** Sends work notifications, and knows who has read them. */
@Injectable()
export class NoticesService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(TRACKER) private readonly tracker: Tracker,
    @Inject(RATES) private readonly rates: Rates,
  ) {}

  /** @returns the task id. The send counts once DingTalk took it; the tracker may be told again, and again. */
  async send(userIds: readonly string[], text: string, campaign: string): Promise<string> {
    const sentAt = new Date()
    const taskId = await this.asyncsend(userIds, text)
    await this.track({ taskId, userIds, campaign, sentAt })
    return taskId
  }

  async campaign(name: string): Promise<CampaignRates> {
    return this.rates.campaign(name)
  }

  async hasEnded(taskId: string): Promise<boolean> {
    return (await this.rates.task(taskId)).status !== 'tracking'
  }

  private async track(task: { taskId: string; userIds: readonly string[]; campaign: string; sentAt: Date }, attempts = 5): Promise<void> {
    try {
      await this.tracker.track(task)
    } catch (error) {
      if (error instanceof InvalidInputError) throw new Error(`the field ${error.field} is wrong: ${error.message}`, { cause: error })
      if (!(error instanceof TrackerError && error.retryable) || attempts <= 1) throw error
      await this.track(task, attempts - 1)
    }
  }

  private async asyncsend(userIds: readonly string[], content: string): Promise<string> {
    const { oapiUrl, apiUrl, appKey, appSecret, agentId } = this.settings
    const { accessToken } = await post<{ accessToken: string }>(`${apiUrl}/v1.0/oauth2/accessToken`, { appKey, appSecret })
    const url = `${oapiUrl}/topapi/message/corpconversation/asyncsend_v2?access_token=${encodeURIComponent(accessToken)}`
    const msg = { msgtype: 'text', text: { content } }
    const answer = await post<{ errcode: number; errmsg: string; task_id: number }>(url, {
      agent_id: agentId,
      userid_list: userIds.join(),
      msg,
    })
    if (answer.errcode !== 0) throw new Error(`DingTalk did not send: ${answer.errcode} ${answer.errmsg}`)
    return String(answer.task_id)
  }
}

async function post<Answer>(url: string, body: unknown): Promise<Answer> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  return answer.json() as Promise<Answer>
}
