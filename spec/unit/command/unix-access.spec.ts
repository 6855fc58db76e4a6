import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { listenWithAccess, readGroup, readMode } from '../../../src/command/listen/server/unix-access.js';
import { bindError } from '../../../src/sockets/bind-error.js';

const folder = mkdtempSync(join(tmpdir(), 'wstunnel-access-'));
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true, force: true });
});

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('issue 13, case 23: a unix socket with a mode', () => {
  test('has mode and group from the start, without a second access to its path', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'wstunnel-access-')), 's');
    const server = createServer();
    servers.push(server);
    const bind = server.listen.bind(server) as (options: object) => Server;
    let atFirst: number | undefined;
    server.listen = ((options: object) => {
      bind(options);
      atFirst = modeOf(path);
      return server;
    }) as Server['listen'];
    const umask = process.umask(0);
    try {
      listenWithAccess(server, path, { mode: 0o666, group: process.getgid!() });
      expect(process.umask(0)).toBe(0);
    } finally {
      process.umask(umask);
    }
    expect(atFirst).toBe(0o666);
    expect(modeOf(path)).toBe(0o666);
    rmSync(join(path, '..'), { recursive: true, force: true });
  });

  test("that cannot be bound restores the umask, and changes no file's mode", () => {
    const server = createServer();
    server.on('error', () => undefined);
    const umask = process.umask(0o027);
    listenWithAccess(server, '/nonexistent/s', { mode: 0o666 });
    expect(process.umask(umask)).toBe(0o027);
  });

  test('accepts modes and groups in every notation', () => {
    expect(['660', '0660', '000', '777'].map(readMode)).toEqual([0o660, 0o660, 0, 0o777]);
    expect(['66', '888', '1660', 'rw', ''].map(readMode)).toEqual(Array(5).fill(undefined));
    const own = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
    expect(readGroup(own)).toBe(process.getgid!());
    expect(readGroup('1234')).toBe(1234);
    expect(['no-such-group', '-x', 'a b', '', 'a:b'].map(readGroup)).toEqual(Array(5).fill(undefined));
  });

  test('a missing folder is distinguished from a missing permission', () => {
    const denied = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
    expect(bindError(denied, '/nonexistent/s')).toMatchObject({
      message: 'the folder /nonexistent does not exist',
    });
    expect(bindError(denied, join(tmpdir(), 's'))).toBe(denied);
    const other = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' });
    expect(bindError(other, '/nonexistent/s')).toBe(other);
  });
});
