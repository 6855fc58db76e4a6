import { describe, expect, test } from 'vitest';
import { CONNECT_FLAGS } from '../../../src/command/connect/connect-flags.js';
import { LISTEN_FLAGS } from '../../../src/command/listen/settings/listen-flags.js';
import { nearest } from '../../../src/options/checks/nearest.js';
import { HOST_OPTIONS } from '../../../src/options/host-options.js';
import { TUNNEL_OPTIONS } from '../../../src/options/tunnel-options.js';

const LISTEN = Object.keys(LISTEN_FLAGS);
const CONNECT = Object.keys(CONNECT_FLAGS);

describe('issue 13, case 14: "did you mean" suggests the likely name', () => {
  test.each([
    ['port', 'listen'],
    ['host', 'listen'],
    ['bind', 'listen'],
    ['address', 'listen'],
    ['socket', 'unix'],
    ['password', 'auth'],
    ['tls', 'cert'],
    ['ssl', 'cert'],
    ['static', 'web'],
    ['root', 'web'],
    ['document-root', 'web'],
    ['whitelist', 'allow'],
    ['origins', 'origin'],
    ['lsiten', 'listen'],
    ['maxconnections', 'max-connections'],
    ['max-con', 'max-connections'],
  ])('listen --%s: --%s', (given, meant) => expect(nearest(given, LISTEN)).toBe(meant));

  test.each([
    ['port', 'local'],
    ['listen', 'local'],
    ['bind', 'local'],
    ['unix', 'local'],
    ['password', 'user'],
    ['token', 'bearer'],
    ['cacert', 'ca'],
    ['headers', 'header'],
  ])('connect --%s: --%s', (given, meant) => expect(nearest(given, CONNECT)).toBe(meant));

  test.each([
    ['target', 'server'],
    ['port', 'server'],
    ['host', 'server'],
    ['backend', 'server'],
    ['auth', 'authenticate'],
    ['heartbeat', 'pingInterval'],
    ['whitelist', 'allow'],
    ['viewOnly', 'vnc'],
    ['password', 'vnc'],
    ['inputIdleTimeout', 'vnc'],
    ['ulr', 'url'],
  ])('option %s: %s', (given, meant) => expect(nearest(given, Object.keys(TUNNEL_OPTIONS))).toBe(meant));

  test.each([
    ['hostname', 'host'],
    ['prot', 'port'],
    ['path', 'socket'],
    ['ssl', 'tls'],
    ['hots', 'host'],
  ])('host option %s: %s', (given, meant) => expect(nearest(given, Object.keys(HOST_OPTIONS))).toBe(meant));

  // Two different letters of four or five make another word, and some names differ at the end only.
  test.each([
    ['port', ['cert']],
    ['root', ['port']],
    ['server.root', ['server.port']],
    ['x', ['v']],
    ['', ['web']],
    ['__proto__', LISTEN],
    ['constructor', LISTEN],
    ['max', ['max-tunnels', 'max-connections']],
  ])('%j is close to none of %j', (given, known) => expect(nearest(given, known)).toBeUndefined());
});
