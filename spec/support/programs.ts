import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';
import { onCleanup } from './cleanup.js';
import { DEADLINE, sleep } from './wait.js';

/** Debian's package for each program, or file of an absolute path, that a test may need. */
const PACKAGES: Readonly<Record<string, string>> = {
  chromium: 'chromium',
  'firefox-esr': 'firefox-esr',
  Xvfb: 'xvfb',
  xterm: 'xterm',
  x11vnc: 'x11vnc',
  WebKitWebDriver: 'webkit2gtk-driver',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  lighttpd: 'lighttpd',
  openssl: 'openssl',
  logrotate: 'logrotate',
  ip: 'iproute2',
  python3: 'python3',
  '/usr/bin/python3': 'python3',
  socat: 'socat',
  tmux: 'tmux',
  Xvnc: 'tigervnc-standalone-server',
  Xtigervnc: 'tigervnc-standalone-server',
  'redis-server': 'redis-server',
  postgres: 'postgresql',
  initdb: 'postgresql',
  runuser: 'util-linux',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  cc: 'gcc libc6-dev',
  taskset: 'util-linux',
  script: 'bsdutils',
  curl: 'curl',
  yamllint: 'yamllint',
  setpriv: 'util-linux',
  'systemd-socket-activate': 'systemd',
  'systemd-analyze': 'systemd',
  zsh: 'zsh',
  fish: 'fish',
  man: 'man-db',
  groff: 'groff',
  mandoc: 'mandoc',
  websockify: 'websockify',
  'fail2ban-regex': 'fail2ban',
  logger: 'bsdutils',
  squid: 'squid',
  tinyproxy: 'tinyproxy',
  ssh: 'openssh-client',
  psql: 'postgresql-client',
  xtigervncviewer: 'tigervnc-viewer',
  xwd: 'x11-apps',
  '/usr/lib/python3/dist-packages/websockets/__init__.py': 'python3-websockets',
  '/usr/lib/python3/dist-packages/websocket/__init__.py': 'python3-websocket',
  'jupyter-notebook': 'jupyter-notebook',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  '/usr/lib/python3/dist-packages/terminado/__init__.py': 'python3-terminado',
  '/usr/share/novnc/vnc.html': 'novnc',
  '/usr/share/novnc/utils/novnc_proxy': 'novnc',
};

/** Variables with the path of a program that replaces the installed one. */
const PATHS: Readonly<Record<string, string>> = {
  chromium: 'CHROMIUM',
  'firefox-esr': 'FIREFOX',
  lighttpd: 'WSTUNNEL_SPEC_LIGHTTPD',
};

/**
 * `describe`, if the programs are installed. Otherwise the tests are skipped with the command that installs the programs; with
 * `WSTUNNEL_SPEC_NO_SKIP`, the file fails.
 */
export function describeWith(...programs: string[]): typeof describe | typeof describe.skip {
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0) return describe;
  const packages = missing.map((program) => PACKAGES[program] ?? program);
  const line = `missing: ${missing.join(', ')}. To run these tests: apt-get install ${packages.join(' ')}`;
  if (process.env.WSTUNNEL_SPEC_NO_SKIP) throw new Error(line);
  console.warn(line);
  return describe.skip;
}

function has(program: string): boolean {
  const override = process.env[PATHS[program] ?? ''];
  if (override !== undefined) return isExecutable(override);
  if (program.startsWith('/')) return existsSync(program);
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program until the test ends, and keeps the output of stdout and stderr. */
export class Program {
  readonly process: ChildProcess;
  output = '';

  constructor(
    command: string,
    args: string[],
    env: Record<string, string> = {},
    stdin: 'ignore' | 'pipe' = 'ignore',
  ) {
    this.process = spawn(command, args, {
      stdio: [stdin, 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    for (const stream of [this.process.stdout, this.process.stderr, this.process.stdio[3]])
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    onCleanup(() => this.stop());
  }

  /** Waits for the first match in the output; rejects if the program ends first. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    const { process: child } = this;
    for (const deadline = performance.now() + DEADLINE; performance.now() < deadline;) {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      const match = pattern.exec(this.output);
      if (match) return match;
      if (hasEnded) throw new Error(`${child.spawnfile} ended: ${this.output}`);
      await sleep(10);
    }
    throw new Error(`${child.spawnfile} did not print ${pattern}: ${this.output}`);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 3000);
    await exited;
    clearTimeout(hard);
  }
}
