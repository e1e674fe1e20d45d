import { Deployment } from 'kubernetes-models/apps/v1'
import { Job } from 'kubernetes-models/batch/v1'
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Namespace, Secret, Service } from 'kubernetes-models/v1'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { parseConfig, VARIABLES } from '../../src/app/config/config.ts'
import { PROBES } from '../../src/web/probes.ts'
import { compile, createUserProject } from '../docs/support/project.ts'
import { runCommand } from '../support/commands.ts'
import {
  documentsOf,
  MANIFEST_FILES,
  MANIFESTS,
  type Manifest,
  SECRETS_FOLDER,
  secretData,
  textOfManifest,
  WORKLOADS,
  type Workload,
} from './support/kubernetes.ts'

/** What the package kubernetes-models has made of the API of Kubernetes: a validator of values, and a type without unknown fields. */
const MODELS = {
  'v1 ConfigMap': [ConfigMap, 'kubernetes-models/v1'],
  'v1 Namespace': [Namespace, 'kubernetes-models/v1'],
  'v1 Secret': [Secret, 'kubernetes-models/v1'],
  'v1 Service': [Service, 'kubernetes-models/v1'],
  'apps/v1 Deployment': [Deployment, 'kubernetes-models/apps/v1'],
  'batch/v1 Job': [Job, 'kubernetes-models/batch/v1'],
  'networking.k8s.io/v1 Ingress': [Ingress, 'kubernetes-models/networking.k8s.io/v1'],
  'networking.k8s.io/v1 NetworkPolicy': [NetworkPolicy, 'kubernetes-models/networking.k8s.io/v1'],
  'policy/v1 PodDisruptionBudget': [PodDisruptionBudget, 'kubernetes-models/policy/v1'],
} as const

const MODELS_BY_KIND = new Map<string, readonly [Model, string]>(Object.entries(MODELS))
type Model = new (data: never) => { validate(): void }

function modelOf({ apiVersion, kind }: Manifest): readonly [Model, string] {
  const found = MODELS_BY_KIND.get(`${apiVersion} ${kind}`)
  if (found === undefined) throw new Error(`${apiVersion} ${kind} is not of the API that kubernetes-models describes`)
  return found
}

/** Values that the API would refuse. @throws {Error} */
function checkValues(manifest: Manifest): void {
  const [Type] = modelOf(manifest)
  new Type(manifest as never).validate()
}

/** Fields that the API does not have, too: the literal of an object may have no property that its type lacks. @throws {Error} */
async function checkFields(manifests: readonly Manifest[]): Promise<void> {
  const project = await createUserProject()
  onTestFinished(() => project.remove())
  const lines = manifests.map((manifest, i) => {
    const [, module] = modelOf(manifest)
    return `export const object${i}: import('${module}').I${manifest.kind} = ${JSON.stringify(manifest)}`
  })
  await compile(project, { 'manifests.ts': lines.join('\n') })
}

describe('the manifests and the API of Kubernetes', () => {
  test.each(MANIFESTS.map(({ file, manifest }) => [file, manifest.kind, manifest.metadata?.name, manifest] as const))(
    '%s: the values of %s %s are accepted',
    (_file, _kind, _name, manifest) => {
      expect(() => checkValues(manifest)).not.toThrow()
    },
  )

  test('no field is unknown', async () => {
    await expect(checkFields(MANIFESTS.map(({ manifest }) => manifest))).resolves.toBeUndefined()
  })

  test.each([
    ['a field that does not exist', 'worker.yaml', 'replicas: 2', 'replica: 2'],
    ['a misspelt field deep inside', 'worker.yaml', 'readOnlyRootFilesystem', 'readonlyRootFilesystem'],
    [
      'a field in the wrong place',
      'serve.yaml',
      '            timeoutSeconds: 6\n',
      '            timeoutSeconds: 6\n            path: /x\n',
    ],
    ['a number for a text', 'config.yaml', 'PORT: "8080"', 'PORT: 8080'],
  ])('%s would be found', async (_, file, right, wrong) => {
    expect(textOfManifest(file)).toContain(right)
    await expect(checkFields(documentsOf(textOfManifest(file).replace(right, wrong)))).rejects.toThrow('wrong types')
  })

  test.each([
    ['a required field that is missing', 'worker.yaml', '  selector:\n    matchLabels:\n      app.kubernetes.io/name: worker\n', ''],
    ['a text for a number', 'worker.yaml', 'replicas: 2', 'replicas: two'],
    ['a version of the API that is gone', 'serve.yaml', 'policy/v1', 'policy/v1beta1'],
  ])('%s would be found', (_, file, right, wrong) => {
    expect(textOfManifest(file)).toContain(right)
    const check = () => documentsOf(textOfManifest(file).replace(right, wrong)).forEach(checkValues)
    expect(check).toThrow()
  })

  test('kustomize gets every file that is no example', () => {
    const kustomization = z
      .strictObject({
        apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
        kind: z.literal('Kustomization'),
        namespace: z.string(),
        images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })),
        resources: z.array(z.string()),
      })
      .parse(parse(textOfManifest('kustomization.yaml')))
    const files = MANIFEST_FILES.filter((file) => file !== 'kustomization.yaml' && !file.endsWith('.example.yaml'))
    expect(new Set(kustomization.resources)).toEqual(new Set(files))
    const namespaces = MANIFESTS.filter(({ manifest }) => manifest.kind === 'Namespace').map(({ manifest }) => manifest.metadata?.name)
    expect(namespaces).toEqual([kustomization.namespace])
    expect(new Set(WORKLOADS.map(({ container }) => container.image))).toEqual(new Set(kustomization.images.map(({ name }) => name)))
    const examples = MANIFESTS.filter(({ file }) => file.endsWith('.example.yaml'))
    expect(examples.map(({ manifest }) => manifest.metadata?.['namespace'])).toEqual(examples.map(() => kustomization.namespace))
  })
})

const NAMES = new Set(VARIABLES.map(({ name }) => name))
const SECRET_NAMES = VARIABLES.filter(({ secret }) => secret).map(({ name }) => name)

describe.each(WORKLOADS.map((workload) => ({ ...workload })))('the pod of $name', (workload) => {
  const { container, pod, env } = workload

  test('has variables that exist, and its secrets as files of its own Secret', () => {
    const known = (name: string) => NAMES.has(name) || (name.endsWith('_FILE') && SECRET_NAMES.includes(name.slice(0, -5)))
    expect(Object.keys(env).filter((name) => !known(name))).toEqual([])
    const files = Object.entries(env).filter(([name]) => name.endsWith('_FILE') && !NAMES.has(name))
    expect(files).not.toEqual([])
    expect(files.map(([, path]) => path)).toEqual(Object.keys(secretData(workload.secret)).map((key) => `${SECRETS_FOLDER}/${key}`))
    // An address without a password is none.
    expect(SECRET_NAMES.filter((name) => name in env && !/^\w+:\/\/[^@]*$/.test(env[name] ?? ''))).toEqual([])
  })

  test('has values that the program accepts, secrets included', () => {
    expect(parseConfig(withSecrets(workload))).toMatchObject({ host: '0.0.0.0', logPretty: false })
  })

  test('starts a command that exists', async () => {
    const { code, stdout } = await runCommand([...container.args, '--help'])
    expect([code, stdout]).toEqual([0, expect.stringContaining(`dingtalk-delivery ${container.args[0]}`)])
  })

  test('has no right that it does not need', () => {
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(container.resources).toMatchObject({ requests: { cpu: expect.anything(), memory: expect.anything() }, limits: {} })
  })

  test('is selected by its own labels', () => {
    if (workload.selector === undefined) return expect(workload.name).toBe('migrate')
    expect(workload.labels).toMatchObject(workload.selector)
    const others = WORKLOADS.filter(({ name }) => name !== workload.name)
    expect(others.filter(({ labels }) => matches(labels, workload.selector ?? {}))).toEqual([])
  })

  test('has all the time to stop that the program takes', () => {
    const [program, seconds = '0'] = container.lifecycle?.preStop.exec.command ?? ['sleep']
    expect(program).toBe('sleep')
    if (workload.name === 'migrate') return
    const { shutdownGraceSeconds } = parseConfig(withSecrets(workload))
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + shutdownGraceSeconds)
  })

  test('is asked where it listens, what it answers, and with more patience than the answer takes', () => {
    const { livenessProbe, readinessProbe } = container
    if (workload.name === 'migrate') return expect([livenessProbe, readinessProbe]).toEqual([undefined, undefined])
    const config = parseConfig(withSecrets(workload))
    const port = workload.name === 'worker' ? config.healthPort : config.port
    expect(container.ports.map(({ containerPort }) => containerPort)).toEqual([port])
    for (const [probe, path] of [[livenessProbe, '/livez'] as const, [readinessProbe, '/readyz'] as const]) {
      expect(PROBES).toContain(path)
      expect(probe?.httpGet).toEqual({ path, port: container.ports[0]?.name })
      expect(probe?.timeoutSeconds).toBeGreaterThanOrEqual(5)
    }
  })
})

/** As the program reads the files that the variables name. */
function withSecrets({ env, secret }: Workload): Record<string, string> {
  const data = secretData(secret)
  return Object.fromEntries(
    Object.entries(env).map(([name, value]): [string, string] =>
      value.startsWith(`${SECRETS_FOLDER}/`) ? [name.slice(0, -5), data[value.slice(SECRETS_FOLDER.length + 1)] ?? ''] : [name, value],
    ),
  )
}

function matches(labels: Readonly<Record<string, string>>, selector: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}

describe('what is around the pods', () => {
  const byKind = (kind: string) => MANIFESTS.filter(({ manifest }) => manifest.kind === kind).map(({ manifest }) => manifest)
  const selects = z.object({ matchLabels: z.record(z.string(), z.string()).default({}) })
  const named = (selector: Readonly<Record<string, string>>) => WORKLOADS.filter(({ labels }) => matches(labels, selector))
  const portOf = (port: string | number, { container }: Workload) =>
    container.ports.find(({ name, containerPort }) => [name, containerPort].includes(port))?.containerPort

  test('a disruption leaves one pod of worker and of serve', () => {
    const budgets = byKind('PodDisruptionBudget').map((budget) =>
      z.object({ spec: z.object({ maxUnavailable: z.literal(1), selector: selects }) }).parse(budget),
    )
    expect(budgets.map(({ spec }) => named(spec.selector.matchLabels).map(({ name }) => name))).toEqual([['serve'], ['worker']])
    const replicas = byKind('Deployment').map((each) => z.object({ spec: z.object({ replicas: z.number() }) }).parse(each).spec.replicas)
    expect(replicas.every((count) => count > 1)).toBe(true)
  })

  test('the service leads to a port of serve, and the ingress to the service', () => {
    const [service] = byKind('Service').map((each) =>
      z
        .object({
          metadata: z.object({ name: z.string() }),
          spec: z.object({
            selector: z.record(z.string(), z.string()),
            ports: z.array(z.object({ name: z.string(), targetPort: z.string() })),
          }),
        })
        .parse(each),
    )
    const [serve, ...others] = named(service?.spec.selector ?? {})
    expect([serve?.name, others]).toEqual(['serve', []])
    expect(service?.spec.ports.map(({ targetPort }) => serve && portOf(targetPort, serve))).toEqual([8080])
    const ingress = JSON.stringify(byKind('Ingress')[0])
    expect(ingress).toContain(`"service":{"name":"${service?.metadata.name}","port":{"name":"${service?.spec.ports[0]?.name}"}}`)
    expect(ingress).toContain(`"host":"${serve?.env['ALLOWED_HOSTS']}"`)
  })

  test('the network policies let in what the pods listen to, and nothing else', () => {
    const policies = byKind('NetworkPolicy').map(
      (each) =>
        z
          .object({
            spec: z.object({
              podSelector: selects,
              policyTypes: z.tuple([z.literal('Ingress')]),
              ingress: z.array(z.object({ ports: z.array(z.object({ port: z.number() })) })).default([]),
            }),
          })
          .parse(each).spec,
    )
    const opened = policies.map(({ podSelector, ingress }) => ({
      pods: named(podSelector.matchLabels).map(({ name }) => name),
      ports: ingress.flatMap(({ ports }) => ports.map(({ port }) => port)),
    }))
    expect(opened).toEqual([
      { pods: ['migrate', 'serve', 'worker'], ports: [] },
      { pods: ['serve'], ports: [8080] },
      { pods: ['worker'], ports: [9090] },
    ])
  })

  test('Prometheus is led to the metrics of the worker', () => {
    const worker = WORKLOADS.find(({ name }) => name === 'worker')
    expect(worker?.annotations).toEqual({
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(worker?.container.ports[0]?.containerPort),
      'prometheus.io/path': PROBES.find((path) => path === '/metrics'),
    })
  })
})
