import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { COMPILES, Consumer, installTools, pack, temporaryFolder } from './packed.js';

const TOOLS = {
  '@rollup/plugin-commonjs': '29.0.3',
  '@rollup/plugin-json': '6.1.0',
  '@rollup/plugin-node-resolve': '16.0.3',
  '@vercel/ncc': '0.45.0',
  esbuild: '0.28.2',
  rollup: '4.68.8',
  webpack: '5.113.0',
};

const GOES_THROUGH = {
  code: 0,
  stdout:
    'bare bytes, there and back\ntrue WSTUNNEL_OPTION\n' +
    'bare bytes, there and back\nby a local port\ntrue WSTUNNEL_REFUSED 404\ntrue WSTUNNEL_OPTION\n' +
    'a rule read\n',
  stderr: '',
};

/** A regular expression in the configuration loads the detector of hostile expressions. */
const CONF = `'$HTTP["url"] =~ "^/desk" { wstunnel.server = ( "" => (( "host" => "127.0.0.1", "port" => "1" ))) }'`;
const RUN = `
  void through(wstunnel, TunnelError)
    .then(() => clientThrough(client))
    .then(() => fromLighttpdConf(${CONF}).options.rules?.length === 1 && console.log('a rule read'));`;

const ENTRIES = {
  'main.mjs': `
    import create, { wstunnel, TunnelError, fromLighttpdConf } from 'express-wstunnel';
    import * as client from 'express-wstunnel/client';
    import { through } from './through.mjs';
    import { through as clientThrough } from './client-through.mjs';
    if (create !== wstunnel) throw new Error('two functions');
    ${RUN}`,
  'main.cjs': `
    const wstunnel = require('express-wstunnel');
    const client = require('express-wstunnel/client');
    const { through } = require('./through.mjs');
    const { through: clientThrough } = require('./client-through.mjs');
    const { TunnelError, fromLighttpdConf } = wstunnel;
    if (wstunnel.wstunnel !== wstunnel) throw new Error('two functions');
    ${RUN}`,
};

// Bundlers are slow, especially on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const folder = temporaryFolder();
let tools: string;
let consumer: Consumer;

beforeAll(async () => {
  const [installed, packed] = await Promise.all([installTools(join(folder, 'tools'), TOOLS), pack(folder)]);
  tools = installed;
  consumer = await Consumer.install(join(folder, 'consumer'), packed);
  await consumer.link('express');
  for (const file of ['through.mjs', 'client-through.mjs', 'bundle.mjs']) await consumer.take(file);
  for (const [name, text] of Object.entries(ENTRIES)) await consumer.write(name, text);
});

/** Runs a bundle in a folder without node_modules, so the bundle must contain every package. */
async function runAlone(...path: string[]): Promise<unknown> {
  const alone = join(folder, 'alone', ...path.slice(0, -1));
  await mkdir(alone, { recursive: true });
  await cp(join(consumer.folder, 'out', ...path), join(alone, path.at(-1) ?? ''));
  return consumer.node(join(alone, path.at(-1) ?? ''));
}

describe('issue 12, case 26: an app that was bundled', () => {
  describe.each(['esbuild', 'esbuild-minified', 'webpack', 'rollup'])('by %s', (bundler) => {
    test.each(['cjs', 'esm'])('to %s opens tunnels, whichever way it imports the package', async (format) => {
      expect(await consumer.node('bundle.mjs', tools, bundler, format)).toEqual(COMPILES);
      for (const entry of ['mjs', 'cjs']) {
        const file = `${bundler}-of-${entry}.${format === 'esm' ? 'mjs' : 'cjs'}`;
        expect({ file, run: await runAlone(file) }).toEqual({ file, run: GOES_THROUGH });
      }
    });
  });

  test.each([
    ['ES module', 'mjs'],
    ['CommonJS module', 'cjs'],
  ])('by ncc from an entry that is an %s opens tunnels', async (_, kind) => {
    const ncc = join(tools, 'node_modules/@vercel/ncc/dist/ncc/cli.js');
    const built = await consumer.node(ncc, 'build', `main.${kind}`, '--out', `out/ncc-${kind}`, '--no-cache');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    expect(await runAlone(`ncc-${kind}`, `index.${kind}`)).toEqual(GOES_THROUGH);
  });
});
