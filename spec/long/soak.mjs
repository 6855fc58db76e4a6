// A soak test of the built package: see README.md. `--seconds 7200 --out soak.jsonl`. SIGTERM ends the run early, with a verdict.
import console from 'node:console';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { clearInterval, setInterval } from 'node:timers';
import { performance } from 'node:perf_hooks';
import { startBackends } from './soak/backends.mjs';
import { Clients } from './soak/clients.mjs';
import { familyOf, startCommand, startRedis } from './soak/processes.mjs';
import { startServer } from './soak/server-process.mjs';
import { Trouble } from './soak/trouble.mjs';
import { fits, report } from './soak/verdict.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '7200' },
    // Between quiet samples; by default a fortieth of the run, at most three minutes.
    round: { type: 'string' },
    out: { type: 'string' },
    dist: { type: 'string', default: join(here, '../../dist') },
    // Only these kinds of sessions, such as slow,echo: to investigate a fault.
    kinds: { type: 'string' },
    workers: { type: 'string', default: '6' },
  },
});
const seconds = Number(values.seconds);
const round = Number(values.round ?? Math.max(9, Math.min(180, seconds / 40)));
let started = performance.now();
const elapsed = () => (performance.now() - started) / 1000;
const say = (line) => console.log(`${elapsed().toFixed(0).padStart(5)} s  ${line}`);

const folder = mkdtempSync(join(tmpdir(), 'wstunnel-soak-'));
for (const name of ['recordings', 'tokens']) mkdirSync(join(folder, name));
if (values.out) writeFileSync(values.out, '');

let isStopped = false;
const stopping = new globalThis.AbortController();
setMaxListeners(0, stopping.signal);
for (const signal of ['SIGTERM', 'SIGINT'])
  process.on(signal, () => {
    isStopped = true;
    stopping.abort();
  });

/** A list that prints each fault at once. */
const faults = [];
faults.push = (fault) => {
  say(`FAULT ${fault}`);
  return Array.prototype.push.call(faults, fault);
};
const sessions = new Map();
const backends = await startBackends(sessions, faults);
const redis = await startRedis(folder);
const secret = 'the secret of the soak, 32 bytes or more';
const tokenFile = join(folder, 'tokens', 'desks');
writeFileSync(tokenFile, `desk: 127.0.0.1:${backends.ports.bytes}\n`);
const settings = { dist: values.dist, redis: redis.port, ports: backends.ports, secret };
const server = await startServer({
  ...settings,
  recordings: join(folder, 'recordings'),
  tokens: join(folder, 'tokens'),
});
const command = await startCommand(values.dist, folder, backends.ports.bytes);
const { RecordingReader } = await import(pathToFileURL(join(values.dist, 'record/index.js')).href);
const clients = new Clients({
  server,
  redis,
  command,
  sessions,
  faults,
  secret,
  ports: backends.ports,
  recordings: join(folder, 'recordings'),
  RecordingReader,
  kinds: values.kinds?.split(','),
  longest: Math.min(150, round * 0.8),
});
const trouble = new Trouble({ server, redis, command, clients, faults, round });

const samples = [];

/** One line of the output. A quiet sample is taken while no client has a tunnel. */
async function sample(isQuiet) {
  const family = familyOf(command.pid);
  const taken = {
    at: Math.round(elapsed() * 10) / 10,
    isQuiet,
    sessions: clients.finished,
    ...(await server.ask('sample')),
    redisConnections: await redis.connections().catch(() => undefined),
    commandRss: family.rss,
    commandDescriptors: family.descriptors,
    commandProcesses: family.processes,
    cpu: server.cpu() + family.cpu + process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
  };
  samples.push(taken);
  if (values.out) appendFileSync(values.out, `${JSON.stringify(taken)}\n`);
  return taken;
}

/** Waits until all clients have left, then checks that they have left nothing behind. */
async function quiet() {
  await clients.pause();
  await trouble.settle();
  const { open, opening, leaving, loads, up } = await untilIdle();
  if (open !== 0 || opening !== 0 || leaving !== 0 || loads.length > 0)
    faults.push(`left over: ${open} open, ${opening} opening, ${leaving} old objects, loads ${loads}`);
  if (!up) faults.push('the shared state is down although Redis runs');
  for (let left = 600; ; left--) {
    const { processes, used } = await redis.slots();
    if (processes === 1 && Object.keys(used).length === 0) break;
    if (left === 0) {
      faults.push(`Redis counts ${JSON.stringify(used)} of ${processes} processes`);
      break;
    }
    await sleep(100);
  }
  const taken = await sample(true);
  say(
    `${clients.summary()}; quiet: heap ${(taken.heapUsed / 1e6).toFixed(2)} MB, rss ${(taken.rss / 1e6).toFixed(1)} MB, ` +
      `${taken.descriptors} descriptors, ${taken.handles} handles, ${taken.timers} timers, ${faults.length} faults`,
  );
}

async function untilIdle() {
  for (let left = 600; ; left--) {
    const now = await server.ask('sample');
    if (left === 0 || (now.open + now.opening + now.leaving + now.loads.length === 0 && now.up)) return now;
    await sleep(100);
  }
}

// The time starts after the processes: a busy machine takes seconds to start them.
started = performance.now();
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => faults.push(`${event} of the clients: ${error?.stack ?? error}`));
const sampler = setInterval(() => void sample(false).catch(() => undefined), 10_000);
say(`soak of ${seconds} s in rounds of ${round} s, process ${process.pid}`);
clients.start(Number(values.workers));
while (!isStopped && elapsed() < seconds) {
  await trouble.round(Math.min(round, Math.max(1, seconds - elapsed())), stopping.signal);
  await quiet();
  clients.resume();
}
clearInterval(sampler);
await clients.stop();
await sample(true);

const used = samples.at(-1).cpu;
const warnings = await server.ask('warnings');
const left = await server.ask('close');
if (left.open + left.opening + left.load > 0) faults.push(`after close(): ${JSON.stringify(left)}`);
const exit = await server.end();
if (exit !== 0) faults.push(`the server process ended with ${exit}`);
const { processes, used: slots } = await redis.slots();
if (processes + Object.keys(slots).length > 0)
  faults.push(`left in Redis: ${processes} processes, ${JSON.stringify(slots)}`);
const commandExit = await command.stop();
if (commandExit !== 0) faults.push(`the command ended with ${commandExit}`);
await redis.stop();
backends.close();
rmSync(folder, { recursive: true, force: true });

const rows = fits(samples);
for (const line of report(rows)) say(line);
if (rows.length === 0) say('too few quiet samples for a slope');
for (const [text, count] of Object.entries(warnings)) say(`warning (${count}): ${text}`);
say(`${clients.details()}; ${trouble.summary()}`);
say(`${((used / elapsed()) * 100).toFixed(1)} % of a core by server, command and clients`);
const isGood = faults.length === 0 && rows.every(({ isFlat }) => isFlat) && clients.isBusy();
say(isGood ? 'verdict: good' : `verdict: BAD (${faults.length} faults)`);
process.exitCode = isGood ? 0 : 1;
