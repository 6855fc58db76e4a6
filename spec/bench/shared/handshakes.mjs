// Handshakes over Redis and without. All variants run side by side, and one after another gets the load: their figures differ by
// the store alone.
import console from 'node:console';
import { setTimeout as sleep } from 'node:timers/promises';
import { login, runLoad } from '../run.mjs';
import { compileLoad, cores, freePort } from '../system.mjs';
import { costOf, startRedis, untilFilled } from './redis.mjs';
import { median, startReplica } from './replicas.mjs';

const LIMITS = { total: 900_000, perClient: 900_000, perUser: 900_000 };

const VARIANTS = {
  alone: { limits: LIMITS },
  ioredis: { limits: LIMITS, client: 'ioredis' },
  'node-redis': { limits: LIMITS, client: 'node-redis' },
  'alone, no limits': { limits: {} },
  'ioredis, no limits': { limits: {}, client: 'ioredis' },
};

/** The variant without a store, for each with one. */
const AGAINST = { ioredis: 'alone', 'node-redis': 'alone', 'ioredis, no limits': 'alone, no limits' };

export async function handshakes({ rounds, seconds, warm, session }) {
  const load = compileLoad();
  const redis = await startRedis();
  const replicas = {};
  for (const [name, variant] of Object.entries(VARIANTS)) {
    const backend = await freePort();
    const store = variant.client && { redis: redis.port, replica: name.replaceAll(/\W+/g, '-') };
    const replica = await startReplica({ ...variant, ...store, backend, session }, cores[0]);
    replicas[name] = { ...replica, backend };
  }
  await untilFilled(redis);
  const cookie = {};
  if (session) for (const [name, { port }] of Object.entries(replicas)) cookie[name] = await login(port);
  const measure = async (name, time = seconds) => {
    const { port, backend, pid, ask } = replicas[name];
    // The load before ended in the midst of openings: their connections must not reach the new load's backend.
    while (await ask('usage').then(({ open, opening }) => open + opening > 0)) await sleep(20);
    const options = {
      mode: 'handshakes',
      relay: port,
      backend,
      group: pid,
      seconds: time,
      warm,
      frame: 1024,
    };
    const args = Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]);
    if (cookie[name]) args.push('--header', `Cookie: ${cookie[name]}`);
    return runLoad(args, load);
  };
  // A server's handshakes need thousands of runs to warm up.
  for (const name of Object.keys(VARIANTS)) await measure(name, seconds * 1.5);
  const figures = Object.fromEntries(Object.keys(VARIANTS).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const names = Object.keys(VARIANTS);
    for (const name of round % 2 === 0 ? names : names.reverse()) {
      let raw;
      const cost = await costOf(redis, async () => void (raw = await measure(name)));
      const rate = raw.trips / raw.seconds;
      // The load's warm-up runs handshakes as well.
      const all = rate * (raw.seconds + warm);
      const cpu = (raw.cpu / raw.trips) * 1e6;
      figures[name].push({
        rate,
        cpu,
        commands: cost.sent / all,
        bytes: (cost.bytesIn + cost.bytesOut) / all,
      });
    }
  }
  for (const replica of Object.values(replicas)) await replica.stop();
  await redis.stop();
  console.log(`handshakes, ${session ? 'Express with a session' : 'bare http'}:`);
  for (const [name, all] of Object.entries(figures))
    console.log(`  ${name}: ${describe(name, all, figures)}`);
}

function describe(name, all, figures) {
  const of = (metric) => median(all.map((one) => one[metric]));
  const text = `${of('rate').toFixed(0)}/s, CPU ${of('cpu').toFixed(0)} µs`;
  const peers = figures[AGAINST[name]];
  if (!peers) return text;
  const ratio = (metric) => median(all.map((one, at) => one[metric] / peers[at][metric])).toFixed(3);
  const store = `${of('commands').toFixed(2)} commands and ${of('bytes').toFixed(0)} bytes each`;
  return `${text}, ${store}; ratio of rates ${ratio('rate')}, of CPU ${ratio('cpu')}`;
}
