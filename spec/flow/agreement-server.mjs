// A process with a tunnel to several hosts, for agreement.spec.ts: node agreement-server.mjs BALANCE PORT...
import console from 'node:console';
import process from 'node:process';
import express from 'express';
import { wstunnel } from '../../dist/index.mjs';

const [balance, ...ports] = process.argv.slice(2);
const app = express();
const stickyKey = (req) => req.headers['x-key'];
const server = ports.map((port) => ({ port: Number(port) }));
app.use('/', wstunnel({ server, balance, ...(balance === 'sticky' && { stickyKey }) }));
const listener = app.listen(0, '127.0.0.1', () => console.log(`PORT=${listener.address().port}`));
