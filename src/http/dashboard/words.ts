import type { Language } from './format.ts'
import { en, type Words } from './words-en.ts'
import { zh } from './words-zh.ts'

export type { Words } from './words-en.ts'

export const WORDS: Readonly<Record<Language, Words>> = { en, zh }
