// A tunnel in a process of its own, so that the memory measured is the middleware's alone. Its argument is the
// backend's port; it tells its own port, then answers every message with its memory: now, and the most since the last.
import process from 'node:process';
import { setInterval } from 'node:timers';
import express from 'express';
import { wstunnel } from '../../dist/index.js';

const app = express();
app.use('/tunnel', wstunnel({ server: { port: Number(process.argv[2]) } }));
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));

let peak = 0;
function sample() {
  const now = process.memoryUsage.rss();
  peak = Math.max(peak, now);
  return now;
}
setInterval(sample, 10);
process.on('message', () => {
  const now = sample();
  process.send({ now, peak });
  peak = 0;
});
process.on('disconnect', () => process.exit());
