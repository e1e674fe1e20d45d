import type { DingTalkApi } from '../dingtalk/client.ts'
import type { TaskKey } from '../domain/delivery.ts'
import type { Next } from '../domain/plan.ts'
import { findTracing, inSpan, markFailed, type SpanAttributes, type Tracing } from '../lib/tracing.ts'
import type { DeliveryStore, EventLog } from '../polling/ports.ts'

/** The parts of a worker that have spans of their own. */
export interface Traceable {
  readonly api: DingTalkApi
  readonly store: DeliveryStore
  readonly events: EventLog
}

type Poll = (key: TaskKey, signal: AbortSignal) => Promise<Next>

export interface Traced extends Traceable {
  poll(poll: Poll): Poll
}

/** The same parts with spans, or as they are where the host program has set no provider. */
export function traceParts(parts: Traceable): Traced {
  const tracing = findTracing()
  if (tracing === null) return { ...parts, poll: (poll) => poll }
  return {
    api: { ...parts.api, sendResult: tracedCall(tracing, parts.api) },
    store: tracedStore(tracing, parts.store),
    events: { ...parts.events, ...tracedEvents(tracing, parts.events) },
    poll: (poll) => (key, signal) =>
      inSpan(tracing, { name: 'poll', kind: 'internal', attributes: attributesOf(key) }, () => poll(key, signal), describeNext),
  }
}

function attributesOf({ app, taskId }: TaskKey): SpanAttributes {
  return { 'dingtalk_delivery.app': app, 'dingtalk_delivery.task_id': taskId }
}

function describeNext(next: Next): { attributes: SpanAttributes } {
  return { attributes: { 'dingtalk_delivery.next': next.kind } }
}

/** One call of getsendresult; with a fresh token it may be two, and the fetch of a token is in it. */
function tracedCall(tracing: Tracing, api: DingTalkApi): DingTalkApi['sendResult'] {
  const attributes = { 'rpc.system': 'dingtalk', 'rpc.method': 'getsendresult', 'http.request.method': 'POST' }
  return (query, signal) =>
    inSpan(
      tracing,
      { name: 'dingtalk getsendresult', kind: 'client', attributes: { ...attributes, ...attributesOf(query) } },
      () => api.sendResult(query, signal),
      ({ answer, calls }) => ({
        attributes: { 'dingtalk_delivery.calls': calls },
        failed: answer.kind === 'refused' ? answer.code : null,
      }),
    )
}

/** Writes that are made at the same time share a statement: each has its span. */
function tracedStore(tracing: Tracing, store: DeliveryStore): DeliveryStore {
  const write = <T>(operation: string, key: TaskKey, work: () => Promise<T>): Promise<T> => {
    const attributes = { 'db.system.name': 'postgresql', 'db.operation.name': operation, ...attributesOf(key) }
    return inSpan(tracing, { name: `store ${operation}`, kind: 'client', attributes }, work, (value) => ({
      attributes: typeof value === 'string' ? { 'dingtalk_delivery.stored': value } : {},
    }))
  }
  return {
    ...store,
    apply: (plan) => write('poll', plan.key, () => store.apply(plan)),
    end: (key, expected, update) => write('end', key, () => store.end(key, expected, update)),
    delay: (key, expected, delay) => write('delay', key, () => store.delay(key, expected, delay)),
  }
}

/** The events of a poll are emitted inside its span. */
function tracedEvents({ api }: Tracing, events: EventLog): Pick<EventLog, 'polled' | 'delayed'> {
  return {
    polled(event) {
      const { outcome, code, pollNo } = event.plan.poll
      const span = api.trace.getActiveSpan()
      span?.setAttributes({
        'dingtalk_delivery.poll_no': pollNo,
        'dingtalk_delivery.outcome': outcome,
        'dingtalk_delivery.changed': event.plan.transitions.length,
      })
      if (span !== undefined && outcome !== 'observed') markFailed(api, span, code)
      events.polled(event)
    },
    delayed(event) {
      const span = api.trace.getActiveSpan()
      if (event.reason !== null) span?.setAttribute('dingtalk_delivery.delay', event.reason.code)
      // No call could be made: no token, no agent id, an app that is not known.
      if (span !== undefined && event.problem !== null) markFailed(api, span, event.problem.code)
      events.delayed(event)
    },
  }
}
