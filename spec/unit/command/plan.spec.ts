import { expect, test } from 'vitest';
import { readArgs } from '../../../src/command/command-line/args.js';
import { CONNECT_FLAGS } from '../../../src/command/connect/connect-flags.js';
import { readConnectPlan } from '../../../src/command/connect/connect-plan.js';
import { readPlan } from '../../../src/command/listen/settings/read-plan.js';
import { LISTEN_FLAGS } from '../../../src/command/listen/settings/listen-flags.js';
import { readWebsockify, withWebsockify } from '../../../src/command/listen/settings/websockify-flags.js';
import { frameHeaders, isFrameSource } from '../../../src/command/listen/site/frame-headers.js';
import { proxyPeers } from '../../../src/command/listen/server/trusted-proxies.js';

const SPECS = withWebsockify(LISTEN_FLAGS);

test.each<[string, RegExp]>([
  ['0 5900 --shared-password-file f', /^--shared-password-file needs --shared/],
  ['0 5900 --token-from path', /^--token-from needs --tokens/],
  ['0 5900 --token-targets *:1', /^--token-targets needs --tokens/],
  ['0 --tokens redis://h/0/1?prefix=a', /must be redis:\/\/HOST:PORT\/NUMBER\?prefix=NAME:/],
  ['0 --tokens redis://h/0?prefix=a#b', /must be redis:\/\/HOST:PORT\/NUMBER\?prefix=NAME:/],
  ['0 --tokens redis://:secret@h/0?prefix=a', /must have no password/],
  ['6080 --token-source t', /^--token-source needs --token-plugin/],
  ['6080 --token-plugin TokenFile', /^--token-plugin needs --token-source/],
  ['6080 :5900 --auth-source t', /^--auth-source needs --auth-plugin/],
  ['6080 :5900 --auth-plugin Mine --auth-source t', /use --auth FILE for a login/],
  ['6080 :5900 --cert c --verify-client', /--verify-client and --cafile FILE need each other/],
  ['6080 :5900 --cert c --cafile a', /--verify-client and --cafile FILE need each other/],
  ['6080 unix:/run/x --ssl-target', /--ssl-target needs a target HOST:PORT/],
])('%s is refused, without a secret', (line, message) => {
  const read = () => readPlan(readWebsockify(readArgs(line.split(' '), SPECS)));
  expect(read).toThrow(message);
  expect(read).not.toThrow(/secret/);
});

test.each<[string, Record<string, string>, RegExp]>([
  ['ws://x/ --user ann:f --bearer g', {}, /^give either --user or --bearer, not both/],
  ['ws://x/', { WSTUNNEL_USER: 'a:secret', WSTUNNEL_BEARER: 'secret' }, /are both set: set only one of them/],
  ['ws://x/', { WSTUNNEL_USER: 'secret' }, /^WSTUNNEL_USER must be NAME:PASSWORD/],
  ['ws://x/ --user secret', {}, /^--user must be NAME:FILE/],
  ['ws://x/ --header Host:secret', {}, /use --host-header/],
  ['ws://x/ --header secret', {}, /^--header must be NAME:VALUE, or @FILE/],
])('connect %s with %j is refused, without a secret', (line, environment, message) => {
  const args = readArgs(line.split(' '), CONNECT_FLAGS);
  const read = () => readConnectPlan(args, { environment }, () => undefined);
  expect(read).toThrow(message);
  expect(read).not.toThrow(/secret/);
});

test('without an address, the command listens on port 6080 of loopback only', () => {
  for (const line of ['5900', '5900 --web .', 'desk.example:5900 --auth f'])
    expect(readPlan(readArgs(line.split(' '), SPECS)).listen).toEqual([{ host: '127.0.0.1', port: 6080 }]);
});

test('--accept-proxy needs at least one address', () => {
  for (const none of [[], 5]) expect(() => proxyPeers(none)).toThrow(/--accept-proxy needs addresses/);
  const isPeer = proxyPeers('10.0.0.0/8, unix');
  expect(['10.1.2.3', '::ffff:10.1.2.3', '11.0.0.1', undefined].map(isPeer)).toEqual([
    true,
    true,
    false,
    true,
  ]);
});

test('pages may be shown in frames of this server, of the given sites, or of all sites', () => {
  expect(frameHeaders([])).toEqual({
    'Content-Security-Policy': "frame-ancestors 'self'",
    'X-Frame-Options': 'SAMEORIGIN',
  });
  // X-Frame-Options would forbid the other sites in a browser that knows only X-Frame-Options.
  expect(frameHeaders(['same', 'https://a.example', '.b.example', 'https://.c.example'])).toEqual({
    'Content-Security-Policy': "frame-ancestors 'self' https://a.example *.b.example https://*.c.example",
  });
  expect(frameHeaders(['https://a.example', '*'])).toEqual({});
});

test('a site of --frame adds no directive to the policy', () => {
  for (const site of ['same', '*', 'https://a.example', '*.a.example', 'https://a.example:8443'])
    expect([site, isFrameSource(site)]).toEqual([site, true]);
  for (const site of [
    'null',
    'https://a.example;script-src',
    "'unsafe-inline'",
    'a,b',
    'a b',
    'https://ä.example',
    '',
  ])
    expect([site, isFrameSource(site)]).toEqual([site, false]);
});
