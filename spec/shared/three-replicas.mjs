// One of three replicas of an app behind a balancer, with the built package. argv: its settings as JSON. Prints its port.
import { once } from 'node:events';
import { createServer } from 'node:http';
import process from 'node:process';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { redisShared } from 'express-wstunnel/redis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

const { name, kind, redis, backend, ttl, limits, grace } = JSON.parse(process.argv[2] ?? '');

async function connect() {
  if (kind === 'ioredis') {
    const client = new Redis(redis, '127.0.0.1');
    client.on('error', () => undefined);
    return { client, end: () => client.disconnect() };
  }
  const client = createClient({ url: `redis://127.0.0.1:${redis}` });
  client.on('error', () => undefined);
  await client.connect();
  return { client, end: () => client.destroy() };
}

const { client, end } = await connect();
const shared = redisShared(client, { replica: name, ttl, whenDown: 'refuse' });
const app = express();
const tunnel = wstunnel({
  server: { port: backend },
  user: (req) => req.headers['x-user'],
  limits,
  shared,
});
app.use('/tunnel', tunnel);
app.get('/health', (_req, res) => res.sendStatus(shared.up && !tunnel.draining ? 200 : 503));
app.post('/logout/:user', (req, res, next) => {
  tunnel.end({ user: req.params.user }, 1008, 'logged out').then((result) => res.json(result), next);
});
app.get('/open', (_req, res) => res.json(tunnel.stats().open));

const server = createServer(app).listen(0, '127.0.0.1');
await once(server, 'listening');

process.once('SIGTERM', async () => {
  await tunnel.close({ grace, spread: grace / 4, timeout: 5 });
  await shared.close();
  end();
  server.close();
  server.closeAllConnections();
});
process.stdout.write(`port ${server.address().port}\n`);
