import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import connectApp from 'connect';
import express, { type Express } from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import type { Tunnel } from '../../src/index.js';
import { handshake, RawClient } from '../support/raw-client.js';
import { makeTunnel, startEcho, startHttp } from '../support/servers.js';
import { until } from '../support/wait.js';

type Handler = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

const quiet = (app: Express) => app.set('env', 'test');

const connections = (server: Server) =>
  new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));

const answered = (statuses: string, targets: string[]) =>
  targets.map((target): [string, string] => [target, statuses]);

describe('no notation of the request target bypasses a login mounted on /vnc', () => {
  const login: Handler = (req, res, next) => {
    if (req.headers.cookie === 'in') next();
    else res.writeHead(401).end();
  };
  // Without the login's cookie, and with it.
  const SAME = [
    ...answered('401 101', ['/vnc', '/vnc/', '/vnc?x', '/vnc#x', '/vnc/%ff', 'http://a/vnc', 'HTTP://a/vnc']),
    ...answered('401 101', ['ws://a/vnc', 'http://a:b@c/vnc', 'http://a/vnc\\']),
    ...answered('404 404', [
      'http://a;b/vnc',
      'http://a/../vnc',
      'http://a?/vnc',
      'http://a%2fvnc/',
      'http://',
    ]),
    ...answered('404 404', [
      '//vnc',
      '///vnc',
      '//a/vnc',
      '/a/../vnc',
      '/./vnc',
      '/?/vnc',
      '/#/vnc',
      '/\\vnc',
    ]),
    ...answered('404 404', ['/vnc;x', '/vnc%2f', '/vnc%00', '/%76nc', '/%', '*']),
    ...answered('400 400', [
      'vnc',
      '\\vnc',
      '?/vnc',
      'http:vnc',
      'http:/vnc',
      'http://a#/vnc',
      'http://a\\/vnc',
    ]),
    ...answered('400 400', ['http://\xe9/vnc', '/vn\xe7', '/vnc\t', '/\t/vnc', 'http://a\t/vnc']),
  ];

  test.each<[string, (tunnelAt: (url?: string) => Tunnel) => RequestListener, [string, string][]]>([
    [
      'Express 5, mounted with it',
      (tunnelAt) => quiet(express()).use('/vnc', login, tunnelAt()),
      [
        ['/VNC', '401 101'],
        ['http:///vnc', '401 404'],
        ['http://[/vnc', '404 404'],
      ],
    ],
    [
      'Express 5, by its url',
      (tunnelAt) => quiet(express()).use('/vnc', login).use(tunnelAt('/vnc')),
      [
        ['/VNC', '401 404'],
        ['http:///vnc', '401 101'],
        ['http://[/vnc', '404 404'],
      ],
    ],
    [
      'Express 4, mounted with it',
      (tunnelAt) => quiet(express4()).use('/vnc', login, tunnelAt()),
      [
        ['/VNC', '401 101'],
        ['http:///vnc', '401 404'],
        ['http://[/vnc', '404 404'],
      ],
    ],
    // `http://[/vnc` is missing here: Connect throws on it, in an upgrade as in any request.
    [
      'Connect, mounted with it',
      (tunnelAt) => connectApp().use('/vnc', login).use('/vnc', tunnelAt()),
      [
        ['/VNC', '401 101'],
        ['/vnc.x', '401 101'],
        ['http:///vnc', '401 404'],
      ],
    ],
    [
      'Connect, by its url',
      (tunnelAt) => connectApp().use('/vnc', login).use(tunnelAt('/vnc')),
      // Connect restores the path in the letter case of the mount.
      [
        ['/VNC', '401 101'],
        ['/vnc.x', '401 404'],
        ['http:///vnc', '401 101'],
      ],
    ],
  ])('%s', async (_app, listenerOf, own) => {
    const { port: backend } = await startEcho();
    const tunnels: Tunnel[] = [];
    const tunnelAt = (url?: string) => {
      tunnels.push(makeTunnel({ server: { port: backend }, ...(url !== undefined && { url }) }));
      return tunnels[0]!;
    };
    const { server, port } = await startHttp(listenerOf(tunnelAt));
    const ask = async (target: string, Cookie?: string) => {
      const client = new RawClient(port).send(Buffer.from(handshake(target, { Cookie }), 'latin1'));
      const { status } = await client.answer();
      client.socket.destroy();
      return status;
    };
    const seen: [string, string][] = [];
    const wanted = [...SAME, ...own];
    for (const [target] of wanted) seen.push([target, `${await ask(target)} ${await ask(target, 'in')}`]);
    expect(seen).toEqual(wanted);

    // With a listener that answers every upgrade, a target may be that listener's but never the tunnel's.
    const { opened } = tunnels[0]!.stats();
    server.on('upgrade', (_req, socket) => socket.end('HTTP/1.1 418 Neighbour\r\nConnection: close\r\n\r\n'));
    for (const [target] of wanted) expect(await ask(target), target).not.toBe(101);
    expect(tunnels[0]!.stats().opened).toBe(opened);
    await until(async () => (await connections(server)) === 0);
  });
});
