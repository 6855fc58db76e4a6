import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Host } from '../../../src/index.js';
import { Program } from '../../support/programs.js';
import { openRaw } from '../../support/raw-client.js';
import { closedPort, startTunnel } from '../../support/servers.js';
import { INHERITOR, Marked, node, temporaryFolder } from '../../support/spawned.js';
import { until } from '../../support/wait.js';

const APP = join(import.meta.dirname, 'app.mjs');
const PACKAGE = JSON.stringify(join(import.meta.dirname, '../../../dist/index.js'));

/** An app in a separate process, whose private folders are in `parent`. */
async function startApp(server: Host, parent: string) {
  const app = new Program(process.execPath, [APP, JSON.stringify(server)], { TMPDIR: parent });
  const [, port] = await app.prints(/PORT=(\d+)/);
  return { app, port: Number(port) };
}

async function kill({ process }: Program): Promise<void> {
  const exited = once(process, 'exit');
  process.kill('SIGKILL');
  await exited;
}

async function opens(port: number): Promise<boolean> {
  return openRaw(port).then(
    (client) => Boolean(client.socket.destroy()),
    () => false,
  );
}

test('a program gets variables unchanged although the watching shell uses the same names', async () => {
  const environment = {
    signal: 'a',
    socket: 'b',
    own: 'c',
    mark: 'd',
    folder: 'e',
    line: 'f',
    file: 'g',
    i: 'h',
  };
  const code = `require('net').createServer((s) => s.end(JSON.stringify(process.env))).listen({ fd: 0 })`;
  const { port } = await startTunnel({ server: { spawn: node(code, { environment }) } });
  const client = await openRaw(port);
  const [text] = await client.shows(/^.*\}$/s);
  expect(JSON.parse(text)).toMatchObject(environment);
});

test.each([1, 3, 6])(
  'with too few free descriptors (%i) the answer is 503, and the app goes on',
  async (free) => {
    const code = `
    import { closeSync, openSync } from 'node:fs';
    import { createServer, get } from 'node:http';
    import { wstunnel } from ${PACKAGE};
    const tunnel = wstunnel({ server: JSON.parse(process.argv[1]) });
    const taken = [];
    const server = createServer((req, res) => {
      try {
        for (;;) taken.push(openSync('/dev/null'));
      } catch {}
      for (let i = 0; i < ${free}; i++) closeSync(taken.pop());
      tunnel(req, res, () => res.end());
    });
    tunnel.attach(server);
    server.listen(0, '127.0.0.1', () => {
      const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
      headers['sec-websocket-key'] = 'AAAAAAAAAAAAAAAAAAAAAA==';
      get({ port: server.address().port, headers }, async (res) => {
        taken.forEach(closeSync);
        await tunnel.close();
        console.log('STATUS=' + res.statusCode);
        process.exit();
      });
    });`;
    const server = JSON.stringify({ spawn: node(INHERITOR) });
    const limited = 'ulimit -n 100; exec "$@"';
    const args = ['-c', limited, 'sh', process.execPath, '--input-type=module', '-e', code, server];
    const app = new Program('/bin/sh', args);
    const [, status] = await app.prints(/STATUS=(\d+)/);
    expect(status).toBe('503');
  },
);

test('an app that is killed and restarted keeps the socket at the same path', async () => {
  const folder = await temporaryFolder();
  const socket = join(folder, 'program.sock');
  const [first, second] = [new Marked(), new Marked()];
  const options = { minProcs: 1, maxProcs: 1, maxLoadPerProc: 0 };
  const { app, port: before } = await startApp(
    { socket, spawn: first.mark(node(INHERITOR, options)) },
    folder,
  );
  expect(await opens(before)).toBe(true);
  const { port } = await startTunnel({
    server: { socket, disableTime: 0, spawn: second.mark(node(INHERITOR, { ...options, minProcs: 0 })) },
  });
  await kill(app);
  // The requests start at once, while the watcher of the first program still runs.
  await until(() => first.programs().length === 0);
  await until(() => opens(port));
  await first.none();
  expect(await opens(port)).toBe(true);
});

test.each(['port', 'socket'])(
  'an app that is killed leaves no folder of a program with a %s',
  async (kind) => {
    const parent = await temporaryFolder();
    const where = kind === 'port' ? { port: await closedPort() } : { socket: join(parent, 'program.sock') };
    const marked = new Marked();
    const { app, port } = await startApp(
      { ...where, spawn: marked.mark(node(INHERITOR, { maxProcs: 1 })) },
      parent,
    );
    expect(await opens(port)).toBe(true);
    await kill(app);
    await marked.none();
    await until(async () => (await readdir(parent)).length === 0);
  },
);

test.each(['process.exit(1)', 'process.nextTick(() => process.exit(1))', 'throw new Error()'])(
  'an app that exits at once leaves no folder: %s',
  async (end) => {
    const parent = await temporaryFolder();
    const code = `
      import { wstunnel } from ${PACKAGE};
      wstunnel({ server: JSON.parse(process.argv[1]) });
      ${end};`;
    const server = JSON.stringify({ spawn: node(INHERITOR, { minProcs: 1 }) });
    const app = new Program(process.execPath, ['--input-type=module', '-e', code, server], {
      TMPDIR: parent,
    });
    await once(app.process, 'exit');
    expect(await readdir(parent)).toEqual([]);
  },
);
