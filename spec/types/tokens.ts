// Only compiled, never run: see types.spec.ts.
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { expectTypeOf } from 'vitest';
import { wstunnel } from '../../src/index.mjs';
import {
  apiTokens,
  fileTokens,
  folderTokens,
  jwtTokens,
  redisTokens,
  socketTokens,
  tokenServer,
  type TokenAnswer,
  type TokenServer,
  type TokenSource,
} from '../../src/tokens/index.mjs';

expectTypeOf(fileTokens('/etc/tokens')).toEqualTypeOf<TokenSource>();
const sources: [TokenSource, ...TokenSource[]] = [
  ...([fileTokens('a', { read: 'once', warn: () => undefined })] as const),
  ...[
    folderTokens('a'),
    socketTokens('a'),
    apiTokens({ url: 'https://a/%s', headers: { a: 'b' }, timeout: 1 }),
  ],
];

// Clients of both packages.
redisTokens(createClient(), { prefix: 'vnc:' });
redisTokens(createClient({ RESP: 3 }), { prefix: 'vnc:', once: true });
redisTokens(createCluster({ rootNodes: [] }), { prefix: 'vnc:' });
redisTokens(new Redis(), { prefix: 'vnc:', timeout: 1 });
// @ts-expect-error a prefix is required
redisTokens(new Redis(), { once: true });
// @ts-expect-error an address is not a client
redisTokens('redis://a', { prefix: '' });

const key: KeyObject = createPublicKey('');
jwtTokens({ key, algorithms: ['RS256'], audience: ['a', 'b'], issuer: 'c' });
jwtTokens({ key: new Uint8Array(32), algorithms: ['HS256'], audience: false });
jwtTokens({ jwks: 'https://a/jwks', algorithms: ['RS256'], audience: 'a' });
jwtTokens({ jwks: { keys: [] }, algorithms: ['RS256'], audience: 'a' });
// @ts-expect-error the algorithms are required
jwtTokens({ key, audience: 'a' });
// @ts-expect-error the audience is required
jwtTokens({ key, algorithms: ['RS256'] });

const server = tokenServer(...sources, { from: 'cookie', name: 'a', targets: ['a:1'] });
expectTypeOf(server).toEqualTypeOf<TokenServer>();
wstunnel({ server });
wstunnel({ rules: [{ url: '/a', server: tokenServer(...sources) }] });
// @ts-expect-error a source is required
tokenServer();
// @ts-expect-error no such place
tokenServer(...sources, { from: 'header' });

tokenServer((token, { req, signal, note }): TokenAnswer | undefined => {
  expectTypeOf(token).toEqualTypeOf<string>();
  expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
  note(req.url ?? '');
  return { target: [{ host: 'a', port: 1 }], user: 'ann', viewOnly: true, maxDuration: 1 };
});
// The request of the app, with its session.
interface AppRequest extends IncomingMessage {
  session: { user: string };
}
wstunnel<AppRequest>({
  server: tokenServer((token, { req }) => ({ target: { host: token, port: 1 }, user: req.session.user })),
});
wstunnel<AppRequest>({
  server: tokenServer<AppRequest>(
    fileTokens('a'),
    async (_token, { req }) => Promise.resolve({ target: { host: 'a', port: 1 }, user: req.session.user }),
    { targets: '*' },
  ),
});
const bySession: TokenSource<AppRequest> = (_token, { req }) => ({
  target: { host: 'a', port: 1 },
  user: req.session.user,
});
expectTypeOf(tokenServer(bySession)).toEqualTypeOf<TokenServer<AppRequest>>();
const plain: TokenServer[] = [];
// @ts-expect-error a plain request has no session
plain.push(tokenServer(bySession));

// @ts-expect-error the target is missing
tokenServer(() => ({ user: 'ann' }));
