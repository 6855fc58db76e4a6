import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { COMPILES, Consumer, installTools, MODES, pack, PACK_TIMEOUT, temporaryFolder } from './packed.js';

const RUNS = COMPILES;
const GOES_THROUGH = { ...RUNS, stdout: 'bare bytes, there and back\ntrue WSTUNNEL_OPTION\n' };

// tsc is slow, especially on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const folder = temporaryFolder();
let packed: string;

/**
 * The oldest compiler that the README promises, and the newest one; other tests run the compiler of the working copy. Compilers before
 * 5.0 don't know `export type *`, which the declarations for ES modules use, and read only those for CommonJS.
 */
const COMPILERS = ['5.0.4', '7.0.2'];
const OLDEST_COMMONJS = '4.7.4';

beforeAll(async () => {
  packed = await pack(folder);
}, PACK_TIMEOUT);

describe.each([
  {
    ...{ version: OLDEST_COMMONJS, mode: 'node' },
    module: { module: 'commonjs', moduleResolution: 'node' },
  },
  ...COMPILERS.flatMap((version) => [
    { version, mode: 'node16', module: MODES.node16 },
    { version, mode: 'nodenext', module: MODES.nodenext },
    // `module: preserve` exists since TypeScript 5.4.
    { version, mode: 'bundler', module: { module: 'esnext', moduleResolution: 'bundler' } },
  ]),
])('issue 13, case 23: TypeScript $version, moduleResolution $mode', ({ version, mode, module }) => {
  test("compiles the package's declarations with the types of Node and of Express", async () => {
    const tools = await installTools(join(folder, `tools-${version}`), { typescript: version });
    const consumer = await Consumer.install(join(folder, `${version}-${mode}`), packed);
    const isOld = version === OLDEST_COMMONJS;
    const modules = isOld ? ['client.ts'] : ['names.mts', 'client.mts'];
    const files = [...modules, 'plain.ts', 'express.ts', 'connect.ts'];
    const compilerOptions = {
      ...module,
      ...{ target: 'es2022', lib: ['es2022'], strict: true, exactOptionalPropertyTypes: true },
      ...{ skipLibCheck: false, esModuleInterop: true, noEmit: true },
    };
    await consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    for (const file of ['through.d.mts', 'client-through.d.mts', 'plain.ts', 'express.ts', 'connect.ts'])
      await consumer.take(file);
    for (const file of modules) await consumer.take(file.replace('mts', 'ts'), file);
    await consumer.types('@types/node', '@types/express', '@types/express-session', '@types/connect');
    const tsc = join(tools, 'node_modules/typescript/bin/tsc');
    expect((await consumer.node(tsc, '--version')).stdout).toBe(`Version ${version}\n`);
    expect(await consumer.node(tsc, '--pretty', 'false')).toEqual(COMPILES);
    // The timeout includes the download of the compiler.
  }, 250_000);
});

describe.each(Object.entries(MODES))('a project in TypeScript, moduleResolution %s', (mode, module) => {
  /** `skipLibCheck` is off, so the package's declarations are compiled as well. */
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

  test('with the types of Node only compiles, and carries bytes', async () => {
    // The same lines are compiled as an ES module and, if tsc turns `import` into `require`, as a CommonJS module.
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
  ])('with the types of Express %s and connect compiles and runs', async (version, types, framework) => {
    const consumer = await project(`express${version}`, ['express.ts', 'connect.ts'], {
      esModuleInterop: true,
    });
    await consumer.take('express.ts');
    await consumer.take('connect.ts');
    // As after an npm install, the types of express-session use the app's types of Express.
    await consumer.types(types, '@types/express-session', '@types/connect');
    expect(consumer.versionOf('@types/express')).toMatch(new RegExp(`^${version}\\.`));
    expect(await consumer.tsc()).toEqual(COMPILES);
    await consumer.link(framework, 'express');
    await consumer.link('express-session');
    await consumer.link('connect');
    for (const program of ['express.js', 'connect.js']) expect(await consumer.node(program)).toEqual(RUNS);
  });
});
