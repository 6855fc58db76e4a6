import { hostname } from 'node:os';
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { sharedIdOf } from '../../../src/backends/shared-id.js';
import type { Host } from '../../../src/index.js';
import { readHosts } from '../../../src/options/read-hosts.js';

const idOf = (host: Host) => sharedIdOf(readHosts(host, 'server')[0]!);

test('an address that all machines can reach has the same name on all of them', () => {
  expect(idOf({ host: '10.0.0.1', port: 5900 })).toBe('10.0.0.1:5900');
  expect(idOf({ host: 'desk', port: 1 })).toBe('desk:1');
  expect(idOf({ host: '2001:db8::1', port: 1 })).toBe('[2001:db8::1]:1');
  expect(idOf({ host: '128.0.0.1', port: 1 })).toBe('128.0.0.1:1');
  expect(idOf({ host: 'localhost.example', port: 1 })).toBe('localhost.example:1');
  expect(idOf({ url: 'wss://desk/ws' })).toBe('wss://desk/ws');
});

test.each<Host>([
  { port: 5900 },
  { host: '127.0.0.1', port: 5900 },
  { host: '127.8.9.10', port: 5900 },
  { host: '::1', port: 5900 },
  { host: 'localhost', port: 5900 },
  { host: 'LocalHost', port: 5900 },
  { socket: '/run/vnc.sock' },
  { url: 'ws://127.0.0.1:7681/ws' },
  { url: 'ws://127.0.0.1/ws' },
  { url: 'wss://[::1]/ws' },
  { url: 'ws://localhost/ws' },
])('a backend of one machine is named with the machine: %o', (host) => {
  const id = idOf(host) ?? '';
  expect(id.startsWith(`${hostname()} `)).toBe(true);
  expect(id.length).toBeGreaterThan(hostname().length + 5);
});

test('a program and a function are backends of one process', () => {
  expect(idOf({ spawn: { path: 'sh' } })).toBeUndefined();
  expect(idOf({ connect: () => new Duplex() })).toBeUndefined();
});

test('a URL has the same id with each ticket in its query', () => {
  expect(idOf({ url: 'wss://desk/ws?ticket=1' })).toBe('wss://desk/ws');
});
