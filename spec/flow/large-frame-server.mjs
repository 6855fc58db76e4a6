// A tunnel in a separate process, so that the measured memory is the middleware's alone. Argument: the port of the
// backend. The process sends its port, then answers every message with its memory: now, and the peak since the last.
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
