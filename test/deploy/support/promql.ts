/** One use of a metric in an expression: `up{job="x"}`. */
export interface Selector {
  readonly metric: string
  readonly matchers: readonly Matcher[]
}

export interface Matcher {
  readonly label: string
  readonly op: '=' | '!=' | '=~' | '!~'
  readonly value: string
}

export interface Expression {
  readonly selectors: readonly Selector[]
  /** Labels that `by`, `on` and their like name. */
  readonly grouping: readonly string[]
  /** True: what is not in `grouping` is not in the result. */
  readonly aggregates: boolean
}

const TOKEN =
  /\s+|(?<string>"(?:[^"\\]|\\.)*")|(?<number>\d[\w.]*)|(?<name>[a-zA-Z_:][\w:]*)|(?<sign>=~|!~|!=|==|<=|>=|[-+*/%^(){}[\],=<>])/gy
const GROUPING = new Set(['by', 'on', 'ignoring', 'without', 'group_left', 'group_right'])
const WORDS = new Set([...GROUPING, 'and', 'or', 'unless', 'bool', 'offset'])
const AGGREGATIONS = new Set(['sum', 'min', 'max', 'avg', 'count', 'topk', 'bottomk', 'quantile', 'stddev'])

type Kind = 'string' | 'number' | 'name' | 'sign'

interface Token {
  readonly kind: Kind
  readonly text: string
}

/** Reads what names something; Prometheus' own parser judges the rest. @throws Error for what it does not know */
export function readExpression(promql: string): Expression {
  const tokens = tokensOf(promql)
  const selectors: Selector[] = []
  const grouping: string[] = []
  for (let i = 0; i < tokens.length; i++) {
    const [token, next] = [tokens[i], tokens[i + 1]]
    if (token?.kind !== 'name') continue
    if (GROUPING.has(token.text) && next?.text === '(') {
      const end = tokens.findIndex((each, j) => j > i && each.text === ')')
      grouping.push(...namesIn(tokens.slice(i + 2, end)))
      i = end
    } else if (next?.text === '{') {
      const end = tokens.findIndex((each, j) => j > i && each.text === '}')
      selectors.push({ metric: token.text, matchers: matchersIn(tokens.slice(i + 2, end)) })
      i = end
    } else if (next?.text !== '(' && !WORDS.has(token.text) && !AGGREGATIONS.has(token.text)) {
      selectors.push({ metric: token.text, matchers: [] })
    }
  }
  return { selectors, grouping, aggregates: tokens.some(({ kind, text }) => kind === 'name' && AGGREGATIONS.has(text)) }
}

function tokensOf(promql: string): Token[] {
  const tokens: Token[] = []
  let end = 0
  for (const match of promql.matchAll(TOKEN)) {
    end = match.index + match[0].length
    const found = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)
    if (found !== undefined) tokens.push({ kind: found[0] as Kind, text: found[1] ?? '' })
  }
  if (end !== promql.length) throw new Error(`not understood: "${promql.slice(end)}" in ${promql}`)
  return tokens
}

function namesIn(tokens: readonly Token[]): string[] {
  return tokens.filter(({ kind }) => kind === 'name').map(({ text }) => text)
}

function matchersIn(tokens: readonly Token[]): Matcher[] {
  const matchers: Matcher[] = []
  for (let i = 0; i < tokens.length; i += 4) {
    const [label, op, value] = tokens.slice(i, i + 3)
    if (label?.kind !== 'name' || !isOperator(op?.text) || value?.kind !== 'string')
      throw new Error(`no matcher: ${tokens.map(({ text }) => text).join(' ')}`)
    matchers.push({ label: label.text, op: op.text, value: JSON.parse(value.text) })
  }
  return matchers
}

function isOperator(text: string | undefined): text is Matcher['op'] {
  return ['=', '!=', '=~', '!~'].includes(text ?? '')
}
