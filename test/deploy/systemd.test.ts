import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseConfig, VARIABLES } from '../../src/app/config/config.ts'
import { runCommand } from '../support/commands.ts'
import { describeWith } from '../support/programs.ts'
import { credentialsOf, environmentFile, environmentOf, parseUnit, UNITS, type Unit, valuesIn } from './support/systemd.ts'

const ONE_SHOT = 'migrate'
/** Where the package is installed, and its program: docs/deployment.md. */
const EXEC = /^\/usr\/bin\/node \/opt\/dingtalk-delivery\/node_modules\/dingtalk-delivery-tracker\/dist\/cli\/main\.js (\w+)$/

const NAMES = new Set(VARIABLES.map(({ name }) => name))
const SECRETS = VARIABLES.filter(({ secret }) => secret).map(({ name }) => name)

/** What a process of the tracker never needs. Each is a way out of it for whoever took it over. */
const HARDENING = {
  DynamicUser: 'yes',
  NoNewPrivileges: 'yes',
  CapabilityBoundingSet: '',
  AmbientCapabilities: '',
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  PrivateDevices: 'yes',
  ProtectClock: 'yes',
  ProtectControlGroups: 'yes',
  ProtectHostname: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectKernelModules: 'yes',
  ProtectKernelTunables: 'yes',
  ProtectProc: 'invisible',
  RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  RestrictNamespaces: 'yes',
  RestrictRealtime: 'yes',
  RestrictSUIDSGID: 'yes',
  LockPersonality: 'yes',
  RemoveIPC: 'yes',
  KeyringMode: 'private',
  SystemCallArchitectures: 'native',
  SystemCallFilter: '@system-service',
  SystemCallErrorNumber: 'EPERM',
  UMask: '0077',
}

/** All other directives of the units. A new one is added here with the unit that needs it. */
const DIRECTIVES: Readonly<Record<string, readonly string[]>> = {
  Unit: ['Description', 'Documentation', 'Wants', 'After', 'StartLimitIntervalSec'],
  Service: [
    ...['Type', 'RemainAfterExit', 'ExecStart', 'EnvironmentFile', 'Environment', 'LoadCredential', 'WorkingDirectory', 'User'],
    ...['Restart', 'RestartSec', 'KillSignal', 'TimeoutStopSec'],
    ...Object.keys(HARDENING),
  ],
  Install: ['WantedBy', 'DefaultInstance'],
}

test('there is a unit for each command that runs on a server', () => {
  expect(UNITS.map(({ command }) => command)).toEqual(['migrate', 'serve', 'worker'])
})

describe.each(UNITS.map((unit) => ({ ...unit })))('$file', (unit) => {
  const one = (name: string) => {
    const values = valuesIn(unit, 'Service', name)
    expect(values, name).toHaveLength(1)
    return values[0] ?? ''
  }

  test('has directives that systemd knows, each in its section', () => {
    const found = Object.entries(unit.sections).flatMap(([section, directives]) => Object.keys(directives).map((name) => [section, name]))
    expect(found.filter(([section = '', name = '']) => !DIRECTIVES[section]?.includes(name))).toEqual([])
  })

  test('starts its command', async () => {
    const [, command = ''] = EXEC.exec(one('ExecStart')) ?? []
    expect(command).toBe(unit.command)
    expect(await runCommand([command, '--help'])).toMatchObject({ code: 0 })
  })

  test('has variables that exist and that the environment file does not change', () => {
    const own = Object.keys(environmentOf({ ...unit, sections: withoutFile(unit) }, '9090', '/c'))
    const isKnown = (name: string) => NAMES.has(name) || (name.endsWith('_FILE') && SECRETS.includes(name.slice(0, -5)))
    expect(own.filter((name) => !isKnown(name))).toEqual([])
    expect(own.filter((name) => name in environmentFile())).toEqual([])
    expect(Object.keys(environmentFile()).filter((name) => !NAMES.has(name) || SECRETS.includes(name))).toEqual([])
  })

  test('has its secrets as credentials, from a folder of its own', () => {
    const credentials = credentialsOf(unit)
    const env = environmentOf(unit, '9090', '/c')
    const files = Object.entries(env).filter(([name]) => name.endsWith('_FILE') && !NAMES.has(name))
    expect(files.map(([, path]) => path)).toEqual(credentials.map(({ name }) => `/c/${name}`))
    expect(credentials.map(({ path }) => path)).toEqual(credentials.map(({ name }) => `/etc/dingtalk-delivery/${unit.command}/${name}`))
    // An address without a password is none.
    expect(SECRETS.filter((name) => name in env && !/^\w+:\/\/[^@]*$/.test(env[name] ?? ''))).toEqual([])
  })

  test('has no right that it does not need, and may compile', () => {
    expect(Object.fromEntries(Object.keys(HARDENING).map((name) => [name, one(name)]))).toEqual(HARDENING)
    expect(unit.text).not.toMatch(/^MemoryDenyWriteExecute=/m)
  })

  test('is started again for ever, and has more time to stop than it takes', () => {
    expect(valuesIn(unit, 'Unit', 'StartLimitIntervalSec')).toEqual(['0'])
    if (unit.command === ONE_SHOT) {
      expect([one('Type'), one('RemainAfterExit'), one('Restart')]).toEqual(['oneshot', 'yes', 'on-failure'])
      return
    }
    expect([one('Type'), one('Restart'), one('KillSignal')]).toEqual(['exec', 'always', 'SIGTERM'])
    expect(Number(one('TimeoutStopSec'))).toBeGreaterThan(parseConfig({}).shutdownGraceSeconds)
    // Nothing in the program tells systemd that it is alive.
    expect(unit.text).not.toMatch(/^(WatchdogSec|Type=notify)/m)
    expect(valuesIn(unit, 'Unit', 'After').join(' ')).toContain('dingtalk-delivery-migrate.service')
  })
})

test('the instance of a worker is the port of its health server', () => {
  const worker = UNITS.find(({ command }) => command === 'worker')
  const { healthPort, host } = parseConfig(worker === undefined ? {} : withoutFiles(environmentOf(worker, '9191', '/c')))
  expect([healthPort, host]).toEqual([9191, '127.0.0.1'])
  expect(worker && valuesIn(worker, 'Install', 'DefaultInstance')).toEqual([String(parseConfig({}).healthPort)])
})

describeWith(['systemd-analyze'], 'systemd itself', () => {
  test('accepts the units without a warning', async () => {
    expect(await verify(UNITS)).toEqual({ status: 0, output: '' })
  })

  test.each([
    ['a directive that does not exist', 'ProtectHome=', 'ProtectHomes='],
    ['a value that does not exist', 'Restart=always', 'Restart=ever'],
    ['a directive in the wrong section', 'TimeoutStopSec=40\n', ''],
    ['a unit without a command', /^ExecStart=.*\n/m, ''],
  ] as const)('would find %s', async (what, right, wrong) => {
    const broken = UNITS.map((unit) => ({ ...unit, text: unit.text.replace(right, wrong) }))
    const moved = what.includes('section')
      ? broken.map((unit) => ({ ...unit, text: unit.text.replace('[Unit]', '[Unit]\nTimeoutStopSec=40') }))
      : broken
    expect(moved.some(({ text }, i) => text !== UNITS[i]?.text)).toBe(true)
    expect((await verify(moved)).output).not.toBe('')
  })

  test.each(UNITS.map((unit) => ({ ...unit })))('finds little that $file is exposed to', async (unit) => {
    const { files } = await install([unit])
    // In tenths: 2.0 of 10.
    const { status, stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', '--no-pager', ...files], {
      encoding: 'utf8',
    })
    expect(status, stdout).toBe(0)
  })
})

async function verify(units: ReadonlyArray<Pick<Unit, 'file' | 'text'>>): Promise<{ status: number | null; output: string }> {
  const { files } = await install(units)
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

/** systemd looks for the program of a unit: that of this process takes the place of the one that is installed there. */
async function install(units: ReadonlyArray<Pick<Unit, 'file' | 'text'>>): Promise<{ files: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'units-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const files = units.map(({ file }) => join(folder, file.replace('@.', '@9090.')))
  for (const { file, text } of units) await writeFile(join(folder, file), text.replace('=/usr/bin/node ', `=${process.execPath} `))
  return { files }
}

function withoutFile(unit: Unit): Unit['sections'] {
  const { EnvironmentFile: _, ...service } = parseUnit(unit.text)['Service'] ?? {}
  return { ...unit.sections, Service: service }
}

function withoutFiles(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => NAMES.has(name)))
}
