#!/usr/bin/env node
// The command in a clone. `npx dingtalk-delivery …` finds it there after `npm ci`; it builds first where nothing is built yet.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = join(import.meta.dirname, '..', '..')
const program = join(root, 'dist', 'cli', 'main.js')

if (existsSync(program) || isBuilt()) await import(pathToFileURL(program).href)

function isBuilt() {
  process.stderr.write('dingtalk-delivery: nothing is built in this clone yet; building once, which takes some seconds\n')
  // What it may write goes to stderr: stdout is the command's.
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exitCode = 1
  return status === 0
}
