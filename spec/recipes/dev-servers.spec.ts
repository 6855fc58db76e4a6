import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { installTools, temporaryFolder as folderOfFile } from '../packaging/packed.js';
import { onCleanup } from '../support/cleanup.js';
import { statusOf } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { echoes, guards, start } from './guarded.js';
import { logIn, makeProject, request } from './recipe.js';
import { RECIPES, startRecipe } from './start.js';

const TOOLS = { webpack: '5.113.0', 'webpack-dev-server': '5.2.7' };

// The tools come from npm, and are slow on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const folder = folderOfFile();

async function makeSite(files: Record<string, string>): Promise<string> {
  const site = await mkdtemp(join(tmpdir(), 'wstunnel-site-'));
  onCleanup(() => rm(site, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(site, name), text);
  return site;
}

/** The first message of a dev server's own WebSocket. */
async function firstMessage(url: string, protocol: string[], origin: string): Promise<string> {
  const socket = new WebSocket(url, protocol, { origin });
  onCleanup(() => socket.terminate());
  const [message] = (await once(socket, 'message')) as [Buffer];
  return message.toString();
}

describe('issue 21: vite.mjs', () => {
  test('the tunnel is behind the login, beside the pages and the hot reload of Vite', async () => {
    const SITE = await makeSite({
      'index.html': '<p>a page of Vite</p>',
      'main.js': 'export const one = 1;',
    });
    const site = await start('vite.mjs', { SITE });
    const client = await guards(site);
    expect((await request(site.dial(), 'GET', '/')).body).toContain('a page of Vite');
    expect((await request(site.dial(), 'GET', '/login')).body).toContain('Log in</button>');
    const origin = `http://127.0.0.1:${site.port}`;
    const { body } = await request(site.dial(), 'GET', '/@vite/client');
    const [, token = ''] = /wsToken = "([^"]+)"/.exec(body) ?? [];
    const url = `ws://127.0.0.1:${site.port}/?token=${token}`;
    expect(await firstMessage(url, ['vite-hmr'], origin)).toContain('"connected"');
    // Vite's own check of the Host header runs before the login.
    const rebound = { ...(await logIn(site.dial())), Host: `evil.example:${site.port}` };
    expect(await statusOf(site.port, '/vnc', rebound)).toBe(403);
    await echoes(client);
  });
});

describe('issue 21: webpack-dev-server.mjs', () => {
  let tools: string;

  beforeAll(async () => {
    tools = await installTools(join(folder, 'tools'), TOOLS);
  });

  test('the tunnel is behind the login, beside the pages and the WebSocket of the dev server', async () => {
    const text = await readFile(join(RECIPES, 'webpack-dev-server.mjs'), 'utf8');
    const project = await makeProject('webpack-dev-server.mjs', text);
    for (const part of ['login.mjs', 'accounts.mjs', 'login-form.mjs'])
      await cp(join(RECIPES, part), join(project, part));
    for (const name of Object.keys(TOOLS))
      await symlink(join(tools, 'node_modules', name), join(project, 'node_modules', name));
    const SITE = await makeSite({});
    await mkdir(join(SITE, 'src'));
    await writeFile(join(SITE, 'src/index.js'), "document.title = 'a bundle';");
    const { port } = await startEcho();
    const env = { SITE, VNC_PORT: String(port) };
    const site = await startRecipe('webpack-dev-server.mjs', env, { folder: project });
    const client = await guards(site);
    expect((await request(site.dial(), 'GET', '/main.js')).body).toContain('a bundle');
    expect((await request(site.dial(), 'GET', '/login')).body).toContain('Log in</button>');
    const origin = `http://127.0.0.1:${site.port}`;
    expect(await firstMessage(`ws://127.0.0.1:${site.port}/ws`, [], origin)).toContain('"type":');
    const rebound = { ...(await logIn(site.dial())), Host: `evil.example:${site.port}` };
    expect(await statusOf(site.port, '/vnc', rebound)).toBe(403);
    await echoes(client);
  });
});
