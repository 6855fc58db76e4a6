import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onCleanup } from './cleanup.js';
import { Program } from './programs.js';

const run = (...args: string[]) => execFileSync(args[0]!, args.slice(1), { stdio: 'pipe' });

function works(...args: string[]): boolean {
  try {
    run(...args);
    return true;
  } catch {
    return false;
  }
}

/** May this process make namespaces, with cables between them? */
export function canMakeNetworks(): boolean {
  const name = `wst-${process.pid}-try`;
  if (process.getuid?.() !== 0 || !works('ip', 'netns', 'add', name)) return false;
  const cables = works('ip', '-n', name, 'link', 'add', 'name', 'one', 'type', 'veth', 'peer', 'name', 'two');
  run('ip', 'netns', 'del', name);
  return cables;
}

/** Three machines in a row, each a namespace: client 10.91.1.1 - 10.91.1.2 tunnel 10.91.2.2 - 10.91.2.1 backend. */
export class Network {
  readonly #prefix: string;

  constructor() {
    this.#prefix = `wst-${process.pid}-${Math.floor(Math.random() * 1e6)}`;
    for (const name of ['client', 'tunnel', 'backend']) {
      run('ip', 'netns', 'add', this.#name(name));
      onCleanup(() => run('ip', 'netns', 'del', this.#name(name)));
      this.#ip(name, 'link', 'set', 'lo', 'up');
    }
    this.#cable('client', 1);
    this.#cable('backend', 2);
  }

  /** A script of spec/support in one of the machines. */
  start(machine: string, script: string, ...args: string[]): Program {
    const path = fileURLToPath(new URL(script, import.meta.url));
    return new Program('ip', ['netns', 'exec', this.#name(machine), process.execPath, path, ...args]);
  }

  /** Pulls the plug on that machine's side: nothing tells the other end. */
  cut(machine: 'client' | 'backend'): void {
    this.#ip(machine, 'link', 'set', 'cable', 'down');
  }

  /** Delay and loss on both cables, both ways; false where the kernel has no netem. */
  impair(...how: string[]): boolean {
    const far = ['client', 'backend'].map((machine) => [machine, 'cable']);
    const near = ['tunnel', 'tunnel'].map((machine, at) => [machine, `to${at + 1}`]);
    return [...far, ...near].every(([machine = '', device = '']) =>
      works('tc', '-n', this.#name(machine), 'qdisc', 'add', 'dev', device, 'root', 'netem', ...how),
    );
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
    this.#ip(machine, 'addr', 'add', `10.91.${net}.1/24`, 'dev', 'cable');
    this.#ip('tunnel', 'addr', 'add', `10.91.${net}.2/24`, 'dev', `to${net}`);
    this.#ip(machine, 'link', 'set', 'cable', 'up');
    this.#ip('tunnel', 'link', 'set', `to${net}`, 'up');
  }

  #ip(machine: string, ...args: string[]): void {
    run('ip', '-n', this.#name(machine), ...args);
  }

  #name(machine: string): string {
    return `${this.#prefix}-${machine}`;
  }
}
