import { readSurroundings, type Surroundings } from './environment.ts'

/** What every command gets. */
export interface Context extends Surroundings {
  /** Data, to stdout. A line end is added where there is none. */
  print(text: string): void
  /** Everything else, to stderr. */
  note(text: string): void
  readonly now: () => Date
}

export function createContext(): Context {
  return {
    ...readSurroundings(),
    print: (text) => void process.stdout.write(withLineEnd(text)),
    note: (text) => void process.stderr.write(withLineEnd(text)),
    now: () => new Date(),
  }
}

function withLineEnd(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
