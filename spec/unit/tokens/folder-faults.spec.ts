import type * as Files from 'node:fs/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { folderTokens } from '../../../src/tokens/folder-tokens.js';
import { socketTokens } from '../../../src/tokens/socket-tokens.js';
import { ask, folderOf } from './ask.js';

const disk = vi.hoisted(() => ({ fails: false }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof Files>();
  return {
    ...real,
    realpath: (path: string) =>
      disk.fails ? Promise.reject(Object.assign(new Error(path), { code: 'EMFILE' })) : real.realpath(path),
  };
});

beforeEach(() => {
  disk.fails = false;
});

test.each([
  ['folderTokens()', folderTokens, /a file in .* can't be read: .*too many open files/],
  ['socketTokens()', socketTokens, /a socket in .* can't be found: .*too many open files/],
])(
  '%s refuses with 503 while a file can not be read, and does not show the token',
  async (_name, make, detail) => {
    const folder = await folderOf({ desk: 'desk.lan:5900' });
    const source = make(folder);
    disk.fails = true;
    const answer = await ask(source, 'desk');
    expect(answer).toEqual({
      ...{ code: 'WSTUNNEL_STATE_DOWN', status: 503 },
      detail: expect.stringMatching(detail) as string,
    });
    expect(JSON.stringify(answer)).not.toContain('desk');
  },
);
