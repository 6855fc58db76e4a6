import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { Program } from './programs.js';

const DEMO = join(import.meta.dirname, '../../demo');

/** The compiled program of the demo. */
export const MAIN = join(DEMO, '.build/main.js');

/** Compiles the demo as `npm run demo` does. Two workers may do so at once, and one of them may be running the program already. */
export function compileDemo(): void {
  const { config } = ts.readConfigFile(join(DEMO, 'tsconfig.json'), (path) => ts.sys.readFile(path)) as {
    config: unknown;
  };
  const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, DEMO);
  const program = ts.createProgram(fileNames, options);
  const { emitSkipped, diagnostics } = program.emit(undefined, replaceFile);
  const host = {
    getCanonicalFileName: (name: string) => name,
    getCurrentDirectory: () => DEMO,
    getNewLine: () => '\n',
  };
  const errors = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (emitSkipped || errors.length > 0) throw new Error(ts.formatDiagnostics(errors, host));
}

/** Other processes see the old file or the new one, never a part. */
function replaceFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  try {
    if (readFileSync(path, 'utf8') === text) return;
  } catch {
    // A new file.
  }
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

/** A demo of several processes. */
export interface ReplicatedDemo {
  readonly program: Program;
  /** The port of the balancer. */
  readonly port: number;
  /** The ports of the replicas. */
  readonly ports: readonly [number, number];
  /** The process ids of the replicas. */
  readonly pids: readonly [number, number];
  readonly redis: { readonly port: number; readonly password: string };
}

/** The login of {@link startReplicatedDemo}. */
export const LOGIN = { username: 'ada', password: 'correct horse' };

/** Starts the demo with two replicas, a balancer and a Redis. */
export async function startReplicatedDemo(...args: string[]): Promise<ReplicatedDemo> {
  const { username, password } = LOGIN;
  const own = ['--replicas', '2', '--port', '0', '--user', username, '--password', password];
  const program = new Program(process.execPath, [MAIN, ...own, ...args]);
  const [, port] = await program.prints(/open +http:\S+:(\d+)\//);
  const [, one, first] = await program.prints(/replica 1 http:\S+:(\d+)\/ +\(process (\d+)\)\n/);
  const [, other, second] = await program.prints(/replica 2 http:\S+:(\d+)\/ +\(process (\d+)\)\n/);
  const [, secret = '', redis] = await program.prints(/REDISCLI_AUTH=(\S+) redis-cli -p (\d+)\n/);
  return {
    program,
    port: Number(port),
    ports: [Number(one), Number(other)],
    pids: [Number(first), Number(second)],
    redis: { port: Number(redis), password: secret },
  };
}
