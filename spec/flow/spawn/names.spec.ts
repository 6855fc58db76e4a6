import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, type Host, type SpawnOptions } from '../../../src/index.js';
import { readHosts, readServerResult } from '../../../src/options/read-hosts.js';
import { openRaw } from '../../support/raw-client.js';
import { closedPort, startTunnel } from '../../support/servers.js';

/** A program that listens at its first argument, and sends the other arguments and the variable NAME. */
const SHOW = `
  const [where, ...rest] = process.argv.slice(1);
  const shown = JSON.stringify({ rest, name: process.env.NAME }) + '\\n';
  require('net').createServer((s) => { s.on('error', () => {}); s.end(shown); }).listen(/^\\d+$/.test(where) ? Number(where) : where);`;

/** The same on descriptor 0. */
const SHOW_INHERITED = `
  const shown = JSON.stringify({ rest: process.argv.slice(1), name: process.env.NAME }) + '\\n';
  require('net').createServer((s) => { s.on('error', () => {}); s.end(shown); }).listen({ fd: 0 });`;

async function shownBy(
  host: (user: string) => Host,
  user: string,
): Promise<{ rest: string[]; name?: string }> {
  const { port } = await startTunnel({ server: () => host(user) });
  const client = await openRaw(port);
  const [text] = await client.shows(/^.*\n/);
  client.socket.destroy();
  return JSON.parse(text) as { rest: string[]; name?: string };
}

const USERS = ['ann', '{socket}', '{port}', '{host}', 'a{socket}b', '{{socket}}', '$1', '%s', '\\{socket\\}'];

describe("issue 12, case 19: a user's name that looks like a placeholder", () => {
  test.each(USERS)('%s after {socket}, as in the recipe, reaches the program unchanged', async (name) => {
    const host = (user: string): Host => ({
      spawn: {
        path: process.execPath,
        args: ['-e', SHOW, '{socket}', user],
        environment: { NAME: user },
        maxProcs: 1,
      },
    });
    expect(await shownBy(host, name)).toEqual({ rest: [name], name });
  });

  test.each(USERS)('%s next to a port reaches the program unchanged', async (name) => {
    const port = await closedPort();
    const host = (user: string): Host => ({
      ...{ port, spawn: { path: process.execPath, args: ['-e', SHOW, '{port}', user], maxProcs: 1 } },
    });
    expect((await shownBy(host, name)).rest).toEqual([name]);
  });

  test.each([...USERS, '5901'])('%s reaches a program on descriptor 0 unchanged', async (name) => {
    const host = (user: string): Host => ({
      spawn: {
        ...{ path: process.execPath, args: ['-e', SHOW_INHERITED, user], environment: { NAME: user } },
        handOver: true,
      },
    });
    expect(await shownBy(host, name)).toEqual({ rest: [name], name });
  });

  test('an argument that equals the port is not filled in for a program on descriptor 0', () => {
    const host = {
      port: 5901,
      spawn: { path: process.execPath, args: ['5901'], handOver: true, maxProcs: 4 },
    };
    expect(readServerResult(host, 'server()')[0]?.spawn).toMatchObject({ handOver: true, fill: 'none' });
  });

  test('{host} and {port} before the name are filled in, in separate arguments or in one', async () => {
    for (const where of [['{host}', '{port}'], ['{port},{host}'], ['{host}:{port}']]) {
      const port = await closedPort();
      const code = SHOW.replace('const [where, ...rest]', 'const [, ...rest]').replace(
        /listen\(.*\);$/,
        'listen(Number(process.env.WSTUNNEL_PORT));',
      );
      const args = ['-e', code, '--', ...where, '{host}', '{port}'];
      const shown = await shownBy(() => ({ port, spawn: { path: process.execPath, args, maxProcs: 1 } }), '');
      const filled = where.map((text) => text.replace('{host}', '127.0.0.1').replace('{port}', String(port)));
      expect(shown.rest).toEqual([...filled, '{host}', '{port}'].slice(1));
    }
  });

  test('options of the app may use a placeholder several times', async () => {
    const args = ['-e', SHOW, '{socket}', '{socket}'];
    const { port } = await startTunnel({ server: { spawn: { path: process.execPath, args } } });
    const client = await openRaw(port);
    const [text] = await client.shows(/^.*\n/);
    expect((JSON.parse(text) as { rest: string[] }).rest[0]).toMatch(/^\/.*wstunnel-/);
  });

  test('options of the app with a placeholder that has no value are an error', () => {
    const read = (spawn: Partial<SpawnOptions>, host: Host = {}) =>
      readHosts({ ...host, spawn: { path: process.execPath, ...spawn } }, 'server');
    expect(() => read({ args: ['{port}'] })).toThrow('needs a port');
    expect(() => read({ args: ['{socket}'] }, { port: 5901 })).toThrow('spawn cannot use {socket}');
  });

  test('without a user, programs with equal options are shared', () => {
    const host = { spawn: { path: process.execPath, args: ['{socket}', 'ann'] } };
    const [fixed] = readHosts(host, 'server');
    const [made] = readServerResult(host, 'server()');
    expect(made?.spawn?.key).toBe(fixed?.spawn?.key);
  });

  test('arguments of a bin-path in a lighttpd.conf are used unchanged', () => {
    const conf = `wstunnel.server = ( "" => ( ( "socket" => "/run/a", "bin-path" => "${process.execPath} {socket} {port}" ) ) )`;
    const { server } = fromLighttpdConf(conf).options;
    const [host] = readHosts((server as Record<string, Host[]>)[''], 'server');
    expect(host?.spawn).toMatchObject({ args: ['{socket}', '{port}'], fill: 'none', handOver: true });
  });
});
