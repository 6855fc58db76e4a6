import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { readArgs } from '../../../src/command/command-line/args.js';
import { LISTEN_FLAGS } from '../../../src/command/listen/settings/listen-flags.js';
import { webFolder } from '../../../src/command/listen/site/novnc/folder.js';
import { pageSettings, tunnelPath } from '../../../src/command/listen/site/novnc/page-settings.js';
import { novncOf } from '../../../src/command/listen/site/novnc/settings.js';
import { START_SCRIPT, startPage } from '../../../src/command/listen/site/novnc/start-page.js';
import type { MiddlewareOptions } from '../../../src/command/listen/plan.js';
import { onCleanup } from '../../support/cleanup.js';

const host = { port: 1 };
const pageOf = (tunnel: MiddlewareOptions, more: object = {}) =>
  pageSettings({ tunnel: { server: [host], ...tunnel }, autoExit: { runOnce: false }, ...more });

async function folderOf(...names: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-novnc-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), '');
  }
  return folder;
}

describe('the path of the tunnel, below the page', () => {
  test.each<[MiddlewareOptions, string | undefined]>([
    [{ server: [host] }, 'websockify'],
    [{ server: host, url: '/' }, 'websockify'],
    [{ server: host, url: '/vnc' }, 'vnc'],
    [{ server: host, url: '/a/vnc' }, 'a/vnc'],
    [{ server: host, url: ['/one', '/two'] }, 'one'],
    [{ server: host, url: ['/one', /^\/web/] }, 'websockify'],
    [{ server: host, url: /^\/vnc\/\d+$/ }, undefined],
    [{ server: { '/vnc': host } }, 'vnc'],
    [{ server: { '/': host } }, 'websockify'],
    [{ server: { '/one': host, '/two': host } }, undefined],
    [{ server: { '/one': host, '/websockify': host } }, 'websockify'],
    [{ server: { '/one': host, '/two': host }, url: '/two' }, 'two'],
    [{ server: { '.vnc': host } }, undefined],
    [{ url: '/vnc', rules: [{ server: host }] }, undefined],
  ])('of %j is %j', (tunnel, path) => {
    expect(tunnelPath(tunnel)).toBe(path);
  });
});

describe('the settings of the page', () => {
  test('connect at once, scale the desktop and reconnect', () => {
    const automatic = { path: 'websockify', autoconnect: true, reconnect: true, resize: 'scale' };
    expect(pageOf({})).toEqual({ automatic, defaults: {}, mandatory: {} });
  });

  test('do not connect at once where the page would lack a token or the path', () => {
    expect(pageOf({}, { tokens: '/tokens' }).automatic).not.toHaveProperty('autoconnect');
    expect(pageOf({ url: /^\/x$/ }).automatic).toEqual({ resize: 'scale', reconnect: true });
    expect(pageOf({ url: /^\/x$/ }, { novnc: { path: 'x' } }).automatic).toHaveProperty('autoconnect', true);
  });

  test.each<[string, MiddlewareOptions, object?]>([
    ['idleTimeout', { idleTimeout: 60 }],
    ['maxDuration', { maxDuration: 60 }],
    ['revalidate', { revalidate: { every: 60 } }],
    ['takeover', { server: { '/x': [{ port: 1, maxTunnels: 1, onFull: 'takeover' }] } }],
    ['a rule, which may set each of these', { rules: [{ idleTimeout: 60 }] }],
    ['--run-once', {}, { autoExit: { runOnce: true } }],
  ])('do not undo an end on purpose by %s', (_name, tunnel, more) => {
    expect(pageOf(tunnel, more).automatic).not.toHaveProperty('reconnect');
  });

  test('let the user of the page change everything but view_only', () => {
    const novnc = { view_only: true, reconnect: false };
    const { defaults, mandatory } = pageOf({}, { novnc });
    expect({ defaults, mandatory }).toEqual({
      defaults: { reconnect: false },
      mandatory: { view_only: true },
    });
  });
});

describe('--novnc', () => {
  const read = (...texts: string[]) =>
    novncOf(
      readArgs(
        texts.flatMap((text) => ['--novnc', text]),
        LISTEN_FLAGS,
      ),
    );

  test('has settings by name, with the types that noVNC expects', () => {
    expect(read()).toBeUndefined();
    const given = ['view_only=true', 'quality=9', 'resize=remote', 'path=1?token=a=b', 'bell=off'];
    expect(read(...given)).toEqual({
      view_only: true,
      quality: 9,
      resize: 'remote',
      path: '1?token=a=b',
      bell: 'off',
    });
  });

  test.each([
    ['resize', /must be NAME=VALUE/],
    ['=x', /must be NAME=VALUE/],
    ['resize=', /must be NAME=VALUE/],
    ['resize=big', /"off", "scale", "remote"/],
    ['view_only=1', /must be true or false/],
    ['quality=10', /whole number from 0 to 9/],
    ['reconect=true', /did you mean "reconnect"/],
    ['__proto__=true', /has no "__proto__"/],
  ])('refuses %s', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test('refuses a password, without the password in the message', () => {
    expect(() => read('password=hunter2')).toThrow(
      /^(?!.*hunter2).*has no "password": every client that may load the page would get the password/s,
    );
    expect(() => read('host=desk.lan')).toThrow(
      /has no "host": the page connects to the host of its own URL/,
    );
  });
});

describe('--web novnc', () => {
  test('is the first folder that contains noVNC', async () => {
    const [base, page] = [await folderOf(), await folderOf('vnc.html')];
    const novnc = await folderOf('vnc.html', 'app/ui.js');
    expect(webFolder('novnc', base, '--web', ['/none', page, novnc])).toBe(novnc);
    expect(() => webFolder('novnc', base, '--web', ['/none', page])).toThrow(/apt install novnc/);
  });

  test('is a folder of this name, if there is one', async () => {
    const [base, novnc] = [await folderOf('novnc/index.html'), await folderOf('vnc.html', 'app/ui.js')];
    expect(webFolder('novnc', base, '--web', [novnc])).toBe(join(base, 'novnc'));
    expect(webFolder('./other', base, '--web', [novnc])).toBe(join(base, 'other'));
  });
});

describe('the page at / for noVNC before 1.6', () => {
  const DEFAULTS = { path: 'vnc', autoconnect: true, resize: 'scale' };

  /** Where the script leads, from this URL. */
  function leadsTo(
    href: string,
    stored: Record<string, string> = {},
    mandatory = {},
    defaults: object = DEFAULTS,
  ) {
    const { pathname, search, hash } = new URL(href);
    let target = '';
    runInNewContext(START_SCRIPT, {
      document: { getElementById: () => ({ textContent: JSON.stringify({ defaults, mandatory }) }) },
      location: { href, pathname, search, hash, replace: (to: string) => (target = to) },
      localStorage: { getItem: (name: string) => stored[name] ?? null },
      URL,
    });
    return target;
  }

  test('leads to vnc.html, with the path from the root of the server', () => {
    const settings = 'autoconnect=true&resize=scale';
    expect(leadsTo('http://x/')).toBe(`vnc.html#path=vnc&${settings}`);
    expect(leadsTo('http://x/a/b/')).toBe(`vnc.html#path=a%2Fb%2Fvnc&${settings}`);
  });

  test('prefers settings in the URL, and the fragment to the query', () => {
    expect(leadsTo('http://x/a/?resize=off&path=q#path=ws%3Ftoken%3Dt%2526')).toBe(
      'vnc.html?resize=off&path=q#path=a%2Fws%3Ftoken%3Dt%2526&autoconnect=true',
    );
    expect(leadsTo('http://x/a/?path=q#autoconnect=false')).toBe(
      'vnc.html?path=q#autoconnect=false&resize=scale&path=a%2Fq',
    );
    expect(leadsTo('http://x/a/#path=ws?token=t')).toMatch(/^vnc\.html#path=a%2Fws%3Ftoken%3Dt&/);
  });

  test('prefers settings that the user has changed in the page', () => {
    expect(leadsTo('http://x/a/', { resize: 'off' })).toBe('vnc.html#path=a%2Fvnc&autoconnect=true');
    expect(leadsTo('http://x/a/', { path: 'own' })).toBe('vnc.html#autoconnect=true&resize=scale');
  });

  test('does not let the URL change a mandatory setting', () => {
    const target = leadsTo(
      'http://x/?view_only=false#view_only=false',
      { view_only: 'false' },
      { view_only: true },
    );
    expect(target).toMatch(/#view_only=true&/);
  });

  test('uses the usual path without a path in the settings, and no other host', () => {
    expect(leadsTo('http://x/a/', {}, {}, {})).toBe('vnc.html#path=a%2Fwebsockify');
    expect(leadsTo('http://x/a/#path=wss%3A%2F%2Fevil.example%2Fy')).toMatch(/#path=y&/);
  });

  test('keeps a setting inside of its script element', () => {
    const page = startPage({ defaults: { path: '</script><script>alert(1)' }, mandatory: {} });
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page).toContain('\\u003c/script>');
  });
});
