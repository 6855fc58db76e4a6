import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { Program } from '../support/programs.js';
import { accepts, closedPort } from '../support/servers.js';
import { until } from '../support/wait.js';
import { DOCKER } from './manifests.js';
import type { Pod } from './pod.js';

/** The response header with the pod that a tunnel leads to. */
export const POD_HEADER = 'x-pod';

/** A real proxy in front of the pods. */
export interface Front {
  readonly port: number;
  /** Makes the proxy use a pod for new connections, or not. Open connections stay. */
  use(pod: Pod, on: boolean): Promise<void>;
}

/**
 * HAProxy without health checks and without retries, as kube-proxy: the endpoints alone decide. They are changed over HAProxy's
 * admin socket.
 */
export async function startHaproxy(folder: string, pods: readonly Pod[]): Promise<Front> {
  const port = await closedPort();
  const socket = join(folder, 'haproxy.sock');
  const lines = [
    'global',
    `  stats socket ${socket} mode 600 level admin`,
    'defaults',
    '  mode http',
    '  retries 0',
    '  timeout connect 2s',
    '  timeout client 60s',
    '  timeout server 60s',
    '  timeout tunnel 1h',
    'frontend web',
    `  bind 127.0.0.1:${port}`,
    '  option forwardfor',
    `  http-response set-header ${POD_HEADER} %s`,
    '  default_backend pods',
    'backend pods',
    '  balance roundrobin',
    ...pods.map(({ name, port: target }) => `  server ${name} 127.0.0.1:${target} disabled`),
    '',
  ];
  const file = join(folder, 'haproxy.cfg');
  await writeFile(file, lines.join('\n'));
  await running(port, new Program('haproxy', ['-db', '-q', '-f', file]));
  const use = async (pod: Pod, on: boolean) => {
    const admin = connect({ path: socket });
    admin.write(`set server pods/${pod.name} state ${on ? 'ready' : 'maint'}\n`);
    const answer = (await text(admin)).trim();
    if (answer !== '') throw new Error(`haproxy: ${answer}`);
  };
  return { port, use };
}

/** The nginx of demo/docker, with these pods as its two containers. Nothing tells nginx about their states. */
export async function startNginx(folder: string, [first, second]: readonly Pod[]): Promise<Front> {
  const port = await closedPort();
  let conf = await readFile(new URL('nginx.conf', DOCKER), 'utf8');
  const changes: [string, string][] = [
    ['worker_processes auto;', 'daemon off; master_process off;'],
    ['error_log /dev/stderr warn;', 'error_log stderr error;'],
    ['access_log /dev/stdout path;', `access_log off; add_header ${POD_HEADER} $upstream_addr always;`],
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['172.30.80.11:6080', `127.0.0.1:${first?.port}`],
    ['172.30.80.12:6080', `127.0.0.1:${second?.port}`],
  ];
  for (const [line, ours] of changes) {
    if (!conf.includes(line)) throw new Error(`nginx.conf has no ${line}`);
    conf = conf.replace(line, () => ours);
  }
  const file = join(folder, 'nginx.conf');
  await writeFile(file, conf.replaceAll(/(pid| )(\s+)\/tmp\//g, `$1$2${folder}/`));
  await running(port, new Program('nginx', ['-p', folder, '-c', file, '-e', 'stderr']));
  return { port, use: () => Promise.resolve() };
}

async function running(port: number, program: Program): Promise<void> {
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`the proxy ended: ${program.output}`);
    return accepts({ port });
  });
}
