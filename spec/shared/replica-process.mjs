// A replica in a process of its own, for tests that kill or stop it. Prints its port. Arguments: the port of Redis, of the backend, the name.
import console from 'node:console';
import { createServer } from 'node:http';
import process from 'node:process';
import { createClient } from 'redis';
import { wstunnel } from '../../dist/index.mjs';
import { redisShared } from '../../dist/redis/index.mjs';

const [redisPort, backendPort, replica, hours = '0'] = process.argv.slice(2);
// A wrong clock.
const now = Date.now;
Date.now = () => now() + Number(hours) * 3600_000;

const client = await createClient({ url: `redis://127.0.0.1:${redisPort}` }).connect();
const shared = redisShared(client, { replica, ttl: 3, names: 'plain', whenDown: 'refuse' });
const tunnel = wstunnel({
  server: { port: Number(backendPort) },
  user: (req) => req.headers['x-user'],
  limits: { total: 50, perUser: 2 },
  shared,
});
tunnel.on('close', ({ user, code, cause }) => console.log(`closed ${user} ${code} ${cause}`));
tunnel.on('shared', ({ up, reason }) => console.log(`${up ? 'up' : 'down'}: ${reason}`));
const server = createServer((req, res) => tunnel(req, res, () => res.end()));
tunnel.attach(server);
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
