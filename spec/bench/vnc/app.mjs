// The app of vnc.mjs, in a process of its own. Argument: JSON of { dist, backend, vnc }. Answers the messages { ask } of its parent.
import { createServer } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import express from 'express';

const { dist, backend, vnc } = JSON.parse(process.argv[2]);
const { wstunnel } = await import(pathToFileURL(join(dist, 'index.js')).href);
const app = express().use(
  '/tunnel',
  wstunnel({ server: { port: backend }, pingInterval: 0, ...(vnc && { vnc }) }),
);
const server = createServer(app);

const ASKS = {
  /** Seconds, user and system. */
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
};

process.on('message', ({ id, ask }) => process.send({ id, answer: ASKS[ask]() }));
process.on('disconnect', () => process.exit());
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
