// The app of observe.mjs, in a process of its own: a tunnel in Express 5, or in bare http. Argument: JSON of { dist, backend, bare, record, admin }.
// Answers the messages { ask, data } of its parent.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import express from 'express';

const { dist, backend, bare, record, admin } = JSON.parse(process.argv[2]);
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const { wstunnel } = await load('index.js');

/** A backend without a descriptor: the idle tunnels would need thousands. */
class Idle extends Duplex {
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
  _final(done) {
    this.push(null);
    done();
  }
}

const recorder = record && (await load('record/index.js')).fileRecorder(record);
const tunnel = wstunnel({
  server: (req) => (req.headers['x-user'] ? new Idle() : { port: backend }),
  user: (req) => req.headers['x-user'],
  pingInterval: 0,
  limits: { opening: { total: 0, perClient: 0 } },
  ...(recorder && { record: recorder }),
});

/** Warnings of the recorder: a recording that stopped would make the figures worthless. */
const warnings = [];
process.on('warning', ({ code, message }) => {
  if (code === 'WSTUNNEL_RECORD') warnings.push(message);
});

const app = express();
if (admin) app.use('/admin', tunnel.admin());
app.use('/tunnel', tunnel);
const server = createServer(bare ? (req, res) => tunnel(req, res, () => res.end()) : app);

const ASKS = {
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpu: (user + system) / 1e6, at: performance.now() / 1000, open: tunnel.stats().open };
  },
  /** Bytes of V8's heap and of buffers. */
  async memory() {
    for (let times = 0; times < 4; times++) {
      globalThis.gc();
      await sleep(50);
    }
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  },
  /** Milliseconds of each page of metrics, and its size. */
  pages(count) {
    const times = [];
    let size = 0;
    for (let left = count; left > 0; left--) {
      const started = performance.now();
      size = tunnel.metrics().length;
      times.push(performance.now() - started);
    }
    return { times, size };
  },
  warnings: () => warnings,
};

process.on('message', async ({ id, ask, data }) => process.send({ id, answer: await ASKS[ask](data) }));
process.on('disconnect', () => process.exit());
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send({ port: server.address().port }),
);
