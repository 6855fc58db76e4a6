import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isInstalled } from '../programs.js';

const run = promisify(execFile);

/**
 * tmux only keeps the shell: no status line, no keys of its own, and no second screen, so that the page's scroll bar and selection
 * work as without tmux. The last line ends tmux after a demo that was killed.
 */
const settings = (pid: number) => `
set -g status off
set -g prefix None
set -g prefix2 None
unbind-key -a -T prefix
unbind-key -a -T root
set -g default-terminal screen-256color
set -g terminal-overrides "xterm*:smcup@:rmcup@"
set -g escape-time 0
set -g window-size latest
set -g history-limit 5000
run-shell -b "while kill -0 ${pid} 2>/dev/null; do sleep 1; done; tmux kill-server"
`;

/** A tmux of the demo's own, which keeps the shells while no page shows them. */
export class Tmux {
  // Only this user may enter the folder: who reaches the socket has the shells.
  readonly #folder = mkdtempSync(join(tmpdir(), 'wstunnel-demo-'));
  readonly #socket = join(this.#folder, 'tmux');
  readonly #settings = join(this.#folder, 'tmux.conf');

  constructor() {
    writeFileSync(this.#settings, settings(process.pid));
  }

  static isInstalled(): boolean {
    return isInstalled('tmux');
  }

  /** The command that shows the shell of that name, and starts the shell if there is none. */
  command(name: string): [string, ...string[]] {
    return ['tmux', '-u', '-S', this.#socket, '-f', this.#settings, 'new-session', '-A', '-s', name];
  }

  /** Ends a shell, if there is one of that name. */
  async end(name: string): Promise<void> {
    await this.#tell('kill-session', '-t', `=${name}`);
  }

  async close(): Promise<void> {
    await this.#tell('kill-server');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #tell(...args: string[]): Promise<void> {
    // Fails if the tmux server has no such session, or does not run.
    await run('tmux', ['-S', this.#socket, ...args]).catch(() => undefined);
  }
}
