import { describe, expect, test } from 'vitest';
import { readHosts } from '../../../src/options/read-hosts.js';

const url = 'wss://desk.lan/ws?a=1';
const read = (host: object) => readHosts(host, 'server')[0]!;
const message = (host: object): string => {
  try {
    read(host);
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
};

describe('a host with a URL', () => {
  test('is dialled at the host and port of the URL, with TLS for wss', () => {
    expect(read({ url })).toMatchObject({ host: 'desk.lan', port: 443, tls: true });
    expect(read({ url: new URL(url) })).toMatchObject({ url, host: 'desk.lan', port: 443 });
    expect(read({ url: 'WS://Desk.lan:81' })).toMatchObject({ host: 'desk.lan', port: 81, tls: false });
    expect(read({ url: 'ws://[::1]:81/x' })).toMatchObject({ host: '::1', port: 81, id: 'ws://[::1]:81/x' });
    expect(read({ url, tls: { rejectUnauthorized: false } }).tls).toEqual({ rejectUnauthorized: false });
    expect(read({ url: 'ws://desk', tls: false, localAddress: '127.0.0.1' })).toMatchObject({ port: 80 });
  });

  test('has its defaults', () => {
    expect(read({ url }).websocket).toEqual({
      ...{ mode: 'frames', authority: 'desk.lan', path: '/ws?a=1', headers: [], passStatus: true },
      subprotocols: undefined,
    });
    const given = {
      url,
      mode: 'bytes',
      passStatus: false,
      subprotocol: 'tty',
      headers: { A: 'b', C: undefined },
    };
    expect(read(given).websocket).toMatchObject({
      ...{
        mode: 'bytes',
        passStatus: false,
        subprotocols: ['tty'],
        headers: [
          ['A', 'b'],
          ['C', undefined],
        ],
      },
    });
    expect(read({ url, subprotocol: ['a', 'b'] }).websocket?.subprotocols).toEqual(['a', 'b']);
  });

  test('of a list differs from the other hosts before the query', () => {
    const list = ['wss://desk.lan/ws?a=secret', 'wss://desk.lan/ws?a=2'].map((one) => ({ url: one }));
    expect(() => readHosts(list, 'server')).toThrow(
      'server needs URLs that differ before the query, since wss://desk.lan/ws is one host; got [',
    );
    expect(() => readHosts(list, 'server')).not.toThrow('secret');
    expect(readHosts([{ url }, { url }, { url: 'wss://desk.lan/other' }], 'server')).toHaveLength(3);
  });

  test('has an id without the query', () => {
    expect(read({ url }).id).toBe('wss://desk.lan/ws');
    expect(read({ url, mode: 'bytes', headers: { A: 'b' } }).id).toBe('wss://desk.lan/ws');
    expect(read({ url: 'wss://desk.lan/ws/2?a=2' }).id).toBe('wss://desk.lan/ws/2');
    expect(read({ url: 'wss://desk.lan:443/ws' }).id).toBe('wss://desk.lan/ws');
  });

  test.each<[object, string]>([
    [{ url: 7 }, 'server.url must be a ws: or wss: URL; got 7'],
    [{ url: 'desk' }, "server.url must be a ws: or wss: URL; got 'desk'"],
    [{ url: 'https://desk/x?t=secret' }, 'did you mean "wss://desk/x?t=***"?'],
    [{ url: 'ftp://desk' }, 'server.url must be a ws: or wss: URL'],
    [{ url: 'ws://desk/#a' }, 'server.url must have no fragment'],
    [{ url: 'ws://desk/#' }, 'server.url must have no fragment'],
    [{ url: 'ws://desk/ann/../bob' }, 'server.url must have no "." or ".." in its path'],
    [{ url: 'ws://desk/ann/..' }, 'server.url must have no "." or ".."'],
    [{ url: 'ws://desk/ann/./?x' }, 'server.url must have no "." or ".."'],
    [{ url: 'ws://desk/ann/%2E%2e/bob' }, 'server.url must have no "." or ".."'],
    [{ url: 'ws://desk/ann/.%2e/bob' }, 'server.url must have no "." or ".."'],
    [{ url: 'ws://desk/ann\\..\\bob' }, 'server.url must have no "." or ".."'],
    [{ url: 'ws://desk/ann/.\t./bob' }, 'server.url must have no "." or ".."'],
    [{ url: 'ws://desk:0/' }, 'server.url must have a port from 1 to 65535'],
    [{ url: 'ws://ann:secret@desk/' }, 'server.url must have no user and password: give headers'],
    [{ url: 'ws://secret@desk/' }, 'server.url must have no user and password'],
    [{ url: 'ws://ann:12/secret@desk/' }, 'server.url must have no user and password'],
    [{ url: 'ws://ann:12#secret@desk/' }, 'server.url must have no user and password'],
    [{ url: 'ws://ann:se cret@desk/' }, 'server.url must have no user and password'],
    [{ url, host: 'a' }, 'server takes either url or host, not both'],
    [{ url, port: 1 }, 'server takes either url or port, not both'],
    [{ url, socket: '/x' }, 'server takes either url or socket, not both'],
    [{ url, connect: () => undefined }, 'server takes either url or connect, not both'],
    [{ url, spawn: { path: 'true' } }, 'server takes either url or spawn, not both'],
    [{ url: 'ws://desk', tls: true }, 'server.tls needs a wss: URL'],
    [{ url, tls: false }, 'server.tls must not be false with a wss: URL'],
    [{ url, tls: { ca: 'none' } }, 'server.tls.ca'],
    [{ port: 1, headers: {} }, 'server.headers needs the option url'],
    [{ port: 1, mode: 'frames' }, 'server.mode needs the option url'],
    [{ port: 1, passStatus: true }, 'server.passStatus needs the option url'],
    [{ port: 1, subprotocol: 'tty' }, 'server.subprotocol needs the option url'],
    [{ url, mode: 'frame' }, 'did you mean "frames"?'],
    [{ url, passStatus: 1 }, 'server.passStatus must be true or false'],
    [{ url, subprotocol: 'a b' }, 'server.subprotocol must be a token'],
    [{ url, subprotocol: ['a', 'a'] }, 'a list of different ones'],
    [{ url, headers: [] }, 'server.headers must be an object'],
    [{ url, headers: { Connection: 'x' } }, 'server.headers can\'t have "Connection"'],
    [{ url, headers: { upgrade: 'x' } }, 'can\'t have "upgrade"'],
    [{ url, headers: { 'Sec-WebSocket-Key': 'x' } }, 'the handshake sets this header itself'],
    [{ url, headers: { sec_websocket_key: 'x' } }, 'can\'t have "sec_websocket_key"'],
    [{ url, headers: { 'Sec-WebSocket-Protocol': 'x' } }, 'use the option subprotocol'],
    [{ url, headers: { 'Transfer-Encoding': 'x' } }, 'can\'t have "Transfer-Encoding"'],
    [{ url, headers: { 'Content-Length': '1' } }, 'can\'t have "Content-Length"'],
    [{ url, headers: { 'a b': 'x' } }, 'has an invalid header name: "a b"'],
    [{ url, headers: { A: 'secret\r\nB: c' } }, 'server.headers["A"] has a character that is not allowed'],
    [{ url, headers: { A: 7 } }, 'server.headers["A"] must be a string'],
    [{ url, headers: { Cookie: 'a', cookie: 'b' } }, 'must have each header once; got "cookie" twice'],
    [{ url, headers: { Host: undefined } }, 'server.headers["Host"] must be a string'],
    [{ url, headers: { Host: 'a/b' } }, 'server.headers["Host"] must be a host or host:port'],
  ])('is refused: %o', (host, expected) => {
    expect(message(host)).toContain(expected);
    expect(message(host)).not.toContain('secret');
  });
});
