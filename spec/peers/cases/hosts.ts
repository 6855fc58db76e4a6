import type { Socket } from 'node:net';
import type { TunnelOptions } from '../../../src/index.js';
import { BINARY, dead, echo, named, seesEnds, silent, stuck, toAll, type Case, type Places } from '../run.js';
import { since } from '../../support/lighttpd-version.js';
import { frame, handshake } from '../../support/raw-client.js';
import { until } from '../../support/wait.js';

/** One host with an option in both spellings. */
function hostWith(
  conf: Record<string, number | string>,
  ours: Record<string, number | string>,
): Pick<Case, 'conf' | 'options'> {
  return {
    conf: ({ a }) => `${toAll(a!.conf(conf))}\n${BINARY}`,
    options: ({ a }): TunnelOptions => ({ server: { ...a!.host, ...ours } }),
  };
}

/** Two hosts; the client must not notice a failure of the first. */
const both = (conf: Record<string, number | string> = {}, ours: Record<string, number> = {}) => ({
  conf: ({ a, b }: Places) => toAll(a!.conf(conf), b!.conf(conf)),
  options: ({ a, b }: Places): TunnelOptions => ({
    server: [
      { ...a!.host, ...ours },
      { ...b!.host, ...ours },
    ],
  }),
});

export const HOSTS: Case[] = [
  {
    name: 'host and port',
    backends: { a: named },
    observe: (side) => side.who(),
  },
  {
    name: 'host: a name',
    backends: { a: named },
    conf: ({ a }) => toAll(a!.conf({ host: 'localhost' })),
    options: ({ a }) => ({ server: { ...a!.host, host: 'localhost' } }),
    observe: (side) => side.who(),
  },
  {
    name: 'host: a name that is unknown',
    observe: (side) =>
      side.starts({
        conf: () => toAll('"a" => ("host" => "no.such.name.invalid", "port" => 1)'),
        options: () => ({ server: { host: 'no.such.name.invalid', port: 1 } }),
      }),
    differs: { subject: 'DNS', lighttpd: false, ours: true },
  },
  {
    name: 'port: left out',
    observe: (side) =>
      side.starts({
        conf: () => toAll('"a" => ("host" => "127.0.0.77")'),
        options: () => ({ server: { host: '127.0.0.77' } }),
      }),
    differs: { subject: '`port` left out', lighttpd: true, ours: false },
  },
  {
    name: 'port: one that is none',
    observe: (side) =>
      side.starts({
        conf: () => toAll('"a" => ("host" => "127.0.0.1", "port" => 70000)'),
        options: () => ({ server: { port: 70000 } }),
      }),
    differs: {
      subject: 'unknown and impossible values',
      lighttpd: since({ '1.4.69': true, '1.4.73': false }),
      ours: false,
    },
  },
  { name: 'socket', backends: { a: named }, listen: 'sockets', observe: (side) => side.who() },
  {
    name: 'socket: several, one of them dead',
    backends: { a: dead, b: named },
    listen: 'sockets',
    ...both(),
    observe: (side) => side.who(),
  },
  {
    name: 'socket together with host and port is refused at the start',
    observe: (side) =>
      side.starts({
        conf: () => toAll('"a" => ("host" => "127.0.0.1", "port" => 1, "socket" => "/tmp/none.sock")'),
        options: () => ({ server: { host: '127.0.0.1', port: 1, socket: '/tmp/none.sock' } }),
      }),
  },
  {
    name: 'host: one that begins with "/" is a socket',
    backends: { a: named },
    listen: 'sockets',
    conf: ({ a }) => toAll(a!.conf().replace('"socket"', '"host"')),
    options: ({ a }) => ({ server: { host: a!.host.socket! } }),
    observe: (side) => side.who(),
  },
  {
    name: 'a wrong host option is refused at the start',
    observe: (side) =>
      side.starts({
        conf: ({ a }) => toAll(a!.conf().replace(')', ', "mode" => "authorizer", "docroot" => "/")')),
        options: ({ a }) => ({ server: { ...a!.host, mode: 'authorizer' } as never }),
      }),
  },
  {
    name: 'an unknown host option',
    observe: (side) =>
      side.starts({
        conf: ({ a }) => toAll(a!.conf().replace(')', ', "no-such-option" => 1)')),
        options: ({ a }) => ({ server: { ...a!.host, noSuchOption: 1 } as never }),
      }),
    differs: { subject: 'unknown and impossible values', lighttpd: true, ours: false },
  },
  {
    name: 'options without a meaning for tunnels are taken',
    observe: (side) =>
      side.starts({
        conf: ({ a }) =>
          toAll(a!.conf().replace(')', ', "tcp-fin-propagate" => "disable", "check-local" => "enable")')),
        options: ({ a }) => ({ server: a!.host }),
      }),
  },
  {
    name: 'no host up: 503 at once, without another attempt',
    backends: { a: dead },
    ...hostWith({ 'disable-time': 600 }, { disableTime: 600 }),
    observe: async (side) => {
      await side.status(handshake('/'));
      await side.backend().start();
      return [await side.status(handshake('/')), await side.status(handshake('/'))];
    },
  },
  {
    name: 'disable-time: the host comes back by itself',
    backends: { a: dead },
    ...hostWith({ 'disable-time': 1 }, { disableTime: 1 }),
    observe: async (side) => {
      await side.status(handshake('/'));
      const while_ = await side.status(handshake('/'));
      const backend = side.backend();
      await backend.start();
      await until(async () => (await side.status(handshake('/'))) === 101);
      return { while_, later: (await side.open()).socket.readable };
    },
  },
  {
    name: 'disable-time: the only host comes back before it is over',
    backends: { a: dead },
    ...hostWith({ 'disable-time': 600 }, { disableTime: 600 }),
    observe: async (side) => {
      await side.status(handshake('/'));
      await side.backend().start();
      const end = performance.now() + 3000;
      let status: number | string;
      do status = await side.status(handshake('/'));
      while (status !== 101 && performance.now() < end);
      return status;
    },
    differs: { subject: '`disable-time` of the only host', lighttpd: 503, ours: 101 },
  },
  {
    name: 'a backend that refuses',
    backends: { a: dead },
    observe: (side) => side.status(handshake('/')),
    differs: { subject: 'status where no backend answers', lighttpd: 503, ours: 502 },
  },
  {
    name: 'a socket that is not there',
    backends: { a: dead },
    listen: 'sockets',
    observe: (side) => side.status(handshake('/')),
    differs: { subject: 'status where no backend answers', lighttpd: 503, ours: 502 },
  },
  {
    name: 'all of several refuse',
    backends: { a: dead, b: dead },
    ...both({ 'disable-time': 600 }, { disableTime: 600 }),
    observe: async (side) => [await side.status(handshake('/')), await side.status(handshake('/'))],
    differs: { subject: 'status where no backend answers', lighttpd: [503, 503], ours: [502, 503] },
  },
  {
    name: 'the first of two refuses: the next one is tried, the client notices nothing',
    backends: { a: dead, b: named },
    ...both(),
    observe: async (side) => [await side.who(), await side.who()],
  },
  {
    name: 'connect-timeout: nothing else is up',
    backends: { a: stuck },
    ...hostWith({ 'connect-timeout': 1, 'disable-time': 600 }, { connectTimeout: 1, disableTime: 600 }),
    observe: async (side) => ({
      first: await side.status(handshake('/')),
      then: await side.status(handshake('/')),
    }),
    differs: {
      subject: 'status where no backend answers',
      lighttpd: { first: 503, then: 503 },
      ours: { first: 504, then: 503 },
    },
  },
  {
    name: 'connect-timeout: the next host is tried, the stalled one is left out',
    backends: { a: stuck, b: named },
    ...both({ 'connect-timeout': 1, 'disable-time': 600 }, { connectTimeout: 1, disableTime: 600 }),
    observe: async (side) => [await side.who(), await side.who()],
  },
  {
    name: 'connect-timeout: how many hosts are tried',
    backends: { a: stuck, b: stuck, c: named },
    conf: ({ a, b, c }) =>
      toAll(...[a!, b!, c!].map((at) => at.conf({ 'connect-timeout': 1, 'disable-time': 600 }))),
    options: ({ a, b, c }) => ({
      server: [a!, b!, c!].map(({ host }) => ({ ...host, connectTimeout: 1, disableTime: 600 })),
    }),
    observe: (side) => side.who(),
    differs: { subject: 'how many hosts are tried', lighttpd: 503, ours: 'c' },
  },
  {
    name: 'refused: how many hosts are tried',
    backends: { a: dead, b: dead, c: dead, d: dead, e: dead, f: dead, g: dead, h: named },
    conf: (at) => toAll(...Object.values(at).map((one) => one.conf({ 'disable-time': 600 }))),
    options: (at) => ({ server: Object.values(at).map(({ host }) => ({ ...host, disableTime: 600 })) }),
    observe: (side) => side.who(),
    differs: { subject: 'how many hosts are tried', lighttpd: 503, ours: 'h' },
  },
  {
    name: 'no host up is said once for each outage',
    backends: { a: dead },
    ...hostWith({ 'disable-time': 600 }, { disableTime: 600 }),
    observe: async (side) => {
      for (let i = 0; i < 4; i++) await side.status(handshake('/'));
      return side.outages();
    },
  },
  {
    name: 'disable-time 0',
    backends: { a: dead },
    ...hostWith({ 'disable-time': 0 }, { disableTime: 0 }),
    observe: async (side) => {
      await side.status(handshake('/'));
      await side.backend().start();
      return side.status(handshake('/'));
    },
    differs: { subject: '`disable-time` 0', lighttpd: 503, ours: 101 },
  },
  {
    name: '101 comes only when the backend is connected, and what was sent early is kept',
    backends: { a: stuck, b: echo },
    ...both({ 'connect-timeout': 1 }, { connectTimeout: 1 }),
    observe: async (side) => {
      const client = side.raw(handshake('/'), frame(2, 'early'));
      await until(async () => (await side.load()) === 1);
      const before = client.socket.bytesRead;
      const { status } = await client.answer();
      return { before, status, echo: (await client.payload(5)).toString() };
    },
  },
  {
    name: 'a client that leaves while the backend is being connected frees its place',
    backends: { a: stuck },
    ...hostWith({ 'connect-timeout': 1 }, { connectTimeout: 300 }),
    observe: async (side) => {
      const client = side.raw(handshake('/'));
      await until(async () => (await side.load()) === 1);
      client.socket.resetAndDestroy();
      await until(async () => (await side.load()) === 0);
      return true;
    },
  },
  {
    name: 'read-timeout: a backend that is silent',
    backends: { a: silent },
    ...hostWith({ 'read-timeout': 1 }, { readTimeout: 1 }),
    observe: async (side) => {
      const client = await side.open();
      return { code: await side.close(client), left: await (await side.backend().conversation()).left() };
    },
    differs: {
      subject: 'a backend that fails',
      lighttpd: since({ '1.4.69': { code: 1001, left: 'end' }, '1.4.83': { code: 1011, left: 'end' } }),
      ours: { code: 1011, left: 'end' },
    },
  },
  {
    name: 'read-timeout: a backend that speaks is left alone',
    backends: {
      a: (socket: Socket) => {
        const timer = setInterval(() => socket.write('.'), 200);
        socket.on('close', () => clearInterval(timer));
      },
    },
    ...hostWith({ 'read-timeout': 1 }, { readTimeout: 1 }),
    observe: async (side) => (await (await side.open()).payload(11)).toString(),
  },
  {
    name: 'write-timeout: a backend that takes nothing',
    backends: { a: (socket: Socket) => socket.pause() },
    ...hostWith({ 'write-timeout': 1 }, { writeTimeout: 1 }),
    observe: async (side) => {
      const client = await side.open();
      (await side.backend().conversation()).socket.pause();
      client.send(frame(2, Buffer.alloc(12 << 20)));
      return { code: await side.close(client) };
    },
    differs: {
      subject: 'a backend that fails',
      lighttpd: since({ '1.4.69': { code: 1001 }, '1.4.83': { code: 1011 } }),
      ours: { code: 1011 },
    },
  },
  {
    name: 'counters: the load rises with each tunnel and falls with its end',
    backends: { a: named, b: named },
    ...both(),
    observe: async (side) => {
      const seenLoads = [await side.loads()];
      for (let i = 0; i < 3; i++) {
        await side.hold();
        seenLoads.push(await side.loads());
      }
      await side.release('a');
      await side.release('a');
      await side.release('b');
      return [...seenLoads, await side.loads()];
    },
  },
  {
    name: 'counters: a client that half-closes or resets leaves no load behind',
    ...seesEnds,
    observe: async (side) => {
      for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
        const client = (await side.open()).send(frame(2, 'x'));
        await client.frame();
        client.socket[leave]();
      }
      await until(async () => (await side.load()) === 0);
      return true;
    },
  },
];
