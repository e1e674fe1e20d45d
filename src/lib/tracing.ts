import { createRequire } from 'node:module'
import type * as OpenTelemetry from '@opentelemetry/api'
import { packageVersion } from './package-version.ts'

/**
 * OpenTelemetry, where the host program has set a provider of traces. The package `@opentelemetry/api` is a peer that may be missing: it is loaded
 * only where a copy of it has registered a provider, which every copy of version 1 does in one place of the global object. So a program without
 * telemetry pays nothing, not even the import.
 */
export interface Tracing {
  readonly api: typeof OpenTelemetry
  readonly tracer: OpenTelemetry.Tracer
}

const REGISTRY = Symbol.for('opentelemetry.js.api.1')
const NAME = 'dingtalk-delivery-tracker'

/** Null where no provider is set at this moment, or `@opentelemetry/api` cannot be loaded from here. */
export function findTracing(): Tracing | null {
  const registered: unknown = Reflect.get(globalThis, REGISTRY)
  if (typeof registered !== 'object' || registered === null || !('trace' in registered)) return null
  const api = loadApi()
  return api === null ? null : { api, tracer: api.trace.getTracer(NAME, packageVersion()) }
}

function loadApi(): typeof OpenTelemetry | null {
  try {
    const loaded: unknown = createRequire(import.meta.url)('@opentelemetry/api')
    return isApi(loaded) ? loaded : null
  } catch {
    return null
  }
}

function isApi(value: unknown): value is typeof OpenTelemetry {
  return typeof value === 'object' && value !== null && 'trace' in value && 'context' in value && 'propagation' in value
}

/** Never a user id, a token, a query or a message of DingTalk. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

export interface SpanFacts {
  readonly name: string
  readonly kind: 'internal' | 'client'
  readonly attributes: SpanAttributes
}

/**
 * Runs `work` in a span that is active meanwhile.
 * @param result what the span says of what came out; `failed` is the type of the failure
 */
export async function inSpan<T>(
  { api, tracer }: Tracing,
  { name, kind, attributes }: SpanFacts,
  work: () => Promise<T>,
  result: (value: T) => { readonly attributes?: SpanAttributes; readonly failed?: string | null } = () => ({}),
): Promise<T> {
  const spanKind = kind === 'client' ? api.SpanKind.CLIENT : api.SpanKind.INTERNAL
  return tracer.startActiveSpan(name, { kind: spanKind, attributes }, async (span) => {
    try {
      const value = await work()
      const { attributes: more = {}, failed = null } = result(value)
      span.setAttributes(more)
      if (failed !== null) markFailed(api, span, failed)
      return value
    } catch (error) {
      markFailed(api, span, errorType(error))
      throw error
    } finally {
      span.end()
    }
  })
}

const MAX_TYPE_LENGTH = 100

/** @param type without values: a message may name people */
export function markFailed(api: typeof OpenTelemetry, span: OpenTelemetry.Span, type: string): void {
  span.setAttribute('error.type', type.slice(0, MAX_TYPE_LENGTH))
  span.setStatus({ code: api.SpanStatusCode.ERROR })
}

/** The code of an error where it has one, else the name of its class. */
export function errorType(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error
  if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number')) return String(error.code)
  return error instanceof Error ? error.name : 'Error'
}
