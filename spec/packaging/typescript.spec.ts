import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { COMPILES, Consumer, MODES, pack, PACK_TIMEOUT, temporaryFolder } from './packed.js';

const RUNS = COMPILES;
const GOES_THROUGH = { ...RUNS, stdout: 'bare bytes, there and back\ntrue WSTUNNEL_OPTION\n' };

// tsc takes its time, more so on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const folder = temporaryFolder();
let packed: string;

beforeAll(async () => {
  packed = await pack(folder);
}, PACK_TIMEOUT);

describe.each(Object.entries(MODES))('a project in TypeScript, moduleResolution %s', (mode, module) => {
  /** `skipLibCheck` is off: our declarations are compiled as well. */
  async function project(name: string, files: string[], more: object = {}): Promise<Consumer> {
    const consumer = await Consumer.install(join(folder, `${mode}-${name}`), packed);
    const compilerOptions = {
      ...module,
      target: 'es2022',
      lib: ['es2022'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      ...more,
    };
    await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    return consumer;
  }

  test('with the types of Node alone: compiles, and bytes go through', async () => {
    // The same lines as an ES module and, where tsc makes `require` of `import`, as a CommonJS one.
    const programs = mode === 'bundler' ? ['names.mts'] : ['names.mts', 'names.cts', 'required.cts'];
    const consumer = await project('bare', [...programs, 'plain.ts'], { types: ['node'] });
    await consumer.types('@types/node');
    for (const file of ['through.mjs', 'through.d.mts', 'plain.ts', 'required.cts'])
      await consumer.take(file);
    for (const program of programs.slice(0, 2)) await consumer.take('names.ts', program);
    expect(await consumer.tsc()).toEqual(COMPILES);
    await consumer.link('express');
    for (const source of programs) {
      const program = source.replace(/ts$/, 'js');
      expect({ program, ...(await consumer.node(program)) }).toEqual({ program, ...GOES_THROUGH });
    }
    expect(await consumer.node('plain.js')).toEqual(RUNS);
  });

  test.each([
    ['4', '@types/express4', 'express4'],
    ['5', '@types/express', 'express'],
  ])('with the types of Express %s and connect: compiles and runs', async (version, types, framework) => {
    const consumer = await project(`express${version}`, ['express.ts', 'connect.ts'], {
      esModuleInterop: true,
    });
    await consumer.take('express.ts');
    await consumer.take('connect.ts');
    // As with npm, the types of express-session find the app's own of Express.
    await consumer.types(types, '@types/express-session', '@types/connect');
    expect(consumer.versionOf('@types/express')).toMatch(new RegExp(`^${version}\\.`));
    expect(await consumer.tsc()).toEqual(COMPILES);
    await consumer.link(framework, 'express');
    await consumer.link('express-session');
    await consumer.link('connect');
    for (const program of ['express.js', 'connect.js']) expect(await consumer.node(program)).toEqual(RUNS);
  });
});
