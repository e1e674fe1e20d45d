import type { CampaignRates, Poll, RecipientStatus, TaskRates } from '../../src/report/rates.ts'
import { hoursLater, minutesLater, SENT } from '../domain/support.ts'

const COUNTS = { targeted: 4, delivered: 2, read: 1, unread: 1, pending: 1, failed: 0, forbidden: 1, invalid: 0 }
const RATES = { readRate: 0.5, readRateOfTargeted: 0.25 }
const KEY = { app: 'default', taskId: '256271667526' }

/** A task an hour after its send. */
export function aTask(fields: Partial<TaskRates> = {}): TaskRates {
  const reasons = { reason: null, reasonCode: null, reasonDetail: null, problemCode: null, problemDetail: null, problemSince: null }
  const delays = { delayReason: null, delayCode: null, delayDetail: null }
  return {
    ...{ ...KEY, agentId: null, campaign: 'payroll', status: 'tracking', ...reasons, ...delays },
    ...{ sentAt: SENT, sentAtGiven: true, deadlineAt: hoursLater(24), lastObservedAt: minutesLater(60), finishedAt: null },
    ...{ polls: 2, goodPolls: 2, calls: 2, trackedAt: SENT, nextPollAt: minutesLater(70), recipientsKnown: true, namesRemovedAt: null },
    ...{ pollOffsets: null, plan: null, admitted: true },
    ...COUNTS,
    ...RATES,
    ...fields,
  }
}

export function aCampaign(fields: Partial<CampaignRates> = {}): CampaignRates {
  return {
    ...{ app: 'default', campaign: 'payroll', tasks: 2, openTasks: 1, namesRemovedAt: null },
    ...{ firstSentAt: SENT, lastSentAt: SENT, lastDeadlineAt: hoursLater(24), lastObservedAt: minutesLater(60) },
    ...COUNTS,
    ...RATES,
    ...fields,
  }
}

export function aPerson(fields: Partial<RecipientStatus> = {}): RecipientStatus {
  return {
    ...{ ...KEY, campaign: 'payroll', userId: 'ann', state: 'pending', firstSeenAt: null, lastUnreadAt: null, firstReadAt: null },
    ...{
      forbiddenCode: null,
      forbiddenCount: null,
      readAfter: null,
      readBefore: null,
      named: true,
      name: null,
      department: null,
      asOf: null,
    },
    ...fields,
  }
}

/** A successful poll, answered a second after its request. */
export function aPoll(minute: number, fields: Partial<Poll> = {}): Poll {
  const requestedAt = minutesLater(minute)
  return {
    ...{ pollNo: minute, dueAt: requestedAt, requestedAt, respondedAt: new Date(requestedAt.getTime() + 1_000) },
    ...{
      outcome: 'observed',
      code: '0',
      message: null,
      requestId: null,
      problemCode: null,
      scope: null,
      calls: 1,
      changed: 0,
      anomalies: 0,
    },
    ...{ pending: 1, invalid: 0, failed: 0, forbidden: 1, unread: 1, read: 1 },
    ...fields,
  }
}
