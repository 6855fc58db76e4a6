// The parts of the machine that the bench uses: programs, cores, ports, descriptors.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const here = dirname(fileURLToPath(import.meta.url));

/** The folder for compiled programs and configurations; deleted at the end of the process. */
export const folder = mkdtempSync(join(tmpdir(), 'wstunnel-bench-'));

const running = new Set();
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/** @returns {string | undefined} the program's output, if the program runs */
export function tryRun(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });
  } catch {
    return undefined;
  }
}

export function has(program) {
  return tryRun('sh', '-c', 'command -v "$1"', 'sh', program) !== undefined;
}

/** The cores that this process may use: the first core runs the relay, the last core the load. */
export const cores = readFileSync('/proc/self/status', 'utf8')
  .match(/Cpus_allowed_list:\s*(\S+)/)[1]
  .split(',')
  .flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
const RELAY_CORE = cores[0];
export const LOAD_CORE = cores.at(-1);
export const ALL_CORES = cores.join(',');

/** The number of descriptors that a child may have; if the limit can be raised, enough for 9,000 tunnels. */
export const descriptors = (() => {
  const [, hard] = readFileSync('/proc/self/limits', 'utf8').match(/Max open files\s+\d+\s+(\S+)/);
  const limit = hard === 'unlimited' ? 1_048_576 : Number(hard);
  const wanted = 20_000;
  if (limit >= wanted) return limit;
  return tryRun('prlimit', `--nofile=${wanted}:${wanted}`, 'true') === undefined ? limit : wanted;
})();

/**
 * Runs a program on a core, or on several, and in its own process group, whose time and memory the load can add up. The program's output is
 * kept in `output`.
 */
export function start(command, args, { core = RELAY_CORE, env = {} } = {}) {
  const all = [`--nofile=${descriptors}:${descriptors}`, 'taskset', '-c', String(core), command, ...args];
  const child = spawn('prlimit', all, {
    ...{ detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...process.env, ...env },
  });
  running.add(child);
  child.output = '';
  child.on('error', (error) => (child.output += error.message));
  child.stderr.on('data', (chunk) => (child.output = (child.output + chunk).slice(-4000)));
  child.stdout.on('data', (chunk) => (child.output = (child.output + chunk).slice(-4000)));
  return child;
}

export function hasEnded(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Ends the whole process group, since children may outlive the started process. */
export async function stop(child, signal = 'SIGKILL') {
  const ended = hasEnded(child) ? undefined : once(child, 'exit');
  killGroup(child, signal);
  await ended;
  running.delete(child);
}

function killGroup(child, signal) {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Below the ephemeral ports, which the kernel gives to thousands of connections. */
let nextPort = 20_000 + (process.pid % 97) * 100;
export async function freePort() {
  for (;;) {
    const port = nextPort++;
    const server = createServer();
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Compiles the load generator; without OpenSSL's headers, without TLS. */
export function compileLoad() {
  if (!has('cc')) throw new Error('missing: a C compiler. apt-get install gcc libc6-dev');
  const sources = readdirSync(join(here, 'load')).filter((name) => name.endsWith('.c'));
  const program = join(folder, 'load');
  const flags = ['-O2', '-Wall', '-Wextra', '-D_GNU_SOURCE', '-o', program];
  flags.push(...sources.map((name) => join(here, 'load', name)));
  const tls = tryRun('cc', ...flags, '-DWITH_TLS', '-lssl', '-lcrypto') !== undefined;
  if (!tls) execFileSync('cc', flags, { stdio: ['ignore', 'inherit', 'inherit'] });
  return { program, tls };
}

let pem;
/** A key and its certificate in one file, created once. */
export function certificate() {
  if (pem) return pem;
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const how = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', ...how, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  });
  pem = join(folder, 'both.pem');
  writeFileSync(pem, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
  return pem;
}

/** A description of the machine. */
export function machine() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpu?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    descriptors,
    loadAverage: loadavg()[0],
  };
}
