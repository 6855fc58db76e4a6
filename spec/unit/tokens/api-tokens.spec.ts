import type { IncomingMessage, RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { apiTokens } from '../../../src/tokens/api-tokens.js';
import { onCleanup } from '../../support/cleanup.js';
import { closedPort, startHttp } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { ask, UNKNOWN } from './ask.js';

const DESK = '{"host":"desk.lan","port":5900}';

async function startApi(answer: RequestListener) {
  const seen: IncomingMessage[] = [];
  const { server, port } = await startHttp((req, res) => {
    seen.push(req);
    answer(req, res);
  });
  onCleanup(() => server.closeAllConnections());
  return { seen, port, urls: () => seen.map(({ url }) => url), at: `http://127.0.0.1:${port}/tokens/%s` };
}

describe("websockify's JSONTokenApi", () => {
  test('answers with JSON, and may give the user and rights', async () => {
    const { at, seen } = await startApi((_req, res) => res.end('{"host":"a","port":"5900","user":"ann"}'));
    const source = apiTokens({ url: at, headers: { Authorization: 'Bearer x' } });
    expect(await ask(source, 'abc')).toEqual({ target: { host: 'a', port: 5900 }, user: 'ann' });
    expect(seen[0]).toMatchObject({
      method: 'GET',
      url: '/tokens/abc',
      headers: { authorization: 'Bearer x' },
    });
    expect(seen[0]?.headers.accept).toContain('application/json');
  });

  test('answers with the text host:port (BaseTokenAPI)', async () => {
    const { at } = await startApi((_req, res) => res.end('desk.lan:5900\n'));
    expect(await ask(apiTokens({ url: at }), 'a')).toEqual({ target: { host: 'desk.lan', port: 5900 } });
  });

  test.each([404, 410])('answers %i for a token that does not exist', async (status) => {
    const { at } = await startApi((_req, res) => res.writeHead(status).end('{"host":"a","port":1}'));
    expect(await ask(apiTokens({ url: at }), 'a')).toEqual(UNKNOWN);
  });
});

describe('issue 18: websockify does not encode the token', () => {
  test('here it never changes the path, the query or the host', async () => {
    const { at, port, urls } = await startApi((_req, res) => res.end(DESK));
    const source = apiTokens({ url: at });
    for (const token of ['a/b', '../admin', 'a?x=1', 'a#b', '%2e%2e', 'ü', '@evil', 'a&b', '$&', '%s'])
      await ask(source, token);
    expect(urls()).toEqual(
      [
        'a%2Fb',
        '..%2Fadmin',
        'a%3Fx%3D1',
        'a%23b',
        '%252e%252e',
        '%C3%BC',
        '%40evil',
        'a%26b',
        '%24%26',
        '%25s',
      ].map((token) => `/tokens/${token}`),
    );
    await ask(apiTokens({ url: `http://127.0.0.1:${port}/q?t=%s&x=1` }), 'a&x=2');
    expect(urls().at(-1)).toBe('/q?t=a%26x%3D2&x=1');
  });

  test('a token that is a dot segment is sent to no server, since a URL cannot contain it', async () => {
    const { at, seen } = await startApi((_req, res) => res.end(DESK));
    for (const token of ['.', '..']) expect(await ask(apiTokens({ url: at }), token)).toEqual(UNKNOWN);
    expect(seen).toEqual([]);
  });
});

describe('issue 18: websockify has no timeout', () => {
  test.each<[string, RequestListener]>([
    ['that never answers', () => undefined],
    ['that stops within its answer', (_req, res) => void res.write('{"host":')],
  ])('an API %s refuses with 504, and its connection is closed', async (_what, answer) => {
    const { at, seen } = await startApi(answer);
    expect(await ask(apiTokens({ url: at, timeout: 0.2 }), 'secret')).toEqual({
      ...{ code: 'WSTUNNEL_STATE_DOWN', status: 504 },
      detail: 'the API of tokens did not answer within 0.2 seconds',
    });
    await until(() => seen[0]?.socket.destroyed === true);
  });

  test('an aborted request closes the connection to the API at once', async () => {
    const { at, seen } = await startApi(() => undefined);
    const controller = new AbortController();
    const asking = ask(apiTokens({ url: at }), 'a', controller.signal);
    await until(() => seen.length === 1);
    controller.abort(new Error('gone'));
    await expect(asking).rejects.toThrow('gone');
    await until(() => seen[0]?.socket.destroyed === true);
  });
});

describe('issue 18: an API', () => {
  test('that is down refuses with 503', async () => {
    const port = await closedPort();
    const answer = await ask(apiTokens({ url: `http://127.0.0.1:${port}/%s` }), 'secret');
    expect(answer).toEqual({
      ...{
        code: 'WSTUNNEL_STATE_DOWN',
        status: 503,
        detail: 'the API of tokens is not reached: ECONNREFUSED',
      },
    });
  });

  test('that redirects is not followed: another server would get the token', async () => {
    const other = await startApi((_req, res) => res.end(DESK));
    const { at } = await startApi((_req, res) => {
      res.writeHead(302, { Location: other.at.replace('%s', 'x') }).end();
    });
    expect(await ask(apiTokens({ url: at }), 'a')).toMatchObject({
      status: 502,
      detail: 'the API of tokens answered 302',
    });
    expect(other.seen).toEqual([]);
  });

  test('that sends without end is disconnected', async () => {
    const { at, seen } = await startApi((_req, res) => {
      const more = () => {
        while (!res.destroyed && res.write('x'.repeat(10_000)));
      };
      res.on('drain', more);
      more();
    });
    expect(await ask(apiTokens({ url: at }), 'a')).toMatchObject({
      status: 502,
      detail: expect.stringMatching(/more than 65536 bytes/) as string,
    });
    await until(() => seen[0]?.socket.destroyed === true);
  });

  test('that breaks off refuses with 503', async () => {
    const { at } = await startApi((_req, res) => {
      res.writeHead(200, { 'Content-Length': '100' });
      res.write('{', () => res.destroy());
    });
    expect(await ask(apiTokens({ url: at }), 'a')).toMatchObject({
      status: 503,
      detail: expect.stringMatching(/broke within the answer/) as string,
    });
  });

  test.each([
    '',
    '{',
    '<html>',
    '{"host":"ann:pw@desk","port":1}',
    '{"host":"a","port":0}',
    '{"host":"a","port":70000}',
    '{"host":"a","port":"5900abc"}',
    'null',
  ])('that answers %j refuses with 502, and the answer is in no message', async (text) => {
    const { at } = await startApi((_req, res) => res.end(text));
    const answer = await ask(apiTokens({ url: at }), 'secret');
    expect(answer).toMatchObject({
      status: 502,
      detail: expect.stringMatching(/^an answer of the API of tokens is invalid: it/) as string,
    });
    expect(JSON.stringify(answer)).not.toMatch(/secret|ann|5900abc|html/);
  });

  test.each([500, 401, 403, 204])('that answers %i refuses with 502', async (status) => {
    const { at } = await startApi((_req, res) => res.writeHead(status).end());
    expect(await ask(apiTokens({ url: at }), 'a')).toMatchObject({ status: 502 });
  });
});

test.each([
  [{ url: 'http://a/' }],
  [{ url: 'http://a/%s/%s' }],
  [{ url: 'http://%s/a' }],
  [{ url: 'http://a.%s/' }],
  [{ url: 'http://a:1%s/' }],
  [{ url: '%s://a/' }],
  [{ url: 'http://a/#%s' }],
  [{ url: 'ftp://a/%s' }],
  [{ url: '/%s' }],
  [{}],
])('%j is refused', (options) => {
  expect(() => apiTokens(options as never)).toThrow(
    /url must be an http or https URL with one "%s" for the token, after the host/,
  );
});

test('a login in the URL, and a header that cannot be sent, are refused without their text', () => {
  for (const options of [
    { url: 'http://ann:secret@a/%s' },
    { url: 'http://a/%s', headers: { a: 'secret\nx' } },
  ])
    expect(() => apiTokens(options)).toThrow(
      /^(?!.*secret).*(the header Authorization|header names and values)/,
    );
});
