import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { Program } from './programs.js';
import { accepts, closedPort } from './servers.js';
import { until } from './wait.js';

/** A real proxy from Debian, on loopback. */
export interface RealProxy {
  readonly port: number;
  readonly program: Program;
}

/** The login that the proxy requires, if any. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

async function folderFor(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `wstunnel-${name}-`));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  // squid reads its files as another user.
  await chmod(folder, 0o755);
  return folder;
}

async function running(port: number, program: Program): Promise<RealProxy> {
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`it ended: ${program.output}`);
    return accepts({ port });
  });
  return { port, program };
}

/** squid with its default rules, except that loopback and every port are allowed. */
export async function startSquid(login?: Login, tries = 3): Promise<RealProxy> {
  const folder = await folderFor('squid');
  const port = await closedPort();
  const helper = join(folder, 'login.sh');
  // The helper reads "user password" and answers OK or ERR.
  const known = `${login?.user} ${login?.password}`;
  await writeFile(
    helper,
    `#!/bin/sh\nwhile read -r line; do [ "$line" = '${known}' ] && echo OK || echo ERR; done\n`,
    {
      mode: 0o755,
    },
  );
  const lines = [
    `http_port 127.0.0.1:${port}`,
    `pid_filename none`,
    'access_log none',
    'cache_log /dev/null',
    'cache deny all',
    'shutdown_lifetime 0 seconds',
    `coredump_dir ${folder}`,
    'http_upgrade_request_protocols websocket allow all',
    ...(login
      ? [
          `auth_param basic program /bin/sh ${helper}`,
          'auth_param basic realm office',
          'auth_param basic children 1',
          'acl known proxy_auth REQUIRED',
          'http_access allow known',
        ]
      : ['http_access allow all']),
    'http_access deny all',
    '',
  ];
  const file = join(folder, 'squid.conf');
  await writeFile(file, lines.join('\n'));
  try {
    return await running(port, new Program('squid', ['-N', '-f', file]));
  } catch (error) {
    // Another program may have taken the port in the meantime.
    if (tries === 1) throw error;
    return startSquid(login, tries - 1);
  }
}

export async function startTinyproxy(login?: Login): Promise<RealProxy> {
  const folder = await folderFor('tinyproxy');
  const port = await closedPort();
  const lines = [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 60',
    'MaxClients 50',
    'Allow 127.0.0.1',
    'LogLevel Connect',
    ...(login ? [`BasicAuth ${login.user} ${login.password}`] : []),
    '',
  ];
  const file = join(folder, 'tinyproxy.conf');
  await writeFile(file, lines.join('\n'));
  return running(port, new Program('tinyproxy', ['-d', '-c', file]));
}
