// http-proxy-middleware in an Express 5 app, for backends that speak WebSocket.
import { createServer } from 'node:http';
import process from 'node:process';
import { parseArgs } from 'node:util';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';

const { values } = parseArgs({
  options: { port: { type: 'string' }, backend: { type: 'string' }, websocket: { type: 'string' } },
});

const proxy = createProxyMiddleware({ target: `http://127.0.0.1:${values.backend}`, ws: true });
const server = createServer(express().use(proxy));
server.on('upgrade', proxy.upgrade);
server.listen(Number(values.port), '127.0.0.1', 4096);
process.on('SIGTERM', () => process.exit());
