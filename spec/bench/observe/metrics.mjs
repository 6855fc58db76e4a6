// What the counts of `metrics()` cost: the page itself, and, against another build, each row of the relay and the memory of a tunnel.
import console from 'node:console';
import { median } from '../report.mjs';
import { openTunnels } from '../shared/replicas.mjs';
import { compileLoad } from '../system.mjs';
import { compare, spread, startApp } from './apps.mjs';
import { ROWS } from './rows.mjs';

/** `base`: a build without the counts, which are always on. */
export async function metrics({
  base,
  dist,
  tunnels,
  rows = ['page', ...(base ? ['download', 'upload', 'upload-64', 'echo', 'handshakes', 'memory'] : [])],
  pages,
  ...options
}) {
  const load = compileLoad();
  for (const name of rows) {
    if (name === 'page') await page({ dist, tunnels, pages });
    else if (name === 'memory') await memory({ base, dist, tunnels });
    else {
      const { bare, ...row } = ROWS[name];
      const { ratios } = await compare(
        { base: { dist: base, bare }, own: { dist, bare } },
        load,
        row,
        options,
      );
      console.log(`${name}, of ${base}: CPU ${spread(ratios.cpu)}, rate ${spread(ratios.rate)}`);
    }
  }
}

async function page({ dist, tunnels, pages }) {
  const app = await startApp({ dist });
  const empty = await app.ask('pages', pages);
  const close = await openTunnels(app, tunnels);
  const full = await app.ask('pages', pages);
  close();
  await app.stop();
  const text = ({ times, size }) =>
    `first ${times[0].toFixed(2)} ms, then ${median(times.slice(1)).toFixed(2)} ms, ${size} bytes`;
  console.log(`a page of metrics without tunnels: ${text(empty)}`);
  console.log(`a page of metrics with ${tunnels} tunnels: ${text(full)}`);
}

async function memory({ base, dist, tunnels }) {
  const each = {};
  for (const [name, build] of Object.entries({ base, own: dist })) {
    const app = await startApp({ dist: build });
    const warm = await openTunnels(app, Math.ceil(tunnels / 10));
    warm();
    const before = await app.ask('memory');
    const close = await openTunnels(app, tunnels);
    each[name] = ((await app.ask('memory')) - before) / tunnels;
    close();
    await app.stop();
  }
  console.log(
    `bytes of V8's heap and of buffers for each idle tunnel: ${each.own.toFixed(0)}, in ${base} ${each.base.toFixed(0)}`,
  );
}
