import type { Language } from '../components/format.ts'
import { en, type Words } from './en.ts'
import { zh } from './zh.ts'

export type { Words } from './en.ts'

export const WORDS: Readonly<Record<Language, Words>> = { en, zh }
