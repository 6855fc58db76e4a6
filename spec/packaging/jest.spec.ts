import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Consumer, installTools, pack, temporaryFolder } from './packed.js';

const TOOLS = {
  '@babel/core': '7.29.13',
  '@babel/preset-env': '7.29.14',
  '@swc/core': '1.16.22',
  '@swc/jest': '0.2.39',
  'babel-jest': '30.5.2',
  jest: '30.5.2',
  'ts-jest': '29.4.15',
  typescript: '5.9.3',
};

const REQUIRED = `
  const wstunnel = require('express-wstunnel');
  const client = require('express-wstunnel/client');
  const { through } = require('./jest-through.cjs');
  test('goes through', async () => {
    expect(wstunnel).toBe(wstunnel.wstunnel);
    expect(await through(wstunnel, client)).toBe('bare bytes 404 WSTUNNEL_OPTION 1');
  });`;
const IMPORTED = `
  import create, { wstunnel, TunnelError, fromLighttpdConf } from 'express-wstunnel';
  import * as client from 'express-wstunnel/client';
  import { through } from './jest-through.cjs';
  test('goes through', async () => {
    expect(create).toBe(wstunnel);
    const all = { wstunnel, TunnelError, fromLighttpdConf };
    expect(await through(all, client)).toBe('bare bytes 404 WSTUNNEL_OPTION 1');
  });`;

// Jest and npm are slow, especially on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const folder = temporaryFolder();
let tools: string;
let consumer: Consumer;

beforeAll(async () => {
  const [installed, packed] = await Promise.all([installTools(join(folder, 'tools'), TOOLS), pack(folder)]);
  tools = join(installed, 'node_modules');
  consumer = await Consumer.install(join(folder, 'consumer'), packed);
  await consumer.write('package.json', '{ "name": "consumer", "private": true }');
  await consumer.link('express');
  await consumer.link('vitest');
  await consumer.take('jest-through.cjs');
  await consumer.write('required.test.js', REQUIRED);
  await consumer.write('imported.test.js', IMPORTED);
  await consumer.write('imported.test.mjs', IMPORTED);
  await consumer.write('imported.test.ts', `declare const test: any, expect: any;${IMPORTED}`);
});

type Transform = (tools: string) => readonly [string, object];
const babel: Transform = (tools) => [
  join(tools, 'babel-jest'),
  { presets: [[join(tools, '@babel/preset-env'), { targets: { node: 'current' } }]] },
];
const ts: Transform = (tools) => {
  const tsconfig = { module: 'commonjs', target: 'es2022', esModuleInterop: true, allowJs: true };
  return [join(tools, 'ts-jest'), { diagnostics: false, tsconfig: { ...tsconfig, isolatedModules: true } }];
};
const swc: Transform = (tools) => {
  const jsc = { parser: { syntax: 'typescript' }, target: 'es2022' };
  return [join(tools, '@swc/jest'), { jsc, module: { type: 'commonjs' } }];
};

async function jest(file: string, transform: Record<string, unknown>, more: object, ...args: string[]) {
  const config = { testMatch: [`**/${file}`], transform, cacheDirectory: join(folder, 'cache'), ...more };
  await consumer.write('jest.config.json', JSON.stringify(config));
  const { code, stderr } = await consumer.node(...args, join(tools, 'jest/bin/jest.js'), '--ci');
  // Jest prints the results on stderr.
  return { code, passed: /^Tests: +1 passed, 1 total$/m.test(stderr), stderr: code === 0 ? '' : stderr };
}

const PASSES = { code: 0, passed: true, stderr: '' };

describe('issue 12, case 26: the package works under Jest', () => {
  test('by require, without a transform', async () => {
    expect(await jest('required.test.js', {}, {})).toEqual(PASSES);
  });

  test.each<[string, string, Transform]>([
    ['babel-jest', 'imported.test.js', babel],
    ['ts-jest', 'imported.test.ts', ts],
    ['@swc/jest', 'imported.test.ts', swc],
  ])('with %s for the tests only, and for the package too', async (_, file, transform) => {
    const transforms = { '\\.[cm]?[jt]s$': transform(tools) };
    for (const transformIgnorePatterns of [['/node_modules/'], ['/node_modules/(?!express-wstunnel/)']])
      expect(await jest(file, transforms, { transformIgnorePatterns })).toEqual(PASSES);
  });

  test("by import, with Jest's ES modules", async () => {
    const more = { moduleFileExtensions: ['mjs', 'js', 'cjs', 'json'] };
    const args = ['--experimental-vm-modules', '--no-warnings'];
    expect(await jest('imported.test.mjs', {}, more, ...args)).toEqual(PASSES);
  });
});

describe('issue 12, case 26: the package works under Vitest', () => {
  test.each([
    ['beside the tests', []],
    ['inlined into them', ['express-wstunnel']],
  ])('%s', async (_, inline) => {
    const config = { test: { globals: true, include: ['imported.test.mjs'], server: { deps: { inline } } } };
    await consumer.write('vitest.config.mjs', `export default ${JSON.stringify(config)};`);
    const { code, stdout, stderr } = await consumer.node('node_modules/vitest/vitest.mjs', 'run');
    expect({ code, stderr, passed: /Tests .*1 passed/.test(stdout) }).toEqual({
      code: 0,
      stderr: '',
      passed: true,
    });
  });
});
