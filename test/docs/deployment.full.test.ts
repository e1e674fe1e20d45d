import { spawnSync } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { parseConfig, VARIABLES } from '../../src/app/config/config.ts'
import { MANIFESTS } from '../deploy/support/kubernetes.ts'
import { credentialsOf, UNITS } from '../deploy/support/systemd.ts'
import { runCommand } from '../support/commands.ts'
import { environmentOf, SERVICES } from '../support/compose.ts'
import { blocksOf, codeIn, ROOT, tableUnder, textOf } from './support/pages.ts'

/** The commands of docs/deployment.md, run as they stand there; docker, kubectl, systemctl and npm only write down what they were given. */

const PAGE = 'docs/deployment.md'
const RECORDED = ['docker', 'kubectl', 'systemctl', 'npm']

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deployment-'))
  await mkdir(join(folder, 'bin'))
  for (const name of RECORDED) {
    await writeFile(join(folder, 'bin', name), `#!/bin/sh\necho "${name} $*" >> '${folder}/recorded'\n`)
    await chmod(join(folder, 'bin', name), 0o755)
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const scriptWith = (word: string) => {
  const found = blocksOf(PAGE).filter(({ language, text }) => language === 'sh' && text.includes(word))
  expect(found, `blocks with ${word}`).toHaveLength(1)
  return found[0]?.text ?? ''
}

/** @returns the lines that the recorded programs were called with */
async function run(script: string, cwd: string): Promise<string[]> {
  await writeFile(join(folder, 'recorded'), '')
  const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}` }
  const { status, stderr } = spawnSync('sh', ['-euc', script], { cwd, env, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  return (await readFile(join(folder, 'recorded'), 'utf8')).split('\n').filter((line) => line !== '')
}

test('Docker Compose: the commands make a .env with which every service has what it needs', async () => {
  const clone = join(folder, 'clone')
  await mkdir(clone)
  await copyFile(join(ROOT, '.env.example'), join(clone, '.env.example'))
  const recorded = await run(scriptWith('docker compose up'), clone)
  expect(recorded).toEqual(['docker compose up -d --build', 'docker compose exec worker dingtalk-delivery doctor'])
  expect((await stat(join(clone, '.env'))).mode & 0o777).toBe(0o600)

  const lines = (await readFile(join(clone, '.env'), 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const values = Object.fromEntries(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const passwords = Object.entries(values).filter(([name]) => name.endsWith('_PASSWORD') || name === 'API_TOKEN')
  expect(passwords.filter(([, value]) => !/^[0-9a-f]{64}$/.test(value))).toEqual([])
  expect(new Set(passwords.map(([, value]) => value)).size).toBe(6)
  const filled = { ...values, DINGTALK_APP_KEY: 'key', DINGTALK_APP_SECRET: 'secret', DINGTALK_AGENT_ID: '1' }
  for (const name of Object.keys(SERVICES)) environmentOf(name, filled)
  expect(parseConfig(environmentOf('worker', filled)).apps).toHaveLength(1)
  expect(parseConfig(environmentOf('serve', filled))).toMatchObject({
    apiToken: [{ role: 'write+names', token: values['API_TOKEN'] }],
    host: '0.0.0.0',
  })
})

test('Kubernetes: the commands name what the manifests contain', async () => {
  await writeFile(join(folder, 'secrets.yaml'), textOf('deploy/kubernetes/secrets.example.yaml'))
  const recorded = await run(scriptWith('kubectl'), folder)
  const namespace = MANIFESTS.find(({ manifest }) => manifest.kind === 'Namespace')?.manifest.metadata?.name
  const objects = new Set(MANIFESTS.map(({ manifest }) => `${manifest.kind.toLowerCase()}/${manifest.metadata?.name}`))
  const named = recorded.flatMap((line) => [...line.matchAll(/ (job|deployment)\/\w+/g)].map(([object]) => object.trim()))
  expect(named).not.toEqual([])
  expect(named.filter((object) => !objects.has(object))).toEqual([])
  for (const line of recorded.filter((each) => named.some((object) => each.includes(object))))
    expect(line).toContain(`--namespace ${namespace}`)
  for (const path of recorded.flatMap((line) => [...line.matchAll(/-[fk] (deploy\S+)/g)].map(([, found = '']) => found)))
    expect(await stat(join(ROOT, path))).toBeDefined()
})

test('systemd: the commands put every file where the units look for it', async () => {
  const installed = join(folder, 'opt/dingtalk-delivery/node_modules')
  await mkdir(installed, { recursive: true })
  await symlink(ROOT, join(installed, 'dingtalk-delivery-tracker'), 'junction')
  await mkdir(join(folder, 'etc/systemd/system'), { recursive: true })
  const recorded = await run(scriptWith('systemctl').replaceAll(/(?<= )\/(etc|opt)\//g, `${folder}/$1/`), folder)
  expect(recorded[0]).toBe(`npm install --prefix ${folder}/opt/dingtalk-delivery dingtalk-delivery-tracker`)
  expect(new Set(await readdir(join(folder, 'etc/systemd/system')))).toEqual(new Set(UNITS.map(({ file }) => file)))
  const enabled = recorded.at(-1)?.replace('systemctl enable --now ', '').split(' ') ?? []
  expect(new Set(enabled.map((name) => `${name.replace(/@\d+$/, '@')}.service`))).toEqual(new Set(UNITS.map(({ file }) => file)))
  const [, written = ''] = /one secret to each file: (.*)/.exec(scriptWith('systemctl')) ?? []
  const secrets = Object.fromEntries(written.split('; ').map((part) => [part.split('/')[0], part.split('/')[1]?.split(', ')]))
  expect(secrets).toEqual(Object.fromEntries(UNITS.map((unit) => [unit.command, credentialsOf(unit).map(({ name }) => name)])))
  for (const unit of UNITS) {
    for (const { path } of credentialsOf(unit)) expect((await stat(join(folder, path, '..'))).mode & 0o777).toBe(0o700)
    for (const file of unit.sections['Service']?.['EnvironmentFile'] ?? []) expect(await stat(join(folder, file))).toBeDefined()
  }
})

test('what it says about variables and commands is so', async () => {
  const known = new Set([...VARIABLES.map(({ name }) => name), ...composeNames()])
  const files = new Set(VARIABLES.filter(({ secret }) => secret).map(({ name }) => `${name}_FILE`))
  const named = codeIn(textOf(PAGE)).filter((code) => /^[A-Z]+(?:_[A-Z]+)+$/.test(code))
  expect(named.filter((name) => !known.has(name) && !files.has(name) && !name.startsWith('NO_'))).toEqual([])
  for (const [command = ''] of tableUnder('The commands', PAGE))
    expect(await runCommand([...codeIn(command), '--help'])).toMatchObject({ code: 0 })
})

test('the table of resources is what the manifests request', () => {
  const quantity = z.object({ requests: z.object({ memory: z.string() }), limits: z.object({ memory: z.string() }) })
  const workloads = MANIFESTS.flatMap(({ manifest }) => ('template' in Object(manifest['spec']) ? [manifest] : []))
  const rows = tableUnder('Resources', PAGE)
  expect(rows).toHaveLength(workloads.length)
  for (const [command = '', , requested = '', limit = ''] of rows) {
    const found = workloads.find(({ metadata }) => metadata?.name === codeIn(command)[0])
    const { spec } = z
      .object({ spec: z.object({ template: z.object({ spec: z.object({ containers: z.array(z.object({ resources: quantity })) }) }) }) })
      .parse(found)
    const resources = spec.template.spec.containers[0]?.resources
    expect([resources?.requests.memory, resources?.limits.memory]).toEqual([requested, limit].map((cell) => cell.replace(' MiB', 'Mi')))
  }
})

/** Those that docker-compose.yml itself and the build of the image read. */
function composeNames(): string[] {
  return [textOf('docker-compose.yml'), textOf('Dockerfile')].flatMap((text) => [...text.matchAll(/[A-Z]+(?:_[A-Z]+)+/g)].map(String))
}
