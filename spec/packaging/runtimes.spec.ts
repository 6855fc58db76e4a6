import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { startTunnel } from '../support/servers.js';
import { Consumer, installTools, pack, temporaryFolder } from './packed.js';

const TOOLS = { bun: '1.4.5', deno: '2.9.6' };

const MAIN = `
  import { wstunnel, TunnelError } from 'express-wstunnel';
  import * as client from 'express-wstunnel/client';
  import { through } from './through.mjs';
  import { through as clientThrough } from './client-through.mjs';
  await through(wstunnel, TunnelError);
  await clientThrough(client);`;
const CLIENT = `
  import { once } from 'node:events';
  import { connect } from 'express-wstunnel/client';
  const stream = connect(process.argv.at(-1), { proxy: false });
  stream.write('bare bytes');
  console.log(String((await once(stream, 'data'))[0]));
  stream.end();
  await once(stream, 'close');`;
const REFUSED =
  "wstunnel: Bun (1.4.5) is not supported: upgrades can't pass through an app there; run the server with Node.js 20.19 or newer";
const CREATE = `
  try {
    (await import('express-wstunnel')).wstunnel({ server: { port: 1 } });
  } catch (error) {
    console.log(error.name, error.code, error.message);
  }`;

// npm is slow, especially on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 240_000 });

const folder = temporaryFolder();
let consumer: Consumer;
let bun: string;
let deno: string;

beforeAll(async () => {
  const [tools, packed] = await Promise.all([installTools(join(folder, 'tools'), TOOLS), pack(folder)]);
  consumer = await Consumer.install(join(folder, 'consumer'), packed);
  await consumer.link('express');
  for (const file of ['through.mjs', 'client-through.mjs']) await consumer.take(file);
  await consumer.write('main.mjs', MAIN);
  await consumer.write('client.mjs', CLIENT);
  await consumer.write('create.mjs', CREATE);
  bun = await programOf(tools, '@oven', 'bin/bun');
  deno = await programOf(tools, '@deno', 'deno');
});

/** The path of a program in the package that npm has picked for the platform. */
async function programOf(tools: string, scope: string, path: string): Promise<string> {
  const [name = ''] = await readdir(join(tools, 'node_modules', scope));
  const program = join(tools, 'node_modules', scope, name, path);
  await chmod(program, 0o755);
  return program;
}

describe('issue 12, case 30: runtimes other than Node', () => {
  test('wstunnel() throws under Bun, and the message says what to do instead', async () => {
    const { code, stdout } = await consumer.run(bun, 'create.mjs');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `TunnelError WSTUNNEL_RUNTIME ${REFUSED}\n` });
  });

  test('the command does not start under Bun', async () => {
    const cli = 'node_modules/express-wstunnel/dist/cli.js';
    const { code, stdout, stderr } = await consumer.run(bun, cli, '0', '5900');
    const message = `express-wstunnel: ${REFUSED.replace('wstunnel: ', '')}\n`;
    expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: '', stderr: message });
  });

  test('the client works under Bun', async () => {
    const { url } = await startTunnel();
    const { code, stdout } = await consumer.run(bun, 'client.mjs', url);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'bare bytes\n' });
  });

  test('client and server work under Deno', async () => {
    const { code, stdout } = await consumer.run(deno, 'run', '--allow-all', 'main.mjs');
    expect(stdout).toBe(
      'bare bytes, there and back\ntrue WSTUNNEL_OPTION\n' +
        'bare bytes, there and back\nby a local port\ntrue WSTUNNEL_REFUSED 404\ntrue WSTUNNEL_OPTION\n',
    );
    expect(code).toBe(0);
  });
});
