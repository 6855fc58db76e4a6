// Plays the container engine: runs the command of an image as process 1 of its own namespace, as the image's user, and a client
// beside it. Runs itself in a network namespace without any other address than loopback. argv: the image as JSON; $ROOT: its root.
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';

const { image, login, path, subject } = JSON.parse(process.argv[2] ?? '');
const root = process.env.ROOT ?? '';
const [uid, gid] = image.user.split(':');
const asUser = [
  'setpriv',
  `--reuid=${uid}`,
  `--regid=${gid}`,
  '--clear-groups',
  '--bounding-set=-all',
  '--inh-caps=-all',
];
const inside = [
  'chroot',
  root,
  'env',
  '-i',
  `PATH=${process.env.PATH}`,
  ...image.env,
  ...asUser,
  '--no-new-privs',
];

const echo = createServer((socket) => socket.pipe(socket)).listen(5900, '127.0.0.1');
await once(echo, 'listening');

async function isHealthy() {
  const [command, ...args] = [...inside, ...image.healthcheck];
  const check = spawn(command, args, { stdio: ['ignore', 2, 2], timeout: 10_000 });
  const [code] = await once(check, 'exit');
  return code === 0;
}

async function pageFor(headers) {
  const asked = request({ host: '127.0.0.1', port: 6080, path: '/vnc.html', headers, agent: false }).end();
  const [answer] = await once(asked, 'response');
  return { status: answer.statusCode, body: await text(answer) };
}

const found = { healthyBefore: await isHealthy() };
const start = 'mount -t proc proc "$ROOT/proc"; exec "$@"';
const args = ['--pid', '--fork', '--kill-child', '--mount', 'sh', '-c', start, 'sh'];
const container = spawn('unshare', [...args, ...inside, ...image.entrypoint, ...image.cmd], {
  stdio: ['ignore', 2, 2],
});
const exited = once(container, 'exit');

for (let left = 100; !(await isHealthy()) && left > 0; left--) await sleep(50);
found.healthy = await isHealthy();

const [pid] = (await readFile(`/proc/${container.pid}/task/${container.pid}/children`, 'utf8'))
  .trim()
  .split(' ');
const status = await readFile(`/proc/${pid}/status`, 'utf8');
const field = (name) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/).at(-1);
found.process = {
  pid: field('NSpid'),
  uid: field('Uid'),
  capabilities: field('CapEff'),
  privileges: field('NoNewPrivs'),
};

const headers = { Host: subject, Authorization: `Basic ${Buffer.from(login).toString('base64')}` };
found.stranger = (await pageFor({ Host: subject })).status;
const page = await pageFor(headers);
found.page = { status: page.status, isNoVnc: page.body.includes('noVNC') };

const client = new WebSocket(`ws://127.0.0.1:6080${path}`, { headers });
await once(client, 'open');
client.send('ping');
const [message] = await once(client, 'message');
found.echo = message.toString();
const closed = once(client, 'close');
process.kill(Number(pid), 'SIGTERM');
const [code] = await closed;
found.close = code;
const [exitCode] = await exited;
found.exitCode = exitCode;
echo.close();
process.stdout.write(`${JSON.stringify(found)}\n`);
