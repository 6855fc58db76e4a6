import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { Program } from './programs.js';
import { openRaw } from './raw-client.js';
import { startBackend } from './servers.js';

/** The built command. */
export const CLI = join(import.meta.dirname, '../../dist/cli.js');

/** A command that has exited. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command, and resolves to the exit code and output; rejects if the command does not exit within 15 seconds. */
export function runCommand(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, ...env }, timeout: 15_000 };
    execFile(process.execPath, [CLI, ...args], options, (error, stdout, stderr) => {
      const code = error ? error.code : 0;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error ?? new Error('no exit code'));
    });
  });
}

/** A command that listens. */
export interface Listening {
  readonly program: Program;
  /** The URL in the command's first message, with the actual port. */
  readonly url: string;
  readonly port: number;
  /** Resolves to the exit code, or to the signal that killed the command. */
  exit(): Promise<number | string | null>;
}

/** Starts the command and waits for the message with its listen address. */
export async function startCommand(
  args: readonly string[],
  env: Record<string, string> = {},
  cli = CLI,
): Promise<Listening> {
  const program = new Program(process.execPath, [cli, ...args], env);
  const [, url = ''] = await program.prints(/listening on (\S+) for/);
  return { program, url, port: Number(/:(\d+)\/$/.exec(url)?.[1]), exit: () => exitOf(program) };
}

async function exitOf({ process: child }: Program): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode ?? child.signalCode;
}

/** Kills a process that is not a child of this process. */
export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The process has already ended.
  }
}

/** Writes files into a new folder, which is deleted after the test; resolves to their paths. */
export async function files(
  texts: Record<string, string | Uint8Array>,
  mode = 0o600,
): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-command-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  const entries = Object.entries(texts).map(([name, text]) => [name, text, join(folder, name)] as const);
  for (const [, text, path] of entries) await writeFile(path, text, { mode });
  return { ...Object.fromEntries(entries.map(([name, , path]) => [name, path])), folder };
}

/** A backend that sends its name, one letter. */
export async function startNamed(name: string): Promise<number> {
  return (await startBackend((socket) => socket.on('end', () => socket.end()).write(name))).port;
}

/** Opens a tunnel and resolves to the name of its backend. */
export async function nameAt(port: number, path = '/'): Promise<string> {
  const client = await openRaw(port, path);
  const name = (await client.payload(1)).toString();
  client.socket.destroy();
  return name;
}
