import { mkdir, readdir, writeFile, cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { DEVELOPERS } from '../support/environment.js';
import { installTools, pack, run, temporaryFolder, type Run } from './packed.js';

const TOOLS = { pnpm: '10.34.9', '@yarnpkg/cli-dist': '4.18.1' };

const GOES_THROUGH = {
  code: 0,
  stdout: 'bare bytes, there and back\ntrue WSTUNNEL_OPTION\n',
  stderr: '',
};

const PROGRAMS = {
  'main.mjs': `
    import { wstunnel, TunnelError } from 'express-wstunnel';
    import { through } from './through.mjs';
    await through(wstunnel, TunnelError);`,
  'main.cjs': `
    const { wstunnel, TunnelError } = require('express-wstunnel');
    import('./through.mjs').then(({ through }) => through(wstunnel, TunnelError));`,
};

// Installers are slow, especially on a busy machine.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const folder = temporaryFolder();
let tools: string;
let tarball: string;

beforeAll(async () => {
  const [installed, packed] = await Promise.all([installTools(join(folder, 'tools'), TOOLS), pack(folder)]);
  tools = join(installed, 'node_modules');
  const out = dirname(packed);
  tarball = join(out, (await readdir(out)).find((file) => file.endsWith('.tgz')) ?? '');
});

/** A project whose package.json lists only the packages that its own files import. */
async function makeProject(name: string): Promise<string> {
  const project = join(folder, name);
  await mkdir(project);
  const dependencies = { express: '^5.0.0', ws: '^8.0.0', 'express-wstunnel': `file:${tarball}` };
  await writeFile(join(project, 'package.json'), JSON.stringify({ name, private: true, dependencies }));
  for (const [file, text] of Object.entries(PROGRAMS)) await writeFile(join(project, file), text);
  await cp(join(import.meta.dirname, 'consumers/through.mjs'), join(project, 'through.mjs'));
  return project;
}

const node = (project: string, args: string[], env = {}): Promise<Run> =>
  run(process.execPath, args, project, { NODE_OPTIONS: '', DEBUG: '', ...env }, 200_000);

describe('issue 21: installers other than npm', () => {
  test('the package and the command work in the strict node_modules of pnpm', async () => {
    const project = await makeProject('by-pnpm');
    const pnpm = join(tools, 'pnpm/bin/pnpm.cjs');
    const store = join(folder, 'pnpm-store');
    const args = ['install', '--ignore-scripts', '--prefer-offline', '--store-dir', store];
    expect(await node(project, [pnpm, ...args])).toMatchObject({ code: 0 });
    expect(await readdir(join(project, 'node_modules'))).not.toContain('debug');
    for (const file of Object.keys(PROGRAMS))
      expect({ file, ...(await node(project, [file])) }).toEqual({ file, ...GOES_THROUGH });
    const command = join(project, 'node_modules/.bin/express-wstunnel');
    expect(await run(command, ['--version'], project)).toMatchObject({ code: 0, stderr: '' });
  });

  test("the package and the command work with Yarn's Plug'n'Play, without node_modules", async () => {
    const project = await makeProject('by-yarn');
    // A lock file marks the root of a project.
    await writeFile(join(project, 'yarn.lock'), '');
    const yarn = join(tools, '@yarnpkg/cli-dist/bin/yarn.js');
    const npm = async (key: string) => (await run('npm', ['config', 'get', key], project)).stdout.trim();
    const settings = {
      YARN_NODE_LINKER: 'pnp',
      YARN_ENABLE_TELEMETRY: 'false',
      YARN_ENABLE_GLOBAL_CACHE: 'false',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_NPM_REGISTRY_SERVER: await npm('registry'),
      ...proxiesOf(DEVELOPERS),
    };
    expect(await node(project, [yarn, 'install'], settings)).toMatchObject({ code: 0 });
    expect(await readdir(project)).not.toContain('node_modules');
    for (const file of Object.keys(PROGRAMS))
      expect({ file, ...(await node(project, [yarn, 'node', file], settings)) }).toEqual({
        file,
        ...GOES_THROUGH,
      });
    const version = await node(project, [yarn, 'run', 'express-wstunnel', '--version'], settings);
    expect(version).toMatchObject({ code: 0, stderr: '' });
  });
});

/** Yarn ignores npm's environment variables. */
function proxiesOf({ http_proxy, HTTP_PROXY, https_proxy, HTTPS_PROXY }: NodeJS.ProcessEnv) {
  const [http, https] = [http_proxy ?? HTTP_PROXY, https_proxy ?? HTTPS_PROXY];
  return { ...(http && { YARN_HTTP_PROXY: http }), ...(https && { YARN_HTTPS_PROXY: https }) };
}
