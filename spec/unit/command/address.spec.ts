import { expect, test } from 'vitest';
import {
  isLoopback,
  parseListenAddress,
  parseBackend,
  shownAddress,
} from '../../../src/command/command-line/bind-and-target.js';
import { parseTarget } from '../../../src/options/checks/target-text.js';

test.each([
  ['6080', { host: '127.0.0.1', port: 6080 }],
  ['0', { host: '127.0.0.1', port: 0 }],
  [':6080', { port: 6080 }],
  ['*:6080', { port: 6080 }],
  ['192.0.2.1:80', { host: '192.0.2.1', port: 80 }],
  ['desk.lan:80', { host: 'desk.lan', port: 80 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['[::]:80', { host: '::', port: 80 }],
  ['unix:run/s', { socket: 'run/s' }],
  ['/run/s', { socket: '/run/s' }],
])('is a listen address: %s', (text, address) => expect(parseListenAddress(text)).toEqual(address));

test.each([
  '',
  ':',
  'x',
  '65536',
  '-1',
  '1.5',
  '::1:80',
  '[desk]:80',
  '[::1]',
  'a b:80',
  'unix:',
  'http://x:80',
])('is not a listen address: %j', (text) => expect(parseListenAddress(text)).toBeUndefined());

test.each([
  ['5900', { host: '127.0.0.1', port: 5900 }],
  [':5900', { host: '127.0.0.1', port: 5900 }],
  ['desk.lan:5900', { host: 'desk.lan', port: 5900 }],
  ['[2001:db8::1]:5900', { host: '2001:db8::1', port: 5900 }],
  ['unix:/run/vnc.sock', { socket: '/run/vnc.sock' }],
  ['/run/vnc.sock', { socket: '/run/vnc.sock' }],
  ['tls:desk.lan:5900', { host: 'desk.lan', port: 5900, tls: true }],
  ['tls:5900', { host: '127.0.0.1', port: 5900, tls: true }],
])('is a target: %s', (text, host) => expect(parseBackend(text)).toEqual(host));

test.each(['', '0', ':0', '*:5900', 'desk', 'tls:', 'tls:unix:/x', 'unix:', '::1:5900'])(
  'is not a target: %j',
  (text) => expect(parseBackend(text)).toBeUndefined(),
);

test.each(['ann:1245@desk:5900', 'token@desk:5900', 'tls:token@desk:5900'])(
  'issue 13, case 3: an address with a login is neither a target nor a listen address: %j',
  (text) => {
    expect(parseBackend(text)).toBeUndefined();
    expect(parseListenAddress(text)).toBeUndefined();
  },
);

test('every address that is shown can be given as an argument', () => {
  for (const text of ['127.0.0.1:80', '[::1]:80', ':80', 'unix:/run/s'])
    expect(shownAddress(parseListenAddress(text)!)).toBe(text);
});

test('loopback addresses are recognized', () => {
  const notations = [
    '127.1:80',
    '127.0.1:80',
    '0x7f.1:80',
    '0177.0.0.1:80',
    '2130706433:80',
    '0x7f000001:80',
  ];
  const names = ['LOCALHOST:80', 'localhost.:80'];
  const mapped = ['[::ffff:127.0.0.1]:80', '[::FFFF:7f00:1]:80', '[0:0:0:0:0:0:0:1]:80', '[::0001]:80'];
  for (const text of [
    '80',
    'localhost:80',
    '[::1]:80',
    '127.9.9.9:80',
    '/run/s',
    ...notations,
    ...names,
    ...mapped,
  ])
    expect(isLoopback(parseListenAddress(text)!)).toBe(true);
  const everywhere = [
    ':80',
    '*:80',
    '0.0.0.0:80',
    '[::]:80',
    '0:80',
    '0x0:80',
    '[::ffff:0.0.0.0]:80',
    '[::ffff:0:0]:80',
  ];
  const others = [
    '10.0.0.1:80',
    '127.0.0.1.example:80',
    'localhost.example:80',
    '[::ffff:10.0.0.1]:80',
    '128.1:80',
  ];
  for (const text of [...everywhere, ...others]) expect(isLoopback(parseListenAddress(text)!)).toBe(false);
});

test('the URL of a WebSocket server is a target of the command, and of no other place', () => {
  expect(parseBackend('wss://desk/ws')).toEqual({ url: 'wss://desk/ws' });
  expect(parseBackend('ws:5900')).toEqual({ host: 'ws', port: 5900 });
  expect(parseBackend('http://desk')).toBeUndefined();
  expect(parseTarget('wss://desk/ws')).toBeUndefined();
});
