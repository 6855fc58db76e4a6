import { describe, expect, test } from 'vitest';
import { CONNECT_OPTIONS } from '../../../src/command/connect/options.js';
import { LISTEN_OPTIONS } from '../../../src/command/listen/options.js';
import { nearest } from '../../../src/options/nearest.js';
import { HOST } from '../../../src/options/hosts.js';
import { OPTIONS } from '../../../src/options/options.js';

const LISTEN = Object.keys(LISTEN_OPTIONS);
const CONNECT = Object.keys(CONNECT_OPTIONS);

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
    ['ulr', 'url'],
  ])('option %s: %s', (given, meant) => expect(nearest(given, Object.keys(OPTIONS))).toBe(meant));

  test.each([
    ['hostname', 'host'],
    ['prot', 'port'],
    ['path', 'socket'],
    ['ssl', 'tls'],
    ['hots', 'host'],
  ])('host option %s: %s', (given, meant) => expect(nearest(given, Object.keys(HOST))).toBe(meant));

  // Two letters of four or five make another word, and the end of a name may be all that differs.
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
