import type { BindAddress } from '../../command-line/bind-and-target.js';
import type { Plan } from '../plan.js';
import { needsRestart } from '../settings/restart-settings.js';
import { novncLink } from '../site/novnc/links.js';
import { leftOutSummary } from './left-out.js';
import { reachOf } from './reachability.js';
import { startupWarnings } from './warnings.js';

/** The real addresses of the servers, and the same as URLs. */
export interface Addresses {
  readonly listening: readonly BindAddress[];
  readonly urls: readonly string[];
}

/** The lines with the listen addresses, and the link to noVNC. */
export function addressLines(plan: Plan, { listening, urls }: Addresses): string[] {
  const lines = urls.map((url, index) => {
    const address = listening[index] ?? {};
    // For a passed descriptor, the parent process has chosen the address.
    const isPassedOn = plan.listen[index]?.fd !== undefined;
    const [, port = ''] = /:(\d+)\/$/.exec(url) ?? [];
    const reach = isPassedOn ? '' : reachOf(address, port, plan);
    return `listening on ${url} for ${plan.target}${reach}`;
  });
  const [link] = urls.flatMap((url) => novncLink(plan, url) ?? []);
  return link === undefined ? lines : [...lines, link];
}

/** The lines about settings that are ignored or dangerous. */
export function settingLines(plan: Plan, listening: readonly BindAddress[]): string[] {
  const warnings = startupWarnings({ ...plan, listen: listening });
  return [...leftOutSummary(plan), ...recordingOf(plan), ...warnings.map((warning) => `warning: ${warning}`)];
}

function recordingOf({ record }: Plan): string[] {
  return record ? [`tunnels are recorded in ${record.folder}: express-wstunnel play ${record.folder}`] : [];
}

/** The lines after a reload. `used`: the new settings, with the settings of the start that a reload can't change. */
export function reloadLines(
  next: Plan,
  running: Plan,
  used: Plan,
  listening: readonly BindAddress[],
): string[] {
  return [
    'the settings were reloaded and apply to new tunnels',
    ...(needsRestart(next, running)
      ? [
          'changes of the listen addresses, https, PROXY headers, the connection limit, the times after SIGTERM, the health address, the metrics address, the workers, the shared state, the user and the log apply after a restart',
        ]
      : []),
    ...settingLines(used, listening),
  ];
}

/** The lines after a failed reload; the first error is the last line. */
export function failedReload([first = '', ...more]: readonly string[]): string[] {
  return [...more.reverse(), `${first}; the old settings stay in force`];
}
