import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'

const FOLDER = join(import.meta.dirname, '../../../deploy/kubernetes')
const FILES: readonly string[] = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'))

const object = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }).optional(),
})
export type Manifest = z.output<typeof object>

/** Every object of deploy/kubernetes with the file that it stands in; without the list of files for kustomize. */
export const MANIFESTS: ReadonlyArray<{ readonly file: string; readonly manifest: Manifest }> = FILES.filter(
  (file) => file !== 'kustomization.yaml',
).flatMap((file) => documentsOf(readFileSync(join(FOLDER, file), 'utf8')).map((manifest) => ({ file, manifest })))

export const MANIFEST_FILES: readonly string[] = FILES

export function textOfManifest(file: string): string {
  return readFileSync(join(FOLDER, file), 'utf8')
}

export function documentsOf(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    return object.parse(document.toJS())
  })
}

const probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.union([z.string(), z.number()]) }),
  periodSeconds: z.number(),
  timeoutSeconds: z.number(),
  failureThreshold: z.number(),
})
const container = z.object({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string() })),
  envFrom: z.array(z.object({ configMapRef: z.object({ name: z.string() }) })),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  lifecycle: z.object({ preStop: z.object({ exec: z.object({ command: z.array(z.string()) }) }) }).optional(),
  resources: z.looseObject({}),
  securityContext: z.looseObject({}),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
})
const pod = z.object({
  terminationGracePeriodSeconds: z.number().default(30),
  automountServiceAccountToken: z.boolean(),
  securityContext: z.looseObject({}),
  containers: z.array(container).length(1),
  volumes: z.array(z.looseObject({ name: z.string() })),
})
const workload = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }).optional(),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()), annotations: z.record(z.string(), z.string()).default({}) }),
      spec: pod,
    }),
  }),
})

/** A pod of one command: what stands in the manifests, with the variables of the ConfigMap. */
export interface Workload {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly pod: z.output<typeof pod>
  readonly container: z.output<typeof container>
  /** As kubelet gives it to the process. */
  readonly env: Readonly<Record<string, string>>
  /** The Secret whose keys are files below `/run/secrets/dingtalk-delivery`. */
  readonly secret: string
}

export const SECRETS_FOLDER = '/run/secrets/dingtalk-delivery'

const configMaps = new Map(
  MANIFESTS.filter(({ manifest }) => manifest.kind === 'ConfigMap').map(({ manifest }) => [
    manifest.metadata?.name,
    z.object({ data: z.record(z.string(), z.string()) }).parse(manifest).data,
  ]),
)

export const WORKLOADS: readonly Workload[] = MANIFESTS.filter(({ manifest }) => ['Deployment', 'Job'].includes(manifest.kind)).map(
  ({ manifest }) => workloadOf(workload.parse(manifest)),
)

function workloadOf({ metadata, spec: { selector, template } }: z.output<typeof workload>): Workload {
  const [only] = template.spec.containers
  if (only === undefined) throw new Error(`${metadata.name} has no container`)
  const shared = only.envFrom.flatMap(({ configMapRef: { name } }) => {
    const data = configMaps.get(name)
    if (data === undefined) throw new Error(`${metadata.name} has variables of ${name}, which no file contains`)
    return Object.entries(data)
  })
  const mounted = only.volumeMounts.find(({ mountPath }) => mountPath === SECRETS_FOLDER)?.name
  const volume = z
    .object({ secret: z.object({ secretName: z.string() }) })
    .parse(template.spec.volumes.find(({ name }) => name === mounted))
  return {
    name: metadata.name,
    labels: template.metadata.labels,
    annotations: template.metadata.annotations,
    selector: selector?.matchLabels,
    pod: template.spec,
    container: only,
    env: Object.fromEntries([...shared, ...only.env.map(({ name, value }): [string, string] => [name, value])]),
    secret: volume.secret.secretName,
  }
}

/** The keys of the example of a Secret, with their values. */
export function secretData(name: string): Readonly<Record<string, string>> {
  const found = MANIFESTS.find(({ manifest }) => manifest.kind === 'Secret' && manifest.metadata?.name === name)
  return z.object({ stringData: z.record(z.string(), z.string()) }).parse(found?.manifest).stringData
}
