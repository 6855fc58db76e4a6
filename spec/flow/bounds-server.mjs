// A tunnel in a separate process, so that the measurement covers the middleware alone. Arguments: the options of the
// tunnel as JSON and, instead of a free port, the path of a unix socket. The process reports the listening event, then
// answers every message with the resources used; a message of n milliseconds first blocks the event loop for n ms.
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { setInterval } from 'node:timers';
import express from 'express';
import { wstunnel } from '../../dist/index.js';

const [options, path] = process.argv.slice(2);
const tunnel = wstunnel(JSON.parse(options));
const server = express()
  .use('/tunnel', tunnel)
  .listen(path ?? { port: 0, host: '127.0.0.1' }, () => process.send({ port: server.address().port ?? 0 }));

const ended = {};
tunnel.on('close', ({ code, reason }) => {
  const why = `${code} ${reason}`;
  ended[why] = (ended[why] ?? 0) + 1;
});

let peak = 0;
function sample() {
  const now = process.memoryUsage.rss();
  peak = Math.max(peak, now);
  return now;
}
setInterval(sample, 20).unref();

process.on('message', (stall) => {
  for (const end = performance.now() + stall; performance.now() < end;);
  const now = sample();
  const { user, system } = process.cpuUsage();
  const timers = process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length;
  process.send({ now, peak, cpu: (user + system) / 1e6, timers, open: tunnel.stats().open, ended });
  peak = 0;
});
process.on('disconnect', () => process.exit());
