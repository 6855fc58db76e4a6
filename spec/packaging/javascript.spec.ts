import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Consumer, pack, PACK_TIMEOUT, temporaryFolder } from './packed.js';

const GOES_THROUGH = {
  code: 0,
  stdout: 'bare bytes, there and back\ntrue WSTUNNEL_OPTION\n',
  stderr: '',
};

const folder = temporaryFolder();
let packed: string;

beforeAll(async () => {
  packed = await pack(folder);
}, PACK_TIMEOUT);

describe.each(['express', 'express4'])('a project in JavaScript with %s', (framework) => {
  let consumer: Consumer;

  beforeAll(async () => {
    consumer = await Consumer.install(join(folder, framework), packed);
    await consumer.link(framework, 'express');
    await consumer.take('through.mjs');
  });

  test.each([
    "import { wstunnel, TunnelError } from 'express-wstunnel';",
    "import wstunnel, { TunnelError } from 'express-wstunnel';",
    "import * as all from 'express-wstunnel'; const { default: wstunnel, TunnelError } = all;",
    "const { wstunnel, TunnelError } = await import('express-wstunnel');",
  ])('ES module: %s', async (line) => {
    await consumer.write('main.js', `import { through } from './through.mjs';\n${line}\n${callOf('await ')}`);
    expect(await consumer.node('main.js')).toEqual(GOES_THROUGH);
  });

  test.each([
    "const wstunnel = require('express-wstunnel'); const { TunnelError } = wstunnel;",
    "const { wstunnel, TunnelError } = require('express-wstunnel');",
    "const { default: wstunnel, TunnelError } = require('express-wstunnel');",
  ])('CommonJS: %s', async (line) => {
    await consumer.write('main.cjs', `${line}\nimport('./through.mjs').then(({ through }) => ${callOf()});`);
    expect(await consumer.node('main.cjs')).toEqual(GOES_THROUGH);
  });

  test('ES modules and CommonJS in one process share one function', async () => {
    await consumer.write(
      'main.cjs',
      `const required = require('express-wstunnel');
      import('express-wstunnel').then((imported) => console.log(
        required === imported.wstunnel, required === imported.default, required.wstunnel === required,
        required.default === required, required.TunnelError === imported.TunnelError,
        Object.keys(imported).filter((name) => !(name in required)),
      ));`,
    );
    expect(await consumer.node('main.cjs')).toEqual({
      code: 0,
      stdout: 'true true true true true []\n',
      stderr: '',
    });
  });

  test('only the package and its package.json can be imported', async () => {
    await consumer.write(
      'main.js',
      `import { createRequire } from 'node:module';
      console.log(createRequire(import.meta.url)('express-wstunnel/package.json').name);
      await import('express-wstunnel/dist/tunnel.js').catch((error) => console.log(error.code));`,
    );
    expect(await consumer.node('main.js')).toEqual({
      code: 0,
      stdout: 'express-wstunnel\nERR_PACKAGE_PATH_NOT_EXPORTED\n',
      stderr: '',
    });
  });
});

function callOf(before = ''): string {
  return `${before}through(wstunnel, TunnelError)`;
}
