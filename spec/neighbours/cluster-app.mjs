// For frameworks.spec.ts: an app in a cluster of two workers, which prints the port and each tunnel's worker.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import process from 'node:process';
import connect from 'connect';
import express from 'express';
import express4 from 'express4';
import { wstunnel } from '../../dist/index.js';

if (cluster.isPrimary) {
  const ports = [];
  cluster.on('listening', (_worker, { port }) => {
    if (ports.push(port) === 2) process.stdout.write(`PORT=${port}\n`);
  });
  cluster.fork();
  cluster.fork();
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit()));
} else {
  const tunnel = wstunnel({ server: { port: Number(process.env.BACKEND) } });
  const tell = (_req, res, next) => {
    res.setHeader('X-Worker', String(cluster.worker.id));
    next();
  };
  const frameworks = {
    'Express 5': () => express().use('/tunnel', tell, tunnel),
    'Express 4': () => express4().use('/tunnel', tell, tunnel),
    Connect: () => connect().use('/tunnel', tell).use('/tunnel', tunnel),
    'plain http': () => (req, res) => tell(req, res, () => tunnel(req, res, () => res.end())),
  };
  const server = createServer(frameworks[process.env.FRAMEWORK]()).listen(0, '127.0.0.1');
  process.on('disconnect', () => {
    server.close();
    void tunnel.close({ timeout: 0 });
  });
}
