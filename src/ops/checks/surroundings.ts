import type { DingTalkApp } from '../../dingtalk/app.ts'
import { chooseProxy, type Proxies, showProxy } from '../../dingtalk/proxy.ts'
import type { Finding } from '../../lib/finding.ts'

interface Surroundings {
  readonly apps: readonly DingTalkApp[]
  readonly proxies?: Proxies
  readonly secretFiles?: Readonly<Record<string, string>>
}

/** What the configuration takes from around it: files with secrets, proxies, and regions that no one set. */
export function surroundings({ apps, proxies, secretFiles }: Surroundings): Finding[] {
  return [
    ...(secretFiles === undefined ? [] : [secretFilesFinding(secretFiles)]),
    ...(proxies === undefined ? [] : [proxyFinding(apps, proxies)]),
    ...apps.flatMap(regionFinding),
  ]
}

function secretFilesFinding(files: Readonly<Record<string, string>>): Finding {
  const detail = Object.entries(files).map(([name, path]) => `${name} from ${path}`)
  return { name: 'secret files', ok: true, detail: detail.join(', ') }
}

/** Which hosts are reached through which proxy. Whether it works shows in the check of the credentials. */
function proxyFinding(apps: readonly DingTalkApp[], proxies: Proxies): Finding {
  const hosts = [...new Set(apps.flatMap(({ oapiUrl, apiUrl }) => [oapiUrl, apiUrl]).map((url) => new URL(url).origin))]
  const shown = hosts.map((host) => {
    const proxy = chooseProxy(host, proxies)
    return `${host} ${proxy === null ? 'directly' : `through ${showProxy(proxy)}`}`
  })
  const given = [proxies.https, proxies.http].flatMap((proxy) => (proxy === null ? [] : [showProxy(proxy)]))
  return { name: 'proxy', ok: true, detail: shown.length > 0 ? shown.join(', ') : [...new Set(given)].join(', ') }
}

function regionFinding({ name, assumedRegion, oapiUrl }: DingTalkApp): Finding[] {
  if (assumedRegion === undefined) return []
  return [
    {
      ...{ name: `region of "${name}"`, ok: true, warning: true },
      detail: `no region is set, so "${assumedRegion}" (${oapiUrl}) is assumed`,
      remedy:
        'Set DINGTALK_REGION (or "region" of the app in DINGTALK_APPS_FILE) to "cn" where the developer console of the app is at dingtalk.com, to "intl" where it is at dingtalk.io. An organisation is in one of them.',
    },
  ]
}
