import { STATES, STATUSES } from '../../domain/delivery.ts'
import { OUTCOMES } from '../../domain/problems.ts'
import { PAUSE_KINDS } from '../../report/rates.ts'
import { bigint, detail, double, flag, integer, integers, nullable, oneOf, text, texts, time } from '../columns.ts'

/** The columns that are read of the public views. A new one is a line here, and in the type of its row in `report/rates.ts`. */

const RATE_COLUMNS = {
  targeted: integer('targeted'),
  delivered: integer('delivered'),
  read: integer('read'),
  unread: integer('unread'),
  pending: integer('pending'),
  failed: integer('failed'),
  forbidden: integer('forbidden'),
  invalid: integer('invalid'),
  readRate: nullable(double('read_rate')),
  readRateOfTargeted: nullable(double('read_rate_of_targeted')),
}

/** `delivery_task_rates` */
export const TASK_COLUMNS = {
  app: text('app'),
  taskId: text('task_id'),
  agentId: nullable(text('agent_id')),
  campaign: nullable(text('campaign')),
  status: oneOf('status', STATUSES),
  reason: nullable(text('reason')),
  reasonCode: nullable(text('reason_code')),
  reasonDetail: detail('reason_detail'),
  problemCode: nullable(text('problem_code')),
  problemDetail: detail('problem_detail'),
  problemSince: nullable(time('problem_since')),
  sentAt: time('sent_at'),
  sentAtGiven: flag('sent_at_given'),
  deadlineAt: time('deadline_at'),
  lastObservedAt: nullable(time('last_observed_at')),
  finishedAt: nullable(time('finished_at')),
  polls: integer('polls'),
  goodPolls: integer('good_polls'),
  trackedAt: time('tracked_at'),
  nextPollAt: nullable(time('next_poll_at')),
  calls: integer('calls'),
  delayReason: nullable(text('delay_reason')),
  delayCode: nullable(text('delay_code')),
  delayDetail: detail('delay_detail'),
  recipientsKnown: flag('recipients_known'),
  namesRemovedAt: nullable(time('names_removed_at')),
  pollOffsets: nullable(integers('poll_offsets')),
  plan: detail('plan'),
  admitted: flag('admitted'),
  ...RATE_COLUMNS,
}

/** `delivery_campaign_rates` */
export const CAMPAIGN_COLUMNS = {
  app: text('app'),
  campaign: text('campaign'),
  tasks: bigint('tasks'),
  openTasks: bigint('open_tasks'),
  firstSentAt: time('first_sent_at'),
  lastSentAt: time('last_sent_at'),
  lastDeadlineAt: time('last_deadline_at'),
  lastObservedAt: nullable(time('last_observed_at')),
  namesRemovedAt: nullable(time('names_removed_at')),
  ...RATE_COLUMNS,
}

/** `delivery_recipient_status` */
export const PERSON_COLUMNS = {
  app: text('app'),
  taskId: text('task_id'),
  campaign: nullable(text('campaign')),
  userId: text('user_id'),
  state: oneOf('state', STATES),
  firstSeenAt: nullable(time('first_seen_at')),
  lastUnreadAt: nullable(time('last_unread_at')),
  firstReadAt: nullable(time('first_read_at')),
  forbiddenCode: nullable(text('forbidden_code')),
  forbiddenCount: nullable(integer('forbidden_count')),
  readAfter: nullable(time('read_after')),
  readBefore: nullable(time('read_before')),
  named: flag('named'),
  name: nullable(text('name')),
  department: nullable(text('department')),
  asOf: nullable(time('last_observed_at')),
}

/** `delivery_recipient_status`, for the tasks of one person. */
export const PERSON_TASK_COLUMNS = {
  ...PERSON_COLUMNS,
  sentAt: time('sent_at'),
  deadlineAt: time('deadline_at'),
  status: oneOf('status', STATUSES),
}

/** `delivery_known_people` */
export const PEOPLE_COLUMNS = {
  app: text('app'),
  userId: text('user_id'),
  name: nullable(text('name')),
  departments: texts('departments'),
  managerUserId: nullable(text('manager_user_id')),
  updatedAt: nullable(time('updated_at')),
}

/** `delivery_department_rates` */
export const DEPARTMENT_COLUMNS = {
  app: text('app'),
  campaign: text('campaign'),
  department: nullable(text('department')),
  ...RATE_COLUMNS,
}

/** `delivery_campaign_people` */
export const CAMPAIGN_PERSON_COLUMNS = { ...PERSON_COLUMNS, tasks: bigint('tasks') }

/** `delivery_poll_history` */
export const POLL_COLUMNS = {
  pollNo: integer('poll_no'),
  dueAt: nullable(time('due_at')),
  requestedAt: time('requested_at'),
  respondedAt: nullable(time('responded_at')),
  outcome: oneOf('outcome', OUTCOMES),
  code: text('code'),
  message: nullable(text('message')),
  requestId: nullable(text('request_id')),
  problemCode: nullable(text('problem_code')),
  scope: nullable(text('scope')),
  calls: integer('calls'),
  changed: integer('changed'),
  anomalies: integer('anomalies'),
  pending: nullable(integer('pending')),
  invalid: nullable(integer('invalid')),
  failed: nullable(integer('failed')),
  forbidden: nullable(integer('forbidden')),
  unread: nullable(integer('unread')),
  read: nullable(integer('read')),
}

const PAUSE_COLUMNS = {
  pauseCode: nullable(text('pause_code')),
  pauseDetail: detail('pause_detail'),
  pauseSince: nullable(time('pause_since')),
  pausedUntil: nullable(time('paused_until')),
  lastGoodAt: nullable(time('last_good_at')),
}

/** `delivery_app_usage`, with the open tasks of the app. */
export const APP_COLUMNS = {
  app: text('app'),
  openTasks: bigint('open_tasks'),
  tasksWithProblem: bigint('tasks_with_problem'),
  tasksDelayed: bigint('tasks_delayed'),
  callsUsed: bigint('calls_used'),
  month: text('month'),
  pauseKind: nullable(oneOf('pause_kind', PAUSE_KINDS)),
  pauseReason: nullable(text('pause_reason')),
  ...PAUSE_COLUMNS,
}

/** `delivery_pair_status` */
export const PAIR_COLUMNS = { agentId: text('agent_id'), ...PAUSE_COLUMNS }

/** The problems in `delivery_worker_status`. */
export const WORKER_PROBLEM_COLUMNS = {
  workerId: text('worker_id'),
  startedAt: time('started_at'),
  problemCode: text('problem_code'),
  problemDetail: detail('problem_detail'),
  problemSince: nullable(time('problem_since')),
}
