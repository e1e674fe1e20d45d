import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { traceParts } from '../../src/app/traced.ts'
import { createTracker, type TrackInput } from '../../src/index.ts'
import { queueTelemetry } from '../../src/queue/telemetry.ts'
import { aForeignQueue } from '../queue/support.ts'
import type { ApiPageServer, SentTask } from '../support/api-page-server.ts'
import { assertNoLeak, CANARIES } from '../support/canaries.ts'
import { describeRedis } from '../support/redis.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker } from './support.ts'

const AGENT = '836390886'
const TIME_SCALE = 1_440
const PEOPLE = ['0366-CANARY-ann', '0366-CANARY-bob']

describeRedis('a program that has set a provider of traces', () => {
  const exporter = new InMemorySpanExporter()
  beforeAll(() => {
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    propagation.setGlobalPropagator(new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }))
  })
  afterAll(() => {
    trace.disable()
    context.disable()
    propagation.disable()
  })

  /** A worker in this process, and a sender. */
  async function aWorld() {
    exporter.reset()
    const queue = { url: inject('redisUrl') ?? '', name: `telemetry-${randomBytes(4).toString('hex')}`, prefix: 'bull' }
    const credentials = { kind: 'internal', appKey: CANARIES.appKey, appSecret: CANARIES.appSecret, endpoint: 'new' } as const
    const { server } = await aRunningWorker(queue, { agentId: AGENT, credentials })
    const tracker = createTracker({ queueUrl: queue.url, queueName: queue.name })
    onTestFinished(() => tracker.close())
    return { dingtalk: server, tracker, queueName: queue.name }
  }

  test('has the whole of a poll: its job, the poll, the call, the write', async () => {
    const { dingtalk, tracker, queueName } = await aWorld()
    await tracker.track(aSentTask(dingtalk, '256271667526'))
    const poll = await ended('poll')
    expect(childrenOf(poll)).toEqual(['dingtalk getsendresult', 'store poll'])
    expect(poll.attributes).toMatchObject({
      'dingtalk_delivery.app': 'default',
      'dingtalk_delivery.task_id': '256271667526',
      'dingtalk_delivery.outcome': 'observed',
      'dingtalk_delivery.next': expect.stringMatching(/^(snooze|done)$/),
    })
    const job = await until(
      () => spans().find((span) => span.name === `process ${queueName}` && span.spanContext().spanId === poll.parentSpanContext?.spanId),
      { what: 'the job has ended' },
    )
    expect(job.parentSpanContext, 'each poll is a trace of its own').toBeUndefined()
    expect(job.attributes).toMatchObject({
      'messaging.system': 'bullmq',
      'messaging.destination.name': queueName,
      'messaging.operation.name': 'process',
      'messaging.message.id': 'poll.default.256271667526',
    })
    for (const span of spans()) expect(span.status.code, span.name).not.toBe(SpanStatusCode.ERROR)
  })

  test('has the job of a sender in the trace of the sender, without the baggage', async () => {
    const { dingtalk, tracker, queueName } = await aWorld()
    const input = aSentTask(dingtalk, '256271667527')
    const baggage = propagation.createBaggage({ secret: { value: CANARIES.apiToken } })
    const sender = trace.getTracer('test').startSpan('send')
    await context.with(propagation.setBaggage(trace.setSpan(context.active(), sender), baggage), () => tracker.track(input))
    sender.end()
    const { traceId } = sender.spanContext()
    const added = await until(() => spans().find(({ name }) => name === `addBulk ${queueName}`), { what: 'the job is added' })
    expect([added.spanContext().traceId, added.parentSpanContext?.spanId]).toEqual([traceId, sender.spanContext().spanId])
    const processed = await until(
      () => spans().find((span) => span.name === `process ${queueName}` && span.parentSpanContext?.spanId === added.spanContext().spanId),
      { what: 'the job of the sender is processed' },
    )
    expect(processed.spanContext().traceId).toBe(traceId)
    expect((await ended('poll')).spanContext().traceId).not.toBe(traceId)
    assertNoLeak('the spans', shown())
  })

  test('sees which polls were refused, and no name, token or secret', async () => {
    const { dingtalk, tracker, queueName } = await aWorld()
    await tracker.track(aSentTask(dingtalk, '256271667528', { errcode: 400_002, errmsg: `no such agent for ${PEOPLE[0]}` }))
    const poll = await ended('poll')
    expect(poll.status.code).toBe(SpanStatusCode.ERROR)
    expect(poll.attributes['error.type']).toEqual(expect.any(String))
    const call = spans().find(({ name }) => name === 'dingtalk getsendresult')
    expect(call?.status.code).toBe(SpanStatusCode.ERROR)
    // A job that no worker can take: its reason names the value.
    await aForeignQueue({ url: inject('redisUrl') ?? '', name: queueName, prefix: 'bull' }).add(
      'track',
      { taskId: PEOPLE[1] },
      { jobId: `of-${PEOPLE[0]}` },
    )
    const refused = await until(
      () => spans().find((span) => span.name === `process ${queueName}` && span.attributes['error.type'] === 'job_refused'),
      { what: 'the job is refused' },
    )
    expect(refused.status.code).toBe(SpanStatusCode.ERROR)
    assertNoLeak('the spans', shown())
    for (const person of PEOPLE) expect(shown()).not.toContain(person)
  })

  function spans(): ReadableSpan[] {
    return exporter.getFinishedSpans()
  }

  function ended(name: string): Promise<ReadableSpan> {
    return until(() => spans().find((span) => span.name === name), { what: `the span "${name}" has ended`, timeoutMs: 60_000 })
  }

  function childrenOf(span: ReadableSpan): string[] {
    return spans()
      .filter(({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId)
      .map(({ name }) => name)
      .toSorted()
  }

  function shown(): string {
    return spans()
      .map(({ name, attributes, events, links, status }) => inspect({ name, attributes, events, links, status }, { depth: 10 }))
      .join('\n')
  }
})

describe('a program that has set none', () => {
  test('has the parts of the worker as they are, and BullMQ without telemetry', () => {
    const parts = { store: {}, api: {}, events: {} } as never as Parameters<typeof traceParts>[0]
    const traced = traceParts(parts)
    expect([traced.store === parts.store, traced.api === parts.api, traced.events === parts.events]).toEqual([true, true, true])
    const poll = async () => ({ kind: 'done' }) as const
    expect(traced.poll(poll)).toBe(poll)
    expect(queueTelemetry()).toEqual({})
  })
})

/** Known to DingTalk, sent now, to two people who do not read. */
function aSentTask(dingtalk: ApiPageServer, taskId: string, refusal?: SentTask['refusal']): TrackInput {
  const sentAt = Date.now()
  const people = PEOPLE.map((userId) => ({ userId, fate: 'delivered', listedAt: sentAt, readAt: null }) as const)
  dingtalk.add({ taskId, agentId: AGENT, sentAt, windowMs: 86_400_000 / TIME_SCALE, people, ...(refusal && { refusal }) })
  return { taskId, userIds: PEOPLE, campaign: 'telemetry', sentAt: new Date(sentAt) }
}
