import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { COMPILES, Consumer, MODES, pack, PACK_TIMEOUT, temporaryFolder } from './packed.js';

const GOES_THROUGH = {
  code: 0,
  stdout: 'bare bytes, there and back\nby a local port\ntrue WSTUNNEL_REFUSED 404\ntrue WSTUNNEL_OPTION\n',
  stderr: '',
};

// tsc is slow, especially on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const folder = temporaryFolder();
let packed: string;

beforeAll(async () => {
  packed = await pack(folder);
}, PACK_TIMEOUT);

describe('express-wstunnel/client in JavaScript', () => {
  let consumer: Consumer;

  beforeAll(async () => {
    consumer = await Consumer.install(join(folder, 'javascript'), packed);
    await consumer.take('client-through.mjs');
  });

  test.each([
    ["import * as client from 'express-wstunnel/client';", 'main.mjs'],
    ["const client = await import('express-wstunnel/client');", 'main.mjs'],
    ["const client = require('express-wstunnel/client');", 'main.cjs'],
  ])('%s', async (line, file) => {
    const call = "import('./client-through.mjs').then(({ through }) => through(client));";
    await consumer.write(file, `${line}\n${call}`);
    expect(await consumer.node(file)).toEqual(GOES_THROUGH);
  });

  test('ES modules and CommonJS in one process share one library and one class of option errors', async () => {
    await consumer.write(
      'both.cjs',
      `const required = require('express-wstunnel/client');
      const { TunnelError } = require('express-wstunnel');
      import('express-wstunnel/client').then((imported) => console.log(
        Object.keys(imported).every((name) => imported[name] === required[name]),
        required.TunnelError === TunnelError,
      ));`,
    );
    expect(await consumer.node('both.cjs')).toEqual({ code: 0, stdout: 'true true\n', stderr: '' });
  });
});

describe.each(Object.entries(MODES))('in TypeScript, moduleResolution %s', (mode, module) => {
  test('compiles with the types of Node only, and carries bytes', async () => {
    const consumer = await Consumer.install(join(folder, mode), packed);
    // Without `skipLibCheck` the package's declarations are compiled as well.
    const compilerOptions = {
      ...{ ...module, target: 'es2022', lib: ['es2022'], strict: true, types: ['node'] },
      ...{ exactOptionalPropertyTypes: true, skipLibCheck: false },
    };
    const programs =
      mode === 'bundler' ? ['client.mts'] : ['client.mts', 'client.cts', 'client-required.cts'];
    await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files: programs }));
    await consumer.types('@types/node');
    for (const file of ['client-through.mjs', 'client-through.d.mts']) await consumer.take(file);
    for (const program of programs)
      await consumer.take(program === 'client-required.cts' ? program : 'client.ts', program);
    expect(await consumer.tsc()).toEqual(COMPILES);
    for (const source of programs) {
      const program = source.replace(/ts$/, 'js');
      expect({ program, ...(await consumer.node(program)) }).toEqual({ program, ...GOES_THROUGH });
    }
  });
});
