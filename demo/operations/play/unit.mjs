import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync } from 'node:fs';
import process from 'node:process';
import { clearTimeout, setTimeout } from 'node:timers';
import { commandOf, environmentOf, readService } from './unit-file.mjs';

/** A service unit and its process. */
export class Unit {
  #name;
  #process;
  #isWanted = false;
  #service;
  output = '';
  restarts = 0;
  exitCode = null;

  constructor(name) {
    this.#name = name;
  }

  get isActive() {
    return this.#process !== undefined;
  }

  start() {
    if (this.isActive) return;
    this.#isWanted = true;
    this.#service = readService(this.#name);
    const user = this.#service.get('User', 'root');
    for (const [kind, parent] of [
      ['StateDirectory', '/var/lib'],
      ['LogsDirectory', '/var/log'],
      ['RuntimeDirectory', '/run'],
    ])
      for (const folder of this.#service.all(kind)) {
        const path = `${parent}/${folder}`;
        mkdirSync(path, { recursive: true });
        chmodSync(path, parseInt(this.#service.get(`${kind}Mode`, '0755'), 8));
        execFileSync('chown', [`${user}:`, path]);
      }
    const variables = environmentOf(this.#service);
    const command = commandOf(this.#service.get('ExecStart'), variables);
    const asUser = user === 'root' ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups'];
    const [program, ...args] = [
      'sh',
      '-c',
      `umask ${this.#service.get('UMask', '022')}; exec "$@"`,
      'sh',
      ...asUser,
      ...command,
    ];
    const child = spawn(program, args, {
      cwd: '/',
      env: { PATH: process.env.PATH, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (this.output = (this.output + chunk).slice(-100_000)));
    child.once('close', (code, signal) => this.#ended(code, signal));
  }

  async stop() {
    this.#isWanted = false;
    const child = this.#process;
    if (!child) return;
    // 90 seconds are systemd's default.
    const seconds = parseInt(this.#service.get('TimeoutStopSec', '90')) || 90;
    const deadline = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    child.kill('SIGTERM');
    await once(child, 'close');
    clearTimeout(deadline);
  }

  reload() {
    if (!this.#process) throw new Error(`Unit ${this.#name}.service is not active, cannot reload.`);
    const variables = { ...environmentOf(this.#service), MAINPID: String(this.#process.pid) };
    for (const line of this.#service.all('ExecReload')) {
      const [program, ...args] = commandOf(line, variables);
      execFileSync(program, args, { env: { PATH: process.env.PATH, ...variables } });
    }
  }

  kill(signal = 'SIGTERM') {
    this.#process?.kill(signal);
  }

  #ended(code, signal) {
    this.#process = undefined;
    this.exitCode = code ?? signal;
    const policy = this.#service.get('Restart', 'no');
    const isFailure = code !== 0 && signal !== 'SIGTERM';
    const isFinal = this.#service.get('RestartPreventExitStatus').split(' ').includes(String(code));
    if (!this.#isWanted || isFinal || !(policy === 'always' || (policy === 'on-failure' && isFailure)))
      return;
    setTimeout(
      () => {
        if (!this.#isWanted || this.isActive) return;
        this.restarts += 1;
        this.start();
      },
      parseFloat(this.#service.get('RestartSec', '0.1')) * 1000,
    );
  }
}
