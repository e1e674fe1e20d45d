import { expect, test } from 'vitest'
import { problemsPage } from './support/problems-page.ts'

test('docs/problems.md says what the program decides by; "npx vitest run --project docs -u" writes it anew', async () => {
  await expect(problemsPage()).toMatchFileSnapshot('../../docs/problems.md')
})
