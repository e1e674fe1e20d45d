import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import type { Context } from '../../src/cli/context.ts'
import { type Watched, watch } from '../../src/cli/watch.ts'
import { TrackerError } from '../../src/domain/errors.ts'
import { until } from '../support/wait.ts'
import { NOW, plain } from './support.ts'

const HOME = '\u001B[H'
const CLEAR_BELOW = '\u001B[J'
/** The alternate screen, without cursor. */
const OPEN = '\u001B[?1049h\u001B[?25l'
const SHOW_CURSOR = '\u001B[?25h'
const LEAVE = '\u001B[?1049l'

/** A terminal of which everything that was written is kept, and whose size a test changes. */
function aTerminal(size: { columns: number; rows: number }, isLive = true) {
  const written: string[] = []
  let resized = (): void => {}
  const out = { print: (text: string) => void written.push(`${text}\n`) }
  const screen: Context['screen'] = {
    isLive,
    width: () => size.columns,
    height: () => size.rows,
    write: (text) => void written.push(text),
    onResize(listener) {
      resized = listener
      return () => {
        resized = () => {}
      }
    },
  }
  // What else a command gets is of no use here.
  const context = { ...out, screen, colors: plain, width: size.columns, process: new EventEmitter(), now: () => NOW } as unknown as Context
  const resize = (next: Partial<typeof size>): void => {
    Object.assign(size, next)
    resized()
  }
  return { context, written, resize }
}

/** Gives the answers one after another; an error is thrown. The last one is the end. */
function answering(answers: ReadonlyArray<string | Error>): Watched<string> {
  let next = 0
  return {
    load: async () => {
      const answer = answers[next++] ?? ''
      if (answer instanceof Error) throw answer
      return answer
    },
    render: (data) => data,
    isOver: () => next >= answers.length,
  }
}

const AWAY = new TrackerError('DATABASE_UNAVAILABLE', 'The database cannot be used: connection refused.')

test('on a terminal frames are drawn over each other in one write each, and the last one stays on the screen that was there before', async () => {
  const { context, written } = aTerminal({ columns: 80, rows: 24 })
  await watch(context, 0.01, answering(['one', 'two', 'three']))
  const [first = '', second = '', last = ''] = written
  expect(written).toHaveLength(3)
  expect([first.startsWith(OPEN), first.includes('one'), first.endsWith(CLEAR_BELOW)]).toEqual([true, true, true])
  expect(second.startsWith(HOME)).toBe(true)
  expect(second).toContain('two')
  expect([last.includes(SHOW_CURSOR), last.endsWith(`${LEAVE}three\n`)]).toEqual([true, true])
})

test('elsewhere frames follow each other with an empty line between them, and no escape sequence', async () => {
  const { context, written } = aTerminal({ columns: Number.POSITIVE_INFINITY, rows: Number.POSITIVE_INFINITY }, false)
  await watch(context, 0.01, answering(['one', 'two', 'three']))
  const text = written.join('')
  expect(text).not.toContain('\u001B')
  expect(text).toMatch(/^\d{4}.*\n\none\n\n\d{4}.*\n\ntwo\n\nthree\n$/)
})

test('what is over at once is shown once, on the screen that is there', async () => {
  const { context, written } = aTerminal({ columns: 80, rows: 24 })
  await watch(context, 0.01, answering(['only']))
  expect(written).toEqual(['only\n'])
})

test('a frame that is higher than the terminal says what is missing, and never scrolls', async () => {
  const { context, written } = aTerminal({ columns: 80, rows: 4 })
  await watch(context, 0.01, answering(['1\n2\n3\n4\n5', 'end']))
  const [frame = ''] = written
  expect(frame.split('\n')).toHaveLength(4)
  expect(frame).toContain('… 4 more lines: make the window higher')
})

test('a terminal that changes its size is drawn anew at once', async () => {
  const { context, written, resize } = aTerminal({ columns: 80, rows: 24 })
  let end = (_: string): void => {}
  const second = new Promise<string>((resolve) => {
    end = resolve
  })
  let asked = 0
  const watching = watch<string>(context, 0.01, {
    load: () => (asked++ === 0 ? Promise.resolve('first') : second),
    render: (data, { width }) => `${data} on ${width}`,
    isOver: (data) => data === 'last',
  })
  await until(() => asked === 2, { what: 'the first frame is drawn' })
  resize({ columns: 60 })
  expect(written.at(-1)).toContain('first on 60')
  end('last')
  await watching
})

test('a database that goes away is said so above what was known, until it is back', async () => {
  const { context, written } = aTerminal({ columns: 80, rows: 24 })
  await watch(context, 0.01, answering(['before', AWAY, 'after', 'end']))
  const away = written.filter((frame) => frame.includes('connection refused'))
  expect(away).toHaveLength(1)
  expect(away[0]).toMatch(/Trying again;.*before/s)
  expect(written.at(-2)).toContain('after')
  expect(written.at(-2)).not.toContain('Trying again')
})

test('a database that is away from the beginning is an error, and so is everything else at any time', async () => {
  const { context, written } = aTerminal({ columns: 80, rows: 24 })
  await expect(watch(context, 0.01, answering([AWAY, 'x']))).rejects.toBe(AWAY)
  expect(written).toEqual([])
  const gone = new TrackerError('TASK_NOT_FOUND', 'Task 1 is not tracked.')
  await expect(watch(context, 0.01, answering(['x', gone, 'y']))).rejects.toBe(gone)
  expect(written.join('')).toContain(SHOW_CURSOR)
})
