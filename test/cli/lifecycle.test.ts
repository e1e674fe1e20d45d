import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { createClosers, type HostProcess, runUntilSignal } from '../../src/app/lifecycle.ts'

const quiet = { warn: () => {}, debug: () => {}, fatal: () => {} }
const never = (): Promise<void> => new Promise(() => {})

test('what was opened last is closed first', async () => {
  const closed: string[] = []
  const closers = createClosers(quiet)
  for (const name of ['database', 'queue', 'worker']) closers.add(name, () => closed.push(name))
  expect(await closers.close(1_000)).toEqual([])
  expect(closed).toEqual(['worker', 'queue', 'database'])
})

test('closing twice closes once, and both wait', async () => {
  let times = 0
  const closers = createClosers(quiet)
  closers.add('worker', () => ++times)
  await Promise.all([closers.close(1_000), closers.close(1_000)])
  await closers.close(1_000)
  expect(times).toBe(1)
})

test('what hangs or fails is named and does not keep the rest open', async () => {
  const closed: string[] = []
  const closers = createClosers(quiet)
  closers.add('database', () => closed.push('database'))
  closers.add('broken', () => Promise.reject(new Error('no')))
  closers.add('thrower', () => {
    throw new Error('no')
  })
  closers.add('hanging', never)
  expect(await closers.close(30)).toEqual(['hanging', 'thrower', 'broken'])
  expect(closed).toEqual(['database'])
})

test('what is opened while closing is closed at once', async () => {
  const closers = createClosers(quiet)
  await closers.close(1_000)
  let closed = false
  closers.add('late', () => {
    closed = true
  })
  await expect.poll(() => closed).toBe(true)
})

test('the first signal closes everything and gives exit code 0', async () => {
  const { host, events, exits } = stage()
  const closers = createClosers(quiet)
  let closed = false
  closers.add('worker', () => {
    closed = true
  })
  const signals: string[] = []
  const done = runUntilSignal({ closers, graceMs: 1_000, log: quiet, onSignal: (signal) => signals.push(signal), host })
  events.emit('SIGTERM')
  expect(await done).toBe(0)
  expect([closed, signals, exits]).toEqual([true, ['SIGTERM'], []])
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])('a second signal exits at once: %s gives %i', (signal, code) => {
  const { host, events, exits } = stage()
  const closers = createClosers(quiet)
  closers.add('worker', never)
  void runUntilSignal({ closers, graceMs: 10, log: quiet, host })
  events.emit('SIGTERM')
  events.emit(signal)
  expect(exits).toEqual([code])
})

test('a worker that never closes does not keep the process beyond the grace', async () => {
  const { host, events } = stage()
  const closers = createClosers(quiet)
  closers.add('worker', never)
  const done = runUntilSignal({ closers, graceMs: 20, log: quiet, host })
  events.emit('SIGINT')
  expect(await done).toBe(0)
})

test.each(['uncaughtException', 'unhandledRejection'])('%s is logged once, closes everything and gives 1', async (event) => {
  const { host, events } = stage()
  const fatal: unknown[] = []
  const closers = createClosers(quiet)
  let closed = false
  closers.add('worker', () => {
    closed = true
  })
  const done = runUntilSignal({ closers, graceMs: 1_000, log: { fatal: (...line: unknown[]) => void fatal.push(line) }, host })
  events.emit(event, new Error('first'))
  events.emit(event, new Error('second'))
  expect(await done).toBe(1)
  expect(closed).toBe(true)
  expect(fatal).toHaveLength(1)
})

function stage(): { host: HostProcess; events: EventEmitter; exits: number[] } {
  const events = new EventEmitter()
  const exits: number[] = []
  const host: HostProcess = {
    on: (event, listener) => events.on(event, listener),
    off: (event, listener) => events.off(event, listener),
    exit: (code) => exits.push(code),
  }
  return { host, events, exits }
}
