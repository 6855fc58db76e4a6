import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { COMPILES, Consumer, MODES, pack, PACK_TIMEOUT, temporaryFolder } from './packed.js';

const WORKS = { code: 0, stdout: 'WSTUNNEL_OPTION true\n', stderr: '' };

// tsc is slow, especially on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const folder = temporaryFolder();
let packed: string;

beforeAll(async () => {
  packed = await pack(folder);
}, PACK_TIMEOUT);

describe('shared state in JavaScript, without redis and ioredis', () => {
  let consumer: Consumer;

  beforeAll(async () => {
    consumer = await Consumer.install(join(folder, 'javascript'), packed);
  });

  test.each([
    ["import { redisShared } from 'express-wstunnel/redis';", 'main.mjs'],
    ["import { clusterShared } from 'express-wstunnel/cluster';", 'main.mjs'],
    ["import { tokenServer } from 'express-wstunnel/tokens';", 'main.mjs'],
    ["const { tokenServer } = require('express-wstunnel/tokens');", 'main.cjs'],
    ["const { redisShared } = require('express-wstunnel/redis');", 'main.cjs'],
    ["const { clusterShared } = require('express-wstunnel/cluster');", 'main.cjs'],
  ])('%s', async (line, file) => {
    const [, name = ''] = /\{ (\w+) \}/.exec(line) ?? [];
    await consumer.write(file, `${line}\nconsole.log(${name}.name);`);
    expect(await consumer.node(file)).toEqual({ code: 0, stdout: `${name}\n`, stderr: '' });
  });

  test('ES modules and CommonJS in one process share one function and one kind of state', async () => {
    await consumer.write(
      'both.cjs',
      `const { redisShared } = require('express-wstunnel/redis');
      const { clusterShared } = require('express-wstunnel/cluster');
      const all = ['', '/redis', '/cluster'].map((path) => import('express-wstunnel' + path));
      Promise.all(all).then(async ([main, redis, cluster]) => {
        console.log(redis.redisShared === redisShared, cluster.clusterShared === clusterShared);
        const shared = clusterShared();
        await main.wstunnel({ server: { port: 1 }, shared }).close();
        await shared.close();
      });`,
    );
    expect(await consumer.node('both.cjs')).toEqual({ code: 0, stdout: 'true true\n', stderr: '' });
  });

  test('jwtTokens() without jose: the refusal names the package to install', async () => {
    await consumer.write(
      'tokens.cjs',
      `const { jwtTokens, tokenServer } = require('express-wstunnel/tokens');
      const source = jwtTokens({ key: Buffer.alloc(32), algorithms: ['HS256'], audience: 'vnc' });
      const request = { url: '/?token=a.b.c', headers: {} };
      const { signal } = new AbortController();
      tokenServer(source, { targets: '*' })(request, { signal }).catch(({ code, message }) => console.log(code, message));`,
    );
    expect(await consumer.node('tokens.cjs')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^WSTUNNEL_OPTION .*need the package jose: npm install jose/) as string,
    });
  });

  test.each([
    ['main.mjs', "import 'express-wstunnel';"],
    ['main.cjs', "require('express-wstunnel');"],
  ])('the main import of %s loads neither store, no source of tokens and no recorder', async (file, line) => {
    const list = `const { createRequire } = process.getBuiltinModule?.('node:module') ?? {};
      const cache = createRequire ? createRequire('${join(folder, 'javascript', file)}').cache : require.cache;
      const stores = /dist.(redis|cluster|tokens|record).|node_modules.(redis|ioredis|@redis|jose)./;
      const loaded = Object.keys(cache);
      console.log(loaded.length > 50, loaded.filter((path) => stores.test(path)));`;
    await consumer.write(file, `${line}\n${list}`);
    expect(await consumer.node(file)).toEqual({ code: 0, stdout: 'true []\n', stderr: '' });
  });
});

describe.each([
  ...Object.entries(MODES),
  [
    'classic (node10)',
    { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' },
  ] as const,
])('shared state in TypeScript, moduleResolution %s', (mode, module) => {
  test('compiles with the types of redis and ioredis, and runs without their packages', async () => {
    const consumer = await Consumer.install(join(folder, mode.slice(0, 7)), packed);
    const isEsm = mode === 'bundler';
    const isClassic = mode.startsWith('classic');
    // The declarations of redis and ioredis are compiled as they are for everybody, with `skipLibCheck`.
    const compilerOptions = {
      ...{ ...module, target: 'es2022', lib: ['es2023'], strict: true, types: ['node'] },
      ...{ exactOptionalPropertyTypes: true, skipLibCheck: true, esModuleInterop: true },
    };
    const programs = isEsm ? ['shared.mts'] : isClassic ? ['shared.ts'] : ['shared.mts', 'shared.cts', 'shared-required.cts']; // prettier-ignore
    if (isClassic) await consumer.write('package.json', '{ "private": true }');
    await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files: programs }));
    await consumer.types('@types/node', 'redis', 'ioredis');
    for (const program of programs)
      await consumer.take(program === 'shared-required.cts' ? program : 'shared.ts', program);
    expect(await consumer.tsc()).toEqual(COMPILES);
    await consumer.remove('redis', 'ioredis', '@redis');
    for (const source of programs) {
      const program = source.replace(/ts$/, 'js');
      expect({ program, ...(await consumer.node(program)) }).toEqual({ program, ...WORKS });
    }
  });
});
