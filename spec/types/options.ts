// Only compiled, never run: see types.spec.ts.
import {
  memoryShared,
  wstunnel,
  type AuthResult,
  type Host,
  type SharedState,
  type TunnelError,
  type TunnelInfo,
  type TunnelOptions,
  type VncOptions,
} from '../../src/index.js';
import { expectTypeOf } from 'vitest';

const server = { port: 5900 };

// A wrong name.
// @ts-expect-error the name is server
wstunnel({ servers: server });
// @ts-expect-error the name is port
wstunnel({ server: { prot: 5900 } });
// @ts-expect-error the name is port, in a list as well
wstunnel({ server: [server, { prot: 5900 }] });
// @ts-expect-error the name is port, from a function as well
wstunnel({ server: () => ({ prot: 5900 }) });
// Issue 13, case 23: a map may have any key, a host may not.
// @ts-expect-error the name is host
wstunnel({ server: { hots: 'desk.lan', port: 5900 } });
// @ts-expect-error the name is host, in a rule as well
wstunnel({ server, rules: [{ server: { hots: 'desk.lan', port: 5900 } }] });
// @ts-expect-error the name is connectTimeout
wstunnel({ server: { socket: '/run/vnc.sock', conectTimeout: 5 } });
// @ts-expect-error args is an option of spawn
wstunnel({ server: { spawn: { path: 'Xvnc' }, args: [] } });
// @ts-expect-error the name is connectTimeout, of a host in a map as well
wstunnel({ server: { '/vnc': { port: 5900, conectTimeout: 5 } } });
// @ts-expect-error the name is buffered
wstunnel({ server, limits: { bufferd: 65536 } });
// @ts-expect-error the name is subprotocol
wstunnel({ server: { url: 'ws://127.0.0.1:7681/ws', subprotocols: ['tty'] } });
// @ts-expect-error mode is frames or bytes
wstunnel({ server: { url: 'ws://127.0.0.1:7681/ws', mode: 'text' } });
// A header that may be missing needs no condition.
wstunnel({ server: (req) => ({ url: new URL('ws://desk/ws'), headers: { Cookie: req.headers.cookie } }) });
// @ts-expect-error options are required
wstunnel();

// A wrong value.
// @ts-expect-error a port is a number
wstunnel({ server: { port: '5900' } });
// @ts-expect-error host and port are separate fields
wstunnel({ server: '127.0.0.1:5900' });
// @ts-expect-error balance is one of the strategies
wstunnel({ server, balance: 'random' });
// @ts-expect-error a strategy has a method pick
wstunnel({ server, balance: {} });
// @ts-expect-error frameType is binary or text
wstunnel({ server, frameType: 'utf8' });
// @ts-expect-error refuseWith is http or close
wstunnel({ server, refuseWith: 403 });
// @ts-expect-error origins is a list, not a string
wstunnel({ server, origins: 'https://a.example' });
// @ts-expect-error allow is a list, not a string
wstunnel({ server, allow: '10.0.0.0/8' });
// @ts-expect-error seconds are a number
wstunnel({ server, pingInterval: '30s' });
// @ts-expect-error url is a RegExp or a string
wstunnel({ server, url: 5900 });
// @ts-expect-error authenticate returns true, not a user
wstunnel({ server, authenticate: () => ({ name: 'me' }) });
// @ts-expect-error user returns a name, not an object
wstunnel({ server, user: () => ({ name: 'me' }) });

// All documented options.
wstunnel({});
wstunnel({ url: [/^\/websockify/, '/vnc'], server, balance: 'least-connection', frameType: 'text' });
wstunnel({ server: [{ port: 1 }, { host: '::1', port: 2 }, { socket: '/run/vnc.sock' }] as const });
wstunnel({
  server: { '': server, '/vnc': [server, { socket: '/run/vnc.sock' }], '.ssh': server, desk19: server },
});
const desks: Record<string, Host> = Object.fromEntries([['/ann', server]]);
wstunnel({ server: desks, rules: [{ server: desks }] });
wstunnel({
  server: Object.fromEntries(['ann', 'bob'].map((name, index) => [`/${name}`, { port: 5900 + index }])),
});
const desk: Host = server;
wstunnel({ server: desk });
wstunnel({ server: () => undefined });
wstunnel({ server: async () => Promise.resolve([server]), limits: { buffered: 65536 }, refuseWith: 'close' });
wstunnel({ server, limits: { opening: 100 } });
wstunnel({ server, limits: { opening: { total: 100, perClient: 10 } } });
wstunnel({ server, limits: { total: 100, perClient: 4, perUser: 2 } });
const shared = memoryShared();
expectTypeOf(shared).toEqualTypeOf<SharedState>();
wstunnel({ server: { ...server, maxTunnels: 1, onFull: 'takeover' }, name: 'vnc', shared });
// @ts-expect-error the state is for the whole tunnel
wstunnel({ server, rules: [{ shared }] });
// @ts-expect-error the word is takeover
wstunnel({ server: { ...server, onFull: 'replace' } });
wstunnel({ server, origins: ['*.a.example', /^https:/], allow: ['10.0.0.0/8'] as const, deny: [] });
wstunnel({ server, origins: (origin) => origin?.endsWith('.example') ?? false });
wstunnel({ server, authenticate: () => ({ status: 403, headers: { 'X-Why': 'plan' }, body: 'no' }) });

// The arguments of hooks.
wstunnel({
  server: (req, context) => {
    expectTypeOf(req.headers.cookie).toEqualTypeOf<string | undefined>();
    expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
    return undefined;
  },
  authenticate: (req, { signal }) => {
    expectTypeOf(req.url).toEqualTypeOf<string | undefined>();
    return signal.aborted;
  },
  subprotocol: (offered) => {
    expectTypeOf(offered).toEqualTypeOf<ReadonlySet<string>>();
    return [...offered][0];
  },
  onRefuse: (refusal, _req, res, next) => {
    expectTypeOf(refusal).toEqualTypeOf<TunnelError>();
    expectTypeOf(res.headersSent).toEqualTypeOf<boolean>();
    expectTypeOf(refusal.code).not.toEqualTypeOf<string>();
    // @ts-expect-error this code does not exist
    if (refusal.code === 'WSTUNNEL_TIMEOUT') return;
    next(refusal);
  },
});

expectTypeOf<TunnelOptions>().toHaveProperty('closeTimeout').toEqualTypeOf<number | undefined>();
expectTypeOf<Host['socket']>().toEqualTypeOf<string | undefined>();
expectTypeOf<true>().toExtend<AuthResult>();
expectTypeOf<string>().not.toExtend<AuthResult>();

// Control messages.
wstunnel({
  server,
  control: (message, tunnel, backend) => {
    expectTypeOf(message).toBeString();
    expectTypeOf(tunnel.user).toEqualTypeOf<string | undefined>();
    backend.write(message);
  },
  rules: [{ url: '/shell', control: () => undefined }],
});
// @ts-expect-error control is a function
wstunnel({ server, control: true });
// @ts-expect-error a message is text
wstunnel({ server, control: (message: Buffer) => message.fill(0) });

// VNC.
const password = 'of the desk';
wstunnel({ server, vnc: {} });
wstunnel({ server, vnc: { password, username: 'ann', viewOnly: true, inputIdleTimeout: 600 } });
wstunnel({ server, vnc: { password: (signal) => (signal.aborted ? '' : password) } });
wstunnel({
  server,
  vnc: (req, { signal }) => {
    expectTypeOf(req.url).toEqualTypeOf<string | undefined>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    return req.url === '/' ? undefined : { password: async () => Promise.resolve(password) };
  },
  rules: [{ url: '/watch', vnc: async () => Promise.resolve({ viewOnly: true }) }],
});
expectTypeOf<VncOptions['viewOnly']>().toEqualTypeOf<boolean | undefined>();
expectTypeOf<TunnelInfo['viewOnly']>().toEqualTypeOf<boolean>();
// @ts-expect-error the name is viewOnly
wstunnel({ server, vnc: { viewonly: true } });
// @ts-expect-error passwordFile is a key of the command's JSON file
wstunnel({ server, vnc: { passwordFile: 'desk.password' } });
// @ts-expect-error a password is text
wstunnel({ server, vnc: { password: Buffer.from(password) } });
// @ts-expect-error a password is text, from a function as well
wstunnel({ server, vnc: { password: () => undefined } });
// @ts-expect-error the limit is a number of seconds
wstunnel({ server, vnc: { inputIdleTimeout: '600' } });
// @ts-expect-error the rights are an object
wstunnel({ server, vnc: password });
// @ts-expect-error a function returns the rights, or undefined
wstunnel({ server, vnc: () => true });
// @ts-expect-error the name is viewOnly, from a function as well
wstunnel({ server, vnc: () => ({ viewonly: true }) });
// @ts-expect-error a host has no rights
wstunnel({ server: { port: 5900, vnc: {} } });
