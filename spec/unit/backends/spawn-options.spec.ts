import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { TunnelError, type Host, type SpawnOptions } from '../../../src/index.js';
import { readHosts } from '../../../src/options/read-hosts.js';
import { onCleanup } from '../../support/cleanup.js';
import { temporaryFolder } from '../../support/spawned.js';

const read = (spawn: unknown, host: Host = {}) => readHosts({ ...host, spawn }, 'server')[0]!;
const good = (more: Partial<SpawnOptions> = {}, host: Host = {}) => read({ path: 'sh', ...more }, host);

function refused(spawn: unknown, host: Host = {}): string {
  try {
    read(spawn, host);
  } catch (error) {
    expect(error).toBeInstanceOf(TunnelError);
    expect((error as TunnelError).code).toBe('WSTUNNEL_OPTION');
    return (error as TunnelError).message;
  }
  throw new Error('it was taken');
}

describe('path', () => {
  test('is looked up in PATH, or absolute', () => {
    expect(good().spawn?.path).toMatch(/^\/.*\/sh$/);
    expect(read({ path: '/bin/sh' }).spawn?.path).toBe('/bin/sh');
  });

  test('must be executable', async () => {
    const folder = await temporaryFolder();
    const text = join(folder, 'text');
    await writeFile(text, '');
    await chmod(text, 0o600);
    await mkdir(join(folder, 'folder'));
    for (const path of ['/nowhere', text, join(folder, 'folder')])
      expect(refused({ path })).toContain('server.spawn.path must be a program that can be executed');
    expect(refused({ path: 'no-such-program' })).toContain('is not found in PATH');
    expect(refused({ path: './sh' })).toContain('must be an absolute path, or a name to look for in PATH');
    for (const path of ['', 7, 'a\0b']) expect(refused({ path })).toContain('server.spawn.path must be');
    expect(refused({})).toContain('server.spawn.path is required');
    vi.stubEnv('PATH', 'relative::');
    onCleanup(() => vi.unstubAllEnvs());
    expect(refused({ path: 'sh' })).toContain('is not found in PATH');
  });
});

test.each<[string, unknown, string]>([
  ['a misspelt name', { minProc: 1 }, 'server.spawn has no "minProc"; did you mean "minProcs"?'],
  ['args that are no list', { args: '-c' }, 'server.spawn.args must be a list'],
  ['an argument that is no text', { args: [1] }, 'server.spawn.args[0] must be a string without a NUL'],
  ['an argument with a NUL', { args: ['a', 'a\0'] }, 'server.spawn.args[1] must be a string without a NUL'],
  ['environment as a list', { environment: ['A=1'] }, 'server.spawn.environment must be an object'],
  ['a variable’s name', { environment: { 'A-B': '' } }, 'must have names of letters, digits and _'],
  ['a variable’s value', { environment: { A: 1 } }, 'server.spawn.environment.A must be a string'],
  ['copyEnvironment', { copyEnvironment: ['*'] }, 'server.spawn.copyEnvironment[0] must have names'],
  ['minProcs', { minProcs: -1 }, 'server.spawn.minProcs must be a whole number from 0'],
  ['maxProcs', { maxProcs: 0 }, 'server.spawn.maxProcs must be a whole number from 1'],
  ['more minProcs than maxProcs', { minProcs: 5 }, 'must not be above maxProcs, 4'],
  ['maxLoadPerProc', { maxLoadPerProc: 0.5 }, 'server.spawn.maxLoadPerProc must be a whole number'],
  ['idleTimeout', { idleTimeout: 6e6 }, 'did you mean 6000?'],
  ['killSignal', { killSignal: 'SIGTREM' }, 'did you mean "SIGTERM"?'],
  ['a signal by number', { killSignal: 15 }, 'server.spawn.killSignal must be one of'],
  ['a signal that stops', { killSignal: 'SIGSTOP' }, 'server.spawn.killSignal must be one of'],
  ['listenBacklog', { listenBacklog: 0 }, 'server.spawn.listenBacklog must be'],
  ['handOver', { handOver: 'yes' }, 'server.spawn.handOver must be true or false'],
])('%s is refused', (_, spawn, message) => {
  expect(refused({ path: 'sh', ...(spawn as object) })).toContain(message);
});

test('a value that is not an object is refused, and so are options that exclude each other', () => {
  expect(refused('Xvnc')).toContain('server.spawn must be an object');
  const path = 'sh';
  expect(refused({ path }, { connect: () => new Promise(() => {}) })).toContain('either connect or spawn');
  expect(refused({ path }, { host: '127.0.0.1' })).toContain('needs a port');
  expect(refused({ path }, { port: 65533 })).toContain('too few ports above it for 4 processes');
  expect(refused({ path }, { socket: `/${'x'.repeat(98)}` })).toContain('must not be longer than 98 bytes');
  expect(refused({ path, args: ['{port}'] })).toContain('spawn uses {port}');
  expect(refused({ path, args: ['{socket}'] }, { port: 1 })).toContain('spawn cannot use {socket}');
  expect(refused({ path, args: ['-p', '5901'] }, { port: 5901 })).toContain('write {port}');
  expect(refused({ path, environment: { AT: '/run/a' } }, { socket: '/run/a' })).toContain('write {socket}');
});

test('Windows is refused, since it has no process groups', () => {
  vi.spyOn(process, 'platform', 'get').mockReturnValue('win32');
  onCleanup(() => vi.restoreAllMocks());
  expect(refused({ path: 'sh' })).toContain('which Windows does not have');
});

describe('the socket is handed over or not', () => {
  test.each<[boolean, Partial<SpawnOptions>, Host]>([
    [true, {}, {}],
    [true, { args: ['-x', '15901', '59010'] }, { port: 5901 }],
    [true, { args: ['{other}', '{}'] }, {}],
    [false, { args: ['UNIX-LISTEN:{socket},fork'] }, {}],
    [false, { environment: { PORT: '{port}' } }, { port: 5901 }],
    [false, { args: ['-rfbport', '5901'], maxProcs: 1 }, { port: 5901 }],
    [false, { args: ['UNIX-LISTEN:/run/a'], maxProcs: 1 }, { socket: '/run/a' }],
    [false, { handOver: false }, {}],
    [true, { handOver: true, args: ['{socket}'] }, {}],
  ])('%s: %o %o', (handOver, spawn, host) => {
    expect(good(spawn, host).spawn?.handOver).toBe(handOver);
  });
});

test('the slots of all processes are the host’s limit, unless maxTunnels is lower', () => {
  expect(good().maxTunnels).toBe(4);
  expect(good({ maxProcs: 3, maxLoadPerProc: 5 }).maxTunnels).toBe(15);
  expect(good({ maxLoadPerProc: 0 }).maxTunnels).toBe(0);
  expect(good({ maxLoadPerProc: 0 }, { maxTunnels: 7 }).maxTunnels).toBe(7);
  expect(good({}, { maxTunnels: 2 }).maxTunnels).toBe(2);
  expect(good({}, { maxTunnels: 9 }).maxTunnels).toBe(4);
});

test('equal options give the same backend, different ones another, and the id reveals none of them', () => {
  const environment = { PASSWORD: 'hush', USER: 'ann' };
  const { id } = good({ environment });
  expect(id).toMatch(/^spawn:sh#[0-9a-f]{16}$/);
  expect(good({ environment: { USER: 'ann', PASSWORD: 'hush' } }).id).toBe(id);
  for (const other of [
    { environment: { ...environment, USER: 'bob' } },
    { environment, args: ['ann'] },
    { environment, maxProcs: 3 },
    { environment, copyEnvironment: [] },
  ])
    expect(good(other).id).not.toBe(id);
  expect(good({}, { port: 5901 }).id).toBe('127.0.0.1:5901');
  expect(good({}, { socket: '/run/a' }).id).toBe('unix:/run/a');
});

test('the copy is frozen, independent of the caller’s object, and does not print the environment', () => {
  const spawn = { path: 'sh', args: ['a'], environment: { PASSWORD: 'hush' }, copyEnvironment: ['A'] };
  const host = read(spawn);
  spawn.args.push('b');
  spawn.environment.PASSWORD = 'other';
  expect(host.spawn).toMatchObject({ args: ['a'], copyEnvironment: ['A'] });
  expect(host.spawn?.environment.PASSWORD).toBe('hush');
  for (const part of [host.spawn, host.spawn?.args, host.spawn?.environment, host.spawn?.copyEnvironment])
    expect(Object.isFrozen(part)).toBe(true);
  expect(JSON.stringify(host) + inspect(host, { depth: 9 })).not.toContain('hush');
});

test('an invalid environment is refused without showing its values', () => {
  for (const environment of [{ 'A-B': 'hush' }, { A: 'hush\0' }, ['hush']])
    expect(refused({ path: 'sh', environment })).not.toContain('hush');
});
