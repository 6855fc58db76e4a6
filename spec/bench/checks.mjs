// What the checks of a login cost (`revalidate`): CPU of one check against a GET of the same app, the share of a core of many
// tunnels, and the memory that an open tunnel keeps for them.
//
//     node spec/bench/checks.mjs [--tunnels 9000] [--every 60] [--seconds 60] [--rounds 3] [--part one|share] [--quick]
import { fork } from 'node:child_process';
import console from 'node:console';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    tunnels: { type: 'string', default: '9000' },
    every: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
    part: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
const [tunnels, every, seconds, rounds] = ['tunnels', 'every', 'seconds', 'rounds'].map((name) =>
  Number(values[name]),
);

/** Part of the work of a whole run: a quick run shows that everything works, not how much it costs. */
const SCALE = values.quick ? 0.05 : 1;

/** What Chrome sends with an upgrade. */
const HEADERS = {
  Connection: 'Upgrade',
  Pragma: 'no-cache',
  'Cache-Control': 'no-cache',
  'User-Agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
  'Sec-WebSocket-Protocol': 'binary',
};

async function startApp(interval, touch = 'active') {
  const child = fork(fileURLToPath(new URL('checks-app.mjs', import.meta.url)), [String(interval), touch], {
    execArgv: ['--expose-gc'],
  });
  const answer = async () => (await once(child, 'message'))[0];
  const { port } = await answer();
  const login = await page(port, '/login');
  return {
    port,
    cookie: login.headers['set-cookie'][0].split(';')[0],
    usage: (settle = false) => {
      child.send(settle);
      return answer();
    },
    stop: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

async function page(port, path, { agent, headers = {} } = {}) {
  const [res] = await once(get({ port, path, agent, headers, host: '127.0.0.1' }), 'response');
  for await (const chunk of res) void chunk;
  return res;
}

/** Opens tunnels, 32 at a time; each has a URL of its own, so that no two share a check. */
async function openTunnels({ port, cookie }, count) {
  const sockets = [];
  const open = async (number) => {
    const lines = Object.entries({
      Host: `localhost:${port}`,
      ...HEADERS,
      Origin: `http://localhost:${port}`,
      Cookie: `theme=dark; ${cookie}`,
    });
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`GET /tunnel?desktop=${number} HTTP/1.1\r\n${head}\r\n`);
    const [answer] = await once(socket, 'data');
    if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(answer.toString('latin1'));
  };
  for (let from = 0; from < count; from += 32)
    await Promise.all(Array.from({ length: Math.min(32, count - from) }, (_, at) => open(from + at)));
  return () => sockets.forEach((socket) => socket.destroy());
}

/** CPU seconds of the app for `run`. */
async function cpuOf(app, run) {
  const before = await app.usage();
  await run();
  const after = await app.usage();
  return { cpu: after.cpu - before.cpu, seconds: after.at - before.at, checks: after.checks - before.checks };
}

/** Microseconds of CPU of one GET, over one connection that stays open. */
async function costOfGet(count = 8000 * SCALE) {
  const app = await startApp(0);
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const headers = Object.fromEntries(
    Object.entries(HEADERS).filter(([name]) => !/upgrade|^sec|^conn/i.test(name)),
  );
  const some = (left) =>
    Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let one = 0; one < left / 4; one++)
          await page(app.port, '/page', {
            agent,
            headers: { ...headers, Cookie: `theme=dark; ${app.cookie}` },
          });
      }),
    );
  await some(3000 * SCALE);
  const { cpu } = await cpuOf(app, () => some(count));
  agent.destroy();
  await app.stop();
  return (cpu / count) * 1e6;
}

/** Microseconds of CPU of one check: 200 tunnels, each checked five times a second, less the CPU without checks. */
async function costOfCheck(touch) {
  const used = {};
  for (const interval of [0, 0.2]) {
    const app = await startApp(interval, touch);
    const close = await openTunnels(app, 200);
    await sleep(3000 * SCALE);
    used[interval] = await cpuOf(app, () => sleep(6000 * SCALE));
    close();
    await app.stop();
  }
  const rest = (used[0].cpu / used[0].seconds) * used[0.2].seconds;
  return ((used[0.2].cpu - rest) / used[0.2].checks) * 1e6;
}

/** Share of a core, and memory of each tunnel, while the logins of all tunnels are checked. */
async function share(interval) {
  const app = await startApp(interval);
  const warm = await openTunnels(app, 300);
  warm();
  await sleep(500);
  const empty = await app.usage(true);
  const close = await openTunnels(app, tunnels);
  const open = await app.usage(true);
  const { cpu, seconds: passed, checks } = await cpuOf(app, () => sleep(seconds * 1000));
  const after = await app.usage(true);
  close();
  await app.stop();
  const bytes = (usage) => (usage.bytes - empty.bytes) / tunnels;
  return { share: cpu / passed, checks, bytes: bytes(open), bytesLater: bytes(after) };
}

const round = (value, digits = 0) => value.toFixed(digits);

const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];

if (values.part !== 'share') {
  const ratios = { never: [], always: [] };
  for (let left = rounds; left > 0; left--) {
    const plain = await costOfGet();
    const [never, always] = [await costOfCheck('never'), await costOfCheck('always')];
    console.log(`GET ${round(plain)} µs, check ${round(never)} µs, check that touches ${round(always)} µs`);
    ratios.never.push(never / plain);
    ratios.always.push(always / plain);
  }
  const [never, always] = [median(ratios.never), median(ratios.always)];
  console.log(`a check costs ${round(never, 2)} times a GET, with a touch ${round(always, 2)} times`);
}

if (values.part !== 'one') {
  const [off, on] = [await share(0), await share(every)];
  console.log(
    `${tunnels} tunnels, ${round(seconds)} s: ${round(off.share * 100, 2)} % of a core without checks,`,
  );
  console.log(`${round(on.share * 100, 2)} % with one check of each in ${every} s (${on.checks} checks)`);
  console.log(
    `bytes of each tunnel: ${round(off.bytes)} without checks, ${round(on.bytes)} with; later ${round(off.bytesLater)}, ${round(on.bytesLater)}`,
  );
}
