// A primary of node:cluster and its workers, for cluster.spec.ts. Standard input has one command a line, standard output one line of
// JSON for each event. The workers' ports are printed, since the spec chooses the worker.
import cluster from 'node:cluster';
import { createInterface } from 'node:readline';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const { workers, options, shared, primaryShares, system } = JSON.parse(process.env.CLUSTER_SPEC);
const require = createRequire(import.meta.url);

async function load(name) {
  return system === 'cjs' ? require(name) : import(name);
}

const say = (event, info = {}) => process.stdout.write(`${JSON.stringify({ event, ...info })}\n`);
const { clusterShared } = await load('express-wstunnel/cluster');

if (cluster.isPrimary) {
  if (primaryShares) clusterShared(shared);
  for (let i = 0; i < workers; i++) cluster.fork({ NUMBER: String(i) });
  const find = (number) =>
    Object.values(cluster.workers).find(
      ({ process: child }) => child.spawnargs && numbers.get(child.pid) === number,
    );
  const numbers = new Map();
  cluster.on('message', (worker, message) => {
    if (message.spec === 'ready') numbers.set(worker.process.pid, message.number);
    if (message.spec !== undefined) say(message.spec, message);
  });
  createInterface({ input: process.stdin }).on('line', (line) => {
    const { command, worker, milliseconds } = JSON.parse(line);
    if (command === 'busy') {
      say('busy');
      for (const end = performance.now() + milliseconds; performance.now() < end;);
      say('idle');
    } else find(worker)?.send({ command: line });
  });
} else {
  const { wstunnel } = await load('express-wstunnel');
  const send = (spec, info) => process.send({ spec, number: Number(process.env.NUMBER), ...info });
  const state = clusterShared(shared);
  const tunnel = wstunnel({
    ...options,
    autoAttach: false,
    user: (req) => req.headers['x-user'],
    shared: state,
  });
  tunnel.on('shared', (info) => send('shared', info));
  tunnel.on('close', ({ code, user }) => send('close', { code, user }));
  process.on('warning', ({ message, code }) => send('warning', { message, code }));
  const admin = tunnel.admin();
  const server = createServer((req, res) => {
    const next = () => res.writeHead(404).end();
    if (req.url.startsWith('/admin/')) {
      req.url = req.url.slice('/admin'.length);
      admin(req, res, next);
    } else tunnel(req, res, next);
  });
  tunnel.attach(server);
  process.on('message', async ({ command }) => {
    if (command === undefined) return;
    const { command: name, where, ticket } = JSON.parse(command);
    if (name === 'ticket') send('ticket', { ticket: await tunnel.ticket(ticket) });
    else if (name === 'end') send('ended', await tunnel.end(where));
    else if (name === 'leave') {
      await tunnel.close({ timeout: 1 });
      await state.close();
      process.disconnect();
      process.exit(0);
    }
  });
  server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () =>
    send('ready', { port: server.address().port, pid: process.pid }),
  );
}
