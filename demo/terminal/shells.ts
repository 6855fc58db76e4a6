import { homedir, userInfo } from 'node:os';
import { spawn } from '@lydell/node-pty';
import { PtyStream, type Size } from './pty-stream.js';
import { Tmux } from './tmux.js';

export interface ShellsOptions {
  /** Seconds without a page after which a shell ends. Only tmux keeps a shell without a page. Default: 600. */
  readonly idleTimeout?: number;
}

const IDLE_TIMEOUT = 600;

/** The environment of npm and Node is for the demo, not for the shell. The secrets of the demo are not for the shell either. */
const OWN_VARIABLES = /^(npm_|NODE|INIT_CWD$|VNC_PASSWORD$)/;

/** One shell for each login. A shell runs as the user of the demo. */
export class Shells {
  readonly #tmux = Tmux.isInstalled() ? new Tmux() : undefined;
  readonly #idle: number;
  readonly #pages = new Map<string, number>();
  readonly #ends = new Map<string, NodeJS.Timeout>();

  constructor({ idleTimeout = IDLE_TIMEOUT }: ShellsOptions = {}) {
    this.#idle = idleTimeout * 1000;
  }

  /** Does a shell outlive its page? */
  get isKept(): boolean {
    return this.#tmux !== undefined;
  }

  /** The shell of a login; two pages of one login show the same shell, where tmux is installed. */
  open(login: string, { cols, rows }: Size): PtyStream {
    const shell = process.env.SHELL ?? (userInfo().shell || '/bin/sh');
    const [file, ...args] = this.#tmux?.command(nameOf(login)) ?? [shell];
    const pty = spawn(file, args, {
      name: 'xterm-256color',
      cols,
      rows,
      cwd: homedir(),
      env: environment(),
      // Bytes: text may be cut in the middle of a character.
      encoding: null,
    });
    this.#enter(login);
    const stream = new PtyStream(pty);
    stream.once('close', () => this.#leave(login));
    return stream;
  }

  /** The login has ended, or may have no shell any more. */
  async end(login: string): Promise<void> {
    clearTimeout(this.#ends.get(login));
    this.#ends.delete(login);
    await this.#tmux?.end(nameOf(login));
  }

  /** The logins of an account that have a shell, those without a page too. */
  loginsOf(account: string): string[] {
    const all = new Set([...this.#pages.keys(), ...this.#ends.keys()]);
    return [...all].filter((login) => login.slice(0, login.lastIndexOf('/')) === account);
  }

  async close(): Promise<void> {
    for (const timer of this.#ends.values()) clearTimeout(timer);
    await this.#tmux?.close();
  }

  #enter(login: string): void {
    clearTimeout(this.#ends.get(login));
    this.#ends.delete(login);
    this.#pages.set(login, (this.#pages.get(login) ?? 0) + 1);
  }

  #leave(login: string): void {
    const left = (this.#pages.get(login) ?? 1) - 1;
    if (left > 0) {
      this.#pages.set(login, left);
      return;
    }
    this.#pages.delete(login);
    const timer = setTimeout(() => void this.end(login), this.#idle);
    this.#ends.set(login, timer.unref());
  }
}

/** tmux gives `.` and `:` in the name of a session a meaning, and a login has a slash. */
const nameOf = (login: string) => login.replace(/[^\w-]/g, '_');

function environment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !OWN_VARIABLES.test(name));
  const { LANG, LC_ALL } = process.env;
  return {
    ...Object.fromEntries(kept),
    COLORTERM: 'truecolor',
    ...(LANG === undefined && LC_ALL === undefined && { LANG: 'C.UTF-8' }),
  };
}
