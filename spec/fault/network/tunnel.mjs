// A process in a network namespace: an Express app with a tunnel, which prints its events on stdout.
import console from 'node:console';
import { createServer } from 'node:http';
import process from 'node:process';
import { setInterval } from 'node:timers';
import express from 'express';
import { wstunnel } from '../../../dist/index.js';

const tunnel = wstunnel(JSON.parse(process.argv[2]));
const server = createServer(express().use('/tunnel', tunnel));
tunnel.on('close', ({ code, reason }) => console.log(`closed ${code} ${reason}`));
tunnel.on('open', () => console.log('opened'));
let left = -1;
setInterval(() => {
  server.getConnections((_error, count) => {
    const { open, backends } = tunnel.stats();
    const now = count + open + backends.reduce((sum, { load }) => sum + load, 0);
    if (now !== left) console.log(`left ${now}`);
    left = now;
  });
}, 50);
server.listen(8080, () => console.log('listening'));
