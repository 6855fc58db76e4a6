// Run by frameworks.spec.ts: an Express app in a cluster of two, which tells its port and which worker served.
import cluster from 'node:cluster';
import process from 'node:process';
import express from 'express';
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
  const app = express();
  app.use('/tunnel', (_req, res, next) => {
    res.set('X-Worker', String(cluster.worker.id));
    next();
  });
  app.use('/tunnel', tunnel);
  const server = app.listen(0, '127.0.0.1');
  process.on('disconnect', () => {
    server.close();
    void tunnel.close({ timeout: 0 });
  });
}
