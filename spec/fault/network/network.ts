import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onCleanup } from '../../support/cleanup.js';
import { Program } from '../../support/programs.js';

const run = (...args: string[]) => execFileSync(args[0]!, args.slice(1), { stdio: 'pipe' });

function works(...args: string[]): boolean {
  try {
    run(...args);
    return true;
  } catch {
    return false;
  }
}

/** The faults of a cable in each direction: times in milliseconds, loss in percent. */
export interface Impairment {
  readonly delay: number;
  readonly jitter: number;
  readonly loss: number;
  readonly seed: number;
}

/** Whether the process can create namespaces and connect them by such cables. */
export function canMakeNetworks(kind: 'veth' | 'tun'): boolean {
  const name = `wst-${process.pid}-try`;
  if (process.getuid?.() !== 0 || !works('ip', 'netns', 'add', name)) return false;
  const cable =
    kind === 'veth'
      ? ['link', 'add', 'name', 'one', 'type', 'veth', 'peer', 'name', 'two']
      : ['tuntap', 'add', 'dev', 'one', 'mode', 'tun'];
  const cables = works('ip', '-n', name, ...cable);
  run('ip', 'netns', 'del', name);
  return cables;
}

/** Three machines in a row, each a namespace: client 10.91.1.1 - 10.91.1.2 tunnel 10.91.2.2 - 10.91.2.1 backend. */
export class Network {
  readonly #prefix: string;

  /** Perfect cables, or cables that delay and lose packets. */
  constructor(impairment?: Impairment) {
    this.#prefix = `wst-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
    for (const name of ['client', 'tunnel', 'backend']) {
      run('ip', 'netns', 'add', this.#name(name));
      onCleanup(() => run('ip', 'netns', 'del', this.#name(name)));
      this.#ip(name, 'link', 'set', 'lo', 'up');
    }
    for (const [net, machine] of [[1, 'client'] as const, [2, 'backend'] as const]) {
      if (impairment) this.#lay(machine, net, impairment);
      else this.#cable(machine, net);
      this.#ip(machine, 'addr', 'add', `10.91.${net}.1/24`, 'dev', 'cable');
      this.#ip('tunnel', 'addr', 'add', `10.91.${net}.2/24`, 'dev', `to${net}`);
      this.#ip(machine, 'link', 'set', 'cable', 'up');
      this.#ip('tunnel', 'link', 'set', `to${net}`, 'up');
    }
  }

  /** Starts a script of the folder on a machine. */
  start(machine: string, script: string, ...args: string[]): Program {
    const path = fileURLToPath(new URL(script, import.meta.url));
    return new Program('ip', ['netns', 'exec', this.#name(machine), process.execPath, path, ...args]);
  }

  /** Unplugs the cable at a machine; the other end gets no packet about the cut. */
  cut(machine: 'client' | 'backend'): void {
    this.#ip(machine, 'link', 'set', 'cable', 'down');
  }

  /** The number of TCP segments that a machine sent again. */
  resent(machine: string): number {
    const counters = run('ip', 'netns', 'exec', this.#name(machine), 'cat', '/proc/net/snmp').toString();
    const [names = [], values = []] = counters
      .split('\n')
      .filter((line) => line.startsWith('Tcp:'))
      .map((line) => line.split(' '));
    return Number(values[names.indexOf('RetransSegs')]);
  }

  /** Lays a cable of two TUN devices and a program between them, because some kernels lack netem. */
  #lay(machine: string, net: number, { delay, jitter, loss, seed }: Impairment): void {
    const ends: [string, string][] = [
      [machine, 'cable'],
      ['tunnel', `to${net}`],
    ];
    for (const [owner, device] of ends) this.#ip(owner, 'tuntap', 'add', 'dev', device, 'mode', 'tun');
    const path = fileURLToPath(new URL('link.py', import.meta.url));
    const numbers = [seed + net, delay, jitter, loss].map(String);
    const names = ends.map(([owner, device]) => `${this.#name(owner)}/${device}`);
    new Program('python3', [path, ...numbers, ...names]);
  }

  #cable(machine: string, net: number): void {
    const [own, peer] = [this.#name(machine), this.#name('tunnel')];
    run(
      'ip',
      '-n',
      own,
      'link',
      'add',
      'name',
      'cable',
      'type',
      'veth',
      'peer',
      'name',
      `to${net}`,
      'netns',
      peer,
    );
  }

  #ip(machine: string, ...args: string[]): void {
    run('ip', '-n', this.#name(machine), ...args);
  }

  #name(machine: string): string {
    return `${this.#prefix}-${machine}`;
  }
}
