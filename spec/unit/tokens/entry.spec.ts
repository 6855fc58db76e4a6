import { describe, expect, test } from 'vitest';
import { EntryFault, readClaims, readEntry } from '../../../src/tokens/entry.js';

describe("issue 18: websockify's entries", () => {
  test.each([
    ['127.0.0.1:5900', { host: '127.0.0.1', port: 5900 }],
    [' desk.lan:5900\n', { host: 'desk.lan', port: 5900 }],
    ['[::1]:5900', { host: '::1', port: 5900 }],
    ['unix_socket:/run/vnc.sock', { socket: '/run/vnc.sock' }],
    ['{"host":"127.0.0.1:5000"}', { host: '127.0.0.1', port: 5000 }],
    ['{"host": "desk_1.lan", "port": 5900}', { host: 'desk_1.lan', port: 5900 }],
    ['{"host": "::1", "port": "5900"}', { host: '::1', port: 5900 }],
    ['{"host": "unix_socket", "port": "/run/vnc.sock"}', { socket: '/run/vnc.sock' }],
  ])('%s', (text, target) => {
    expect(readEntry(text)).toEqual({ target });
  });

  test('may name the user, viewOnly and maxDuration, and have properties of the app', () => {
    const rights = { user: 'ann', viewOnly: true, maxDuration: 60 };
    const entry = { host: 'a', port: 1, ...rights, sub: 'other', 'app:x': [1] };
    expect(readEntry(JSON.stringify(entry))).toEqual({ target: { host: 'a', port: 1 }, ...rights });
    expect(readClaims({ host: 'a:1', sub: 'bob' })).toEqual({ target: { host: 'a', port: 1 }, user: 'bob' });
  });
});

describe('issue 18: an invalid entry', () => {
  test.each([
    ...['', 'desk.lan', '5900', ':5900', 'a:0', 'a:70000', 'a:5900abc', 'a:-1', 'a:1:2', 'ann:secret@a:5900'],
    ...[
      'http://a:5900',
      'a b:1',
      '/run/x:1',
      '..:1',
      '-x:1',
      'a\0:1',
      'unix_socket:x',
      'null',
      '[]',
      '{',
      '"a:1"',
    ],
    ...['{}', '{"host":null}', '{"host":["a"],"port":1}', '{"host":"a"}', '{"host":"a","port":0}'],
    ...['{"host":"a","port":70000}', '{"host":"a","port":"5900abc"}', '{"host":"a","port":1.5}'],
    ...['{"host":"a","port":true}', '{"host":"ann:secret@a","port":5900}', '{"host":"/run/x","port":1}'],
    ...['{"host":"a:1","port":2}', '{"host":"unix_socket","port":"../x"}', '{"host":"unix_socket","port":5}'],
    ...['{"__proto__":{"host":"a","port":1}}', '{"constructor":{"host":"a"},"port":1}'],
    ...['{"host":"a:1","viewOnly":"true"}', '{"host":"a:1","viewOnly":0}', '{"host":"a:1","user":5}'],
    ...['{"host":"a:1","user":""}', '{"host":"a:1","maxDuration":0}', '{"host":"a:1","maxDuration":"60"}'],
    ...['{"host":"a:1","maxDuration":1e9}', '{"host":"a:1","maxDuration":1e-9}'],
    ...['{"host":"a:1","viewonly":true}', '{"host":"a:1","view_only":true}', '{"host":"a:1","User":"ann"}'],
    ...['{"host":"a:1","max-duration":60}', '{"host":"a:1","viewOnly":false,"viewonly":true}'],
    ...['{"host":"a:1","maxDuration":1e999}', `{"host":"${'a'.repeat(300)}","port":1}`],
  ])('%s is not an entry', (text) => {
    expect(() => readEntry(text)).toThrow(EntryFault);
    // A part of an entry may be a secret.
    expect(() => readEntry(text)).not.toThrow(/secret|5900abc/);
  });
});
