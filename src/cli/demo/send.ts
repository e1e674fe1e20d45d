import { z } from 'zod'
import type { Notification } from './scenario.ts'

/** The settings that a real sender has in its own code. */
export interface Sender {
  /** What the simulator prints for `CLOCK_START`. Left out or null: it has no clock of its own. */
  readonly clockStart?: string | null
  readonly url: string
  readonly appKey: string
  readonly appSecret: string
  readonly agentId: string
}

export interface Sent extends Notification {
  readonly taskId: string
  /** Before the request, so before every read. */
  readonly sentAt: Date
}

const TokenAnswer = z.object({ accessToken: z.string() })
const SendAnswer = z.object({ errcode: z.literal(0), task_id: z.union([z.string(), z.int()]).transform(String) })

/** Sends the notifications one after another, as the documentation of asyncsend_v2 requires. */
export async function sendAll(sender: Sender, notifications: readonly Notification[]): Promise<Sent[]> {
  const token = await fetchToken(sender)
  const sent: Sent[] = []
  for (const notification of notifications) {
    const sentAt = new Date()
    sent.push({ ...notification, sentAt, taskId: await send(sender, token, notification) })
  }
  return sent
}

async function fetchToken({ url, appKey, appSecret }: Sender): Promise<string> {
  const response = await fetch(`${url}/v1.0/oauth2/accessToken`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ appKey, appSecret }),
  })
  return TokenAnswer.parse(await response.json()).accessToken
}

async function send({ url, agentId }: Sender, token: string, { userIds, text }: Notification): Promise<string> {
  const response = await fetch(`${url}/topapi/message/corpconversation/asyncsend_v2`, {
    method: 'POST',
    body: new URLSearchParams({
      access_token: token,
      agent_id: agentId,
      userid_list: userIds.join(','),
      msg: JSON.stringify({ msgtype: 'text', text: { content: text } }),
    }),
  })
  return SendAnswer.parse(await response.json()).task_id
}
