// Published failures of comparable programs, tested on this tunnel. The page .github/THREATS.md lists them.
import session from 'express-session';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
// Loaded before the tests: the command loads this file only when it starts.
import '../../src/command/listen-command.js';
import { run } from '../../src/command/run.js';
import { fileTokens, tokenServer } from '../../src/tokens/index.js';
import { files } from '../support/command.js';
import { onCleanup } from '../support/cleanup.js';
import { FakeIo } from '../support/fake-io.js';
import { handshake, openRaw, pageRequest, RawClient, statusOf } from '../support/raw-client.js';
import { makeTunnel, startApp, startBackend, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

/** An app whose tunnel needs a session, and the cookie of a user who has logged in. */
async function startSite() {
  const backend = await startEcho();
  const dialled: unknown[] = [];
  backend.server.on('connection', (socket) => dialled.push(socket));
  const tunnel = makeTunnel({ server: { port: backend.port } });
  const { port } = await startApp((app) => {
    app.use(session({ secret: 'x', resave: false, saveUninitialized: false }));
    app.get('/login', (req, res) => {
      Object.assign(req.session, { user: 'ann' });
      res.end();
    });
    app.use('/tunnel', (req, res, next) => {
      if ((req.session as { user?: string }).user === undefined) res.status(401).end();
      else next();
    });
    app.use('/tunnel', tunnel);
  });
  const login = await fetch(`http://127.0.0.1:${port}/login`);
  const [cookie = ''] = login.headers.getSetCookie()[0]?.split(';') ?? [];
  return { port, cookie, dialled };
}

describe('CVE-2015-0259 (nova): cross-site WebSocket hijacking', () => {
  test('CVE-2015-0259: a page of another site opens no tunnel with the cookie of a logged-in user', async () => {
    const { port, cookie, dialled } = await startSite();
    const own = `127.0.0.1:${port}`;
    const ask = (headers: Record<string, string>) =>
      statusOf(port, '/tunnel', { Host: own, Cookie: cookie, ...headers });
    for (const Origin of [
      'http://evil.example',
      'https://evil.example',
      `http://${own}.evil.example`,
      `http://evil.example:${port}`,
      // Names that the check of DNS rebinding accepts: the comparison with the Host alone refuses them.
      `https://evil.example:${port}`,
      `http://localhost:${port}`,
      `http://127.0.0.2:${port}`,
      `http://evil.example#${own}`,
      `http://evil.example/http://${own}`,
      `http://${own}@evil.example`,
      `http://127.0.0.1:${port + 1}`,
      'http://127.0.0.1',
      'file://',
      'null',
      '',
    ])
      expect([Origin, await ask({ Origin })]).toEqual([Origin, 403]);
    // A page cannot send these headers, but a careless proxy could; no proxy is trusted here.
    const forged = { Origin: 'http://evil.example', 'X-Forwarded-Host': 'evil.example' };
    expect(await ask(forged)).toBe(403);
    expect(dialled).toHaveLength(0);
    expect(await ask({ Origin: `http://${own}` })).toBe(101);
    expect(await statusOf(port, '/tunnel', { Host: own, Origin: `http://${own}` })).toBe(401);
  });

  test('CVE-2015-0259 with DNS rebinding: a site that points its own name at this machine opens no tunnel', async () => {
    const { port, dialled } = await startTunnel().then((site) => ({
      ...site,
      dialled: site.backend?.sockets,
    }));
    for (const name of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example']) {
      const Host = `${name}:${port}`;
      expect([name, await statusOf(port, '/tunnel', { Host, Origin: `http://${Host}` })]).toEqual([
        name,
        403,
      ]);
    }
    expect(dialled?.size).toBe(0);
  });
});

describe('CVE-2013-0335 (nova): a token that opens another machine', () => {
  test('CVE-2013-0335: a token opens its own target, whatever the request says', async () => {
    const [ann, bob] = [await startBackend((s) => s.end('ann')), await startBackend((s) => s.end('bob'))];
    const { tokens = '' } = await files({
      tokens: `one: 127.0.0.1:${ann.port}\ntwo: 127.0.0.1:${bob.port}\n`,
    });
    const { port } = await startTunnel({ server: tokenServer(fileTokens(tokens)) });
    const shown = async (path: string, headers = {}) => {
      const client = await openRaw(port, path, headers);
      return (await client.payload(3)).toString();
    };
    expect([await shown('/tunnel?token=one'), await shown('/tunnel?token=two')]).toEqual(['ann', 'bob']);
    const other = `127.0.0.1:${bob.port}`;
    for (const query of [`&host=127.0.0.1&port=${bob.port}`, `&target=${other}`, `&server=${other}`])
      expect(await shown(`/tunnel?token=one${query}`)).toBe('ann');
    expect(await shown('/tunnel?token=one', { 'X-Token': 'two', Cookie: 'token=two' })).toBe('ann');
    // Two tokens in a request are never mixed, and a list is not a token.
    for (const path of [
      '?token=onetwo',
      '?token=one,two',
      '?token=one%0Atwo',
      '?token[]=two',
      '?token=one:two',
      '?token=',
    ])
      expect([path, await statusOf(port, `/tunnel${path}`)]).toEqual([path, 404]);
  });

  test('CVE-2013-0335: a ticket for one backend opens no other backend', async () => {
    const [ann, bob] = [await startBackend((s) => s.end('ann')), await startBackend((s) => s.end('bob'))];
    const tunnel = makeTunnel({ server: { port: bob.port } });
    const { port } = await startApp((app) => app.use('/tunnel', tunnel));
    const ticket = tunnel.ticket({ target: { port: ann.port } }) as string;
    const client = await openRaw(port, `/tunnel?ticket=${ticket}&port=${bob.port}`);
    expect((await client.payload(3)).toString()).toBe('ann');
    expect(await statusOf(port, `/tunnel?ticket=${ticket}`)).toBe(403);
  });
});

test('OSSN-0008 (nova): one token cannot open an unlimited number of sessions', async () => {
  const { port: target } = await startEcho();
  const source = (token: string) => (token === 'one' ? { target: { port: target }, user: 'ann' } : undefined);
  const { port, tunnel } = await startTunnel({ server: tokenServer(source), limits: { perUser: 3 } });
  const answers = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const client = new RawClient(port).send(handshake('/tunnel?token=one'));
      return (await client.answer()).status;
    }),
  );
  expect(answers.filter((status) => status === 101)).toHaveLength(3);
  expect(answers.filter((status) => status === 429)).toHaveLength(37);
  expect(tunnel.stats().open).toBe(3);
});

test('CVE-2021-3654 (nova, websockify): no path under --web redirects to another host', async () => {
  const { folder = '' } = await files({ 'vnc.html': 'desk' });
  await mkdir(join(folder, 'sub'));
  await mkdir(join(folder, 'evil.example'));
  const io = new FakeIo();
  const code = run(['0', '1', '--web', folder], io);
  await until(() => io.said.includes('listening on'));
  onCleanup(async () => {
    io.send('SIGTERM');
    expect(await code).toBe(0);
  });
  const port = Number(/:(\d+)\//.exec(io.said)?.[1]);
  const answerOf = (path: string) =>
    new RawClient(port).send(Buffer.from(pageRequest(path), 'latin1')).answer();
  expect(await answerOf('/sub')).toMatchObject({ status: 301, headers: { location: '/sub/' } });
  // As a browser resolves the redirect.
  const hostOf = async (path: string) => {
    const { headers } = await answerOf(path);
    return [path, new URL(headers.location ?? '/', 'http://desk.example/').host];
  };
  const starts = ['//', '///', '/\\', '/\\/', '/%5c', '/%2f', '/./', '//./', '/x/..//'];
  const paths = starts.flatMap((start) => [`${start}evil.example`, `${start}evil.example/%2e%2e`]);
  const found = await Promise.all([...paths, '/\\evil.example/..', '//evil.example/%2f..'].map(hostOf));
  expect(found.filter(([, host]) => host !== 'desk.example')).toEqual([]);
  // Targets in which Node's parser finds a host, and no browser sends. Express redirects to all of the target.
  const named = [
    ...['http://evil.example', 'http://a@evil.example', 'x://evil.example', 'http://evil.example/'],
    ...['//a@evil.example', '//a:b@evil.example:80', '/\\a@evil.example', '//a@evil.example/'],
  ];
  const ends = ['', '?x', '#', '#x', '?x#y', '\u00a0'];
  const targets = named.flatMap((start) => ends.map((end) => `${start}/sub${end}`));
  const answers = await Promise.all(targets.map(hostOf));
  expect(answers.filter(([, host]) => host !== 'desk.example')).toEqual([]);
  expect((await answerOf('http://evil.example/sub?x')).headers.location).toBe('/sub/?x');
});
