import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { closeFrame, frame, openRaw } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { Program } from '../support/programs.js';
import { until } from '../support/wait.js';
import { Consumer, pack, PACK_TIMEOUT, temporaryFolder } from './packed.js';

const folder = temporaryFolder();
let packed: string;

beforeAll(async () => {
  packed = await pack(folder);
}, PACK_TIMEOUT);

describe.each(['express', 'express4'])('the command of the packed package, with %s', (framework) => {
  let consumer: Consumer;
  let command: string;

  beforeAll(async () => {
    consumer = await Consumer.install(join(folder, framework), packed);
    await consumer.link(framework, 'express');
    await consumer.linkCommands();
    command = join(consumer.folder, 'node_modules/.bin/express-wstunnel');
  });

  test('is found by npx', async () => {
    const version = consumer.versionOf('express-wstunnel');
    expect(await consumer.npx('express-wstunnel', '--version')).toEqual({
      code: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  test('carries bytes and exits', async () => {
    const { port: target } = await startEcho();
    const program = new Program(command, ['0', String(target), '--web', consumer.folder]);
    const [, url = ''] = await program.prints(/listening on (\S+) for/);
    expect((await fetch(`${url}package.json`)).status).toBe(200);
    const client = await openRaw(Number(new URL(url).port));
    client.send(frame(2, 'ping'));
    expect((await client.payload(4)).toString()).toBe('ping');
    program.process.kill('SIGTERM');
    expect(await client.close()).toMatchObject({ code: 1001 });
    client.send(closeFrame(1001)).socket.end();
    await until(() => program.process.exitCode !== null);
    expect(program.process.exitCode).toBe(0);
  });
});

test('without Express the command says that Express is missing', async () => {
  const consumer = await Consumer.install(join(folder, 'bare'), packed);
  expect(await consumer.node('node_modules/express-wstunnel/dist/cli.js', '0', '5900')).toEqual({
    code: 3,
    stdout: '',
    stderr: 'express-wstunnel: Express is missing: npm install express\n',
  });
});
