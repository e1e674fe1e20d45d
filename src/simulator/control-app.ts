import { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import type { AppCredentials } from './apps.ts'
import type { QuotaState } from './limits.ts'
import { parseInput } from './settings.ts'
import type { World } from './world.ts'

/** Default: the first app. */
const appKey = z.string().min(1).optional()

const ROTATION = z.strictObject({
  appKey,
  /** The new secret. One that the app had before is accepted again. */
  appSecret: z.string().min(1),
  /** True: the tokens of the old secrets live on until their own end. Not documented by DingTalk. */
  keepTokens: z.boolean().default(false),
})

const calls = z.int().min(0).max(1_000_000_000)
const QUOTA = z
  .strictObject({
    appKey,
    /** So many calls are left this month. */
    left: calls.optional(),
    /** So many calls more, this month and later. */
    bought: calls.optional(),
  })
  .refine(({ left, bought }) => (left === undefined) !== (bought === undefined), {
    path: ['left'],
    error: 'expected either left or bought',
  })

export type SecretRotation = z.input<typeof ROTATION>
export type QuotaChange = z.input<typeof QUOTA>

const REMEDY = 'docs/simulator.md shows the fields'

/** @returns the number of the new secret, for `match.secret`. @throws {InvalidInputError} */
export function rotateSecret(world: World, input: unknown, at: number): { readonly appKey: string; readonly secret: number } {
  const rotation = parseInput(ROTATION, input, REMEDY)
  const { appKey: key } = appFor(world, rotation.appKey)
  const secret = world.apps.rotateSecret(key, rotation.appSecret)
  if (!rotation.keepTokens) world.tokens.expire(key, at)
  return { appKey: key, secret }
}

/** Of the organisation that the app belongs to. @throws {InvalidInputError} */
export function setQuota(world: World, input: unknown, at: number): QuotaState {
  const { appKey: wanted, left, bought } = parseInput(QUOTA, input, REMEDY)
  const quota = world.quotaOf(appFor(world, wanted).appKey)
  if (left !== undefined) quota.leave(left, at)
  if (bought !== undefined) quota.buy(bought)
  return quota.stateAt(at)
}

/** The app of that key; none given: the first. @throws {InvalidInputError} */
export function appFor(world: World, wanted: string | undefined): AppCredentials {
  const key = wanted ?? world.settings.apps[0]?.appKey ?? ''
  const app = world.app(key)
  if (app !== undefined) return app
  throw new InvalidInputError('appKey', `appKey: no app "${key}" here; start the simulator with it in "apps", or leave appKey out`)
}
