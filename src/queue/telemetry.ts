import { SpanKind, type Telemetry } from 'bullmq'
import { errorType, findTracing, markFailed, type Tracing } from '../lib/tracing.ts'

type BullSpan = ReturnType<Telemetry['tracer']['startSpan']>
/** OpenTelemetry's. */
type Context = ReturnType<Tracing['api']['context']['active']>

/** Names of BullMQ's attributes that are kept, by OpenTelemetry's conventions for messaging. The others may hold what a sender gave. */
const ATTRIBUTES: Readonly<Record<string, string>> = {
  'bullmq.queue.name': 'messaging.destination.name',
  'bullmq.queue.operation': 'messaging.operation.name',
  'bullmq.job.bulk.count': 'messaging.batch.message_count',
  'bullmq.job.id': 'messaging.message.id',
  'bullmq.job.name': 'dingtalk_delivery.job.name',
}
/** Headers that identify a trace. Baggage is left out: it would put what the program keeps in it into Redis. */
const TRACE_HEADER = /^(traceparent|tracestate|b3|x-b3-\w+|uber-trace-id|x-amzn-trace-id)$/i
/** Ids that this package gives, of app and task. The id of another job is its sender's. */
const OWN_JOB_ID = /^(poll|track)\./

/**
 * What BullMQ needs to trace; nothing where the host program has set no provider. Library considered: bullmq-otel. It passes on every attribute and
 * every message, in which a refused job names people, and makes a span of each wait for a job.
 */
export function queueTelemetry(): { telemetry?: Telemetry<Context> } {
  const tracing = findTracing()
  return tracing === null ? {} : { telemetry: createTelemetry(tracing) }
}

function createTelemetry(tracing: Tracing): Telemetry<Context> {
  const { context, propagation, ROOT_CONTEXT } = tracing.api
  return {
    tracer: { startSpan: (name, options, parent) => startSpan(tracing, name, options?.kind, parent) },
    contextManager: {
      with: (active: Context, run) => context.with(active, run),
      active: () => context.active(),
      root: () => ROOT_CONTEXT,
      getMetadata(active: Context) {
        const carrier: Record<string, string> = {}
        propagation.inject(active, carrier)
        const kept = Object.entries(carrier).filter(([name]) => TRACE_HEADER.test(name))
        return kept.length === 0 ? '' : JSON.stringify(Object.fromEntries(kept))
      },
      fromMetadata: (_, metadata) => propagation.extract(ROOT_CONTEXT, parseCarrier(metadata)),
    },
  }
}

/** Any client may add any job. */
function parseCarrier(metadata: string): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(metadata)
    if (typeof parsed !== 'object' || parsed === null) return {}
    return Object.fromEntries(Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
  } catch {
    return {}
  }
}

/** A job that is added or processed is a span. BullMQ's internal steps, such as each wait for the next job, are none. */
function startSpan({ api, tracer }: Tracing, name: string, kind: SpanKind | undefined, parent: Context | undefined): BullSpan {
  if (kind !== SpanKind.PRODUCER && kind !== SpanKind.CONSUMER) return NO_SPAN
  // Without a sender's context the work on a job is a trace of its own, whatever started the worker.
  const root = kind === SpanKind.CONSUMER && parent === undefined
  const ofApi = kind === SpanKind.CONSUMER ? api.SpanKind.CONSUMER : api.SpanKind.PRODUCER
  const options = { kind: ofApi, root, attributes: { 'messaging.system': 'bullmq' } }
  const span = tracer.startSpan(name, options, parent ?? api.context.active())
  const setAttribute: BullSpan['setAttribute'] = (key, value) => {
    const known = ATTRIBUTES[key]
    if (known === undefined || (typeof value !== 'string' && typeof value !== 'number')) return
    if (key === 'bullmq.job.id' && !OWN_JOB_ID.test(String(value))) return
    span.setAttribute(known, value)
  }
  return {
    setSpanOnContext: (active: Context) => api.trace.setSpan(active, span),
    setAttribute,
    setAttributes: (attributes) => {
      for (const [key, value] of Object.entries(attributes)) if (value !== undefined) setAttribute(key, value)
    },
    // The reason of a failed job is in the attributes of the event.
    addEvent: (event) => {
      span.addEvent(event)
      if (event === 'job failed') markFailed(api, span, 'job_refused')
    },
    recordException: (exception) => markFailed(api, span, errorType(exception)),
    end: () => span.end(),
  }
}

const nothing = (): void => undefined
const NO_SPAN: BullSpan = {
  setSpanOnContext: (active: Context) => active,
  setAttribute: nothing,
  setAttributes: nothing,
  addEvent: nothing,
  recordException: nothing,
  end: nothing,
}
