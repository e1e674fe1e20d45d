import type { Command } from 'commander'
import type { Context } from './context.ts'

/** Adds one command. What its action resolves to is the exit code; nothing is 0. */
export type AddCommand = (program: Command, context: Context, run: Run) => void
/** Wraps an action so that its result becomes the exit code. */
export type Run = <A extends readonly unknown[]>(action: (...args: A) => Promise<number | void>) => (...args: A) => Promise<void>
