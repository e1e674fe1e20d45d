import { defineConfig } from 'vitest/config'

const project = (name: string, options: Record<string, unknown> = {}) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
})

/** Each project is a folder of `test/` and runs alone with `npx vitest run --project NAME`. */
export default defineConfig({
  test: {
    projects: [project('core')],
  },
})
