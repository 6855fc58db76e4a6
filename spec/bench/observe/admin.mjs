// What the admin page costs: one app with thousands of tunnels, of which some hundred are busy, with an event stream open and without, in turn.
import console from 'node:console';
import { EventEmitter, once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../report.mjs';
import { openTunnels } from '../shared/replicas.mjs';
import { compileLoad } from '../system.mjs';
import { measure, spread, startApp, untilClosed } from './apps.mjs';
import { BUSY } from './rows.mjs';

export async function admin({
  dist,
  tunnels,
  turns,
  seconds,
  warm,
  rows = ['page', ...Object.keys(BUSY)],
  busy,
}) {
  const load = compileLoad();
  const app = await startApp({ dist, admin: true });
  const close = await openTunnels(app, tunnels);
  const { open } = await app.ask('usage');
  for (const name of rows) {
    if (name === 'page') {
      await page(app, { open, seconds: Math.max(2.5, seconds * 5) });
      continue;
    }
    const row = { ...BUSY[name], args: [...BUSY[name].args, '--tunnels', String(busy)] };
    const ratios = {};
    const run = async () => {
      const result = await measure(app, load, row, { seconds, warm });
      await untilClosed(app, open);
      return Object.fromEntries(Object.entries(row.figures).map(([figure, from]) => [figure, from(result)]));
    };
    await run();
    for (let turn = 0; turn < turns; turn++) {
      const pair = {};
      for (const state of turn % 2 === 0 ? ['without', 'with'] : ['with', 'without']) {
        const stream = state === 'with' ? await openStream(app) : undefined;
        pair[state] = await run();
        stream?.close();
        if (stream?.events < 1) throw new Error('the stream had no event');
      }
      for (const figure of Object.keys(row.figures))
        (ratios[figure] ??= []).push(pair.with[figure] / pair.without[figure]);
    }
    const texts = Object.entries(ratios).map(([figure, values]) => `${figure} ${spread(values)}`);
    console.log(
      `${name}, ${busy} of ${open + busy} tunnels busy, with an event stream, of without: ${texts.join(', ')}`,
    );
  }
  close();
  await app.stop();
}

/** CPU of one state, without other work. */
async function page(app, { open, seconds }) {
  const cpuOf = async (run) => {
    const before = await app.ask('usage');
    await run();
    const after = await app.ask('usage');
    return { cpu: after.cpu - before.cpu, seconds: after.at - before.at };
  };
  const idle = await cpuOf(() => sleep(seconds * 1000));
  const shares = [];
  for (const query of ['', '?sort=received&order=desc', '?q=user-1&sort=user']) {
    const stream = await openStream(app, query);
    await once(stream, 'event');
    const from = stream.events;
    const used = await cpuOf(() => sleep(seconds * 1000));
    const events = stream.events - from;
    stream.close();
    const own = used.cpu - (idle.cpu / idle.seconds) * used.seconds;
    shares.push(own / used.seconds);
    console.log(
      `a state of ${open} tunnels, /events${query}: CPU ${((own / events) * 1000).toFixed(2)} ms, ${stream.size} bytes, ` +
        `${(events / used.seconds).toFixed(2)} per second`,
    );
  }
  console.log(`share of a core: ${(median(shares) * 100).toFixed(2)} %`);
}

/** A reader of the event stream, which opens the stream again when the server ends it. */
async function openStream({ port }, query = '') {
  const stream = Object.assign(new EventEmitter(), { events: 0, size: 0 });
  let isClosed = false;
  let request;
  const read = async () => {
    request = get({ host: '127.0.0.1', port, path: `/admin/events${query}`, agent: false });
    const [response] = await once(request, 'response');
    if (response.statusCode !== 200) throw new Error(`/admin/events: ${response.statusCode}`);
    let left = '';
    response.setEncoding('utf8');
    response.on('data', (text) => {
      const parts = (left + text).split('\n\n');
      left = parts.pop();
      for (const part of parts) {
        if (!part.includes('event: state')) continue;
        stream.events++;
        stream.size = part.length;
        stream.emit('event');
      }
    });
    response.on('error', () => undefined);
    response.on('close', () => {
      if (!isClosed) void read();
    });
  };
  stream.close = () => {
    isClosed = true;
    request.on('error', () => undefined);
    request.destroy();
  };
  await read();
  return stream;
}
