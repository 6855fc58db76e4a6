import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { describe, expect, test } from 'vitest';
import type { RefuseInfo } from '../../src/index.js';
import { answerTo, startBehind } from './app-with-tunnel.js';
import { frame, handshake, openRaw, RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { deferred, until } from '../support/wait.js';

// on-finished has no type declarations.
const onFinished = createRequire(import.meta.url)('on-finished') as (
  message: object,
  done: () => void,
) => void;

describe('a middleware before the tunnel', () => {
  test('that rejects causes a 500', async () => {
    const { port, tunnel } = await startBehind([() => Promise.reject(new Error('broken'))]);
    expect((await answerTo(port)).status).toBe(500);
    expect(tunnel.stats()).toMatchObject({ opened: 0, refused: {} });
  });

  test('that is slow loses no bytes of the client', async () => {
    const goOn = deferred<() => void>();
    const { port } = await startBehind([(_req, _res, next) => goOn.resolve(() => next())]);
    const early = [Buffer.alloc(30_000, 'a'), Buffer.alloc(200_000, 'b'), Buffer.from('c')];
    const client = new RawClient(port).send(handshake('/tunnel'), frame(2, early[0]));
    (await goOn.promise, client).send(frame(2, early[1]));
    (await goOn.promise)();
    expect((await client.answer()).status).toBe(101);
    client.send(frame(2, early[2]));
    const all = Buffer.concat(early);
    expect((await client.payload(all.length)).equals(all)).toBe(true);
  });

  test.each(['at once', 'while the backend is dialled'])(
    "that answers after next(), %s, replaces the tunnel's answer",
    async (when) => {
      const dialling = deferred();
      const resolved = deferred();
      const lookup = (_name: string, _options: object, done: (error: null, addresses: object[]) => void) => {
        dialling.resolve();
        void resolved.promise.then(() => done(null, [{ address: '127.0.0.1', family: 4 }]));
      };
      const { port: backend, sockets } = await startEcho();
      const answerLate: RequestHandler = async (_req, res, next) => {
        next();
        if (when !== 'at once') await dialling.promise;
        res.status(418).send('mine');
        resolved.resolve();
      };
      const server = { host: 'desk.test', port: backend, lookup: lookup as never };
      const { port, tunnel } = await startBehind([answerLate], { server });
      const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
      const answer = await answerTo(port);
      expect(answer).toMatchObject({ status: 418, headers: { connection: 'close' } });
      expect(answer.body.toString()).toBe('mine');
      expect((await refused)[0]).toMatchObject({ code: 'WSTUNNEL_ANSWERED', status: 418 });
      expect(tunnel.stats().backends[0]?.load).toBe(0);
      await until(() => sockets.size === 0);
    },
  );

  test('that answers after the 101 gets an error, and the tunnel goes on if the app handles it', async () => {
    const open = deferred();
    const caught = deferred<unknown>();
    const late: RequestHandler = async (_req, res, next) => {
      next();
      await open.promise;
      res.status(500).send('into the tunnel?');
    };
    const handle: ErrorRequestHandler = (error, _req, res, next) => {
      caught.resolve(error);
      if (!res.headersSent) next(error);
    };
    const { port } = await startBehind([late], { behind: [handle] });
    const client = await openRaw(port);
    open.resolve();
    expect(await caught.promise).toMatchObject({ code: 'ERR_HTTP_HEADERS_SENT' });
    client.send(frame(2, 'ping'));
    expect((await client.payload(4)).toString()).toBe('ping');
  });

  test('that answers after the 101 ends the tunnel if no handler catches the error, as in Express', async () => {
    const open = deferred();
    const late: RequestHandler = async (_req, _res, next) => {
      next();
      await open.promise;
      throw new Error('too late');
    };
    const { port, tunnel, sockets } = await startBehind([late]);
    const client = await openRaw(port);
    open.resolve();
    await client.ended();
    await until(() => tunnel.stats().open === 0 && sockets.size === 0);
  });
});

test.each<[string, string, object]>([
  ['a tunnel', '/tunnel', {}],
  ["the tunnel's refusal", '/tunnel', { 'Sec-WebSocket-Version': '8' }],
  ["the app's answer", '/out', {}],
])('%s: request and response emit their end once', async (_what, path, headers) => {
  const seen: string[] = [];
  const watch: RequestHandler = (req, res, next) => {
    for (const name of ['end', 'close', 'error', 'aborted']) req.on(name, () => seen.push(`req ${name}`));
    for (const name of ['finish', 'close', 'error']) res.on(name, () => seen.push(`res ${name}`));
    onFinished(res, () => seen.push('on-finished'));
    next();
  };
  const { port, server } = await startBehind([watch], {
    behind: [(_req: Request, res: Response) => void res.sendStatus(401)],
  });
  const { client } = await answerTo(port, path, headers);
  await until(() => seen.length >= 5);
  client.socket.destroy();
  const connections = () =>
    new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
  await until(async () => (await connections()) === 0);
  expect(seen.toSorted()).toEqual(['on-finished', 'req close', 'req end', 'res close', 'res finish']);
});
