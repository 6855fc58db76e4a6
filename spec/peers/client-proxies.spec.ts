import { expect, test } from 'vitest';
import { connect, type ClientError, type ConnectOptions } from '../../src/client/index.js';
import { certificate } from '../support/certificate.js';
import { describeWith } from '../support/programs.js';
import { startSquid, startTinyproxy, type Login, type RealProxy } from '../support/real-proxies.js';
import { closedPort, startTlsTunnel, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';
import { echoedBy, failed, setProxyEnvironment } from '../support/websocket-server.js';

const LOGIN: Login = { user: 'ann', password: 'secret' };
const { cert: ca } = certificate();

/** Sends 3 MB through an echo. */
async function echoed(url: string, options: ConnectOptions): Promise<void> {
  const bytes = Buffer.alloc(3_000_000, 'through the office');
  expect((await echoedBy(connect(url, options), bytes)).equals(bytes)).toBe(true);
}

async function refusal(url: string, options: ConnectOptions): Promise<ClientError> {
  const stream = connect(url, options);
  const error = await failed(stream);
  expect(error.message).not.toContain('secret');
  return error;
}

async function startTls(): Promise<string> {
  return `wss://localhost:${await startTlsTunnel()}/`;
}

describeWith('squid', 'tinyproxy').each<[string, (login?: Login) => Promise<RealProxy>]>([
  ['squid', startSquid],
  ['tinyproxy', startTinyproxy],
])('%s', (name, start) => {
  test('CONNECT opens tunnels for ws: and wss:', async () => {
    const { port } = await start();
    const { url, tunnel } = await startTunnel();
    await echoed(url, { proxy: `http://127.0.0.1:${port}` });
    await echoed(await startTls(), { proxy: `http://127.0.0.1:${port}`, tls: { ca } });
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
  });

  test('CONNECT takes a login from the environment', async () => {
    const { port } = await start(LOGIN);
    const { url } = await startTunnel();
    setProxyEnvironment({ HTTP_PROXY: `http://ann:secret@127.0.0.1:${port}` });
    await echoed(url, {});
  });

  test.each(['', 'ann:wrong@'])('CONNECT with the login "%s" is refused', async (login) => {
    const { port } = await start(LOGIN);
    const { url } = await startTunnel();
    const error = await refusal(url, { proxy: `http://${login}127.0.0.1:${port}` });
    expect(error.code).toBe('WSTUNNEL_PROXY_AUTH');
    // tinyproxy answers a missing login with 407, a wrong login with 401.
    expect(error.status).toBe(name === 'tinyproxy' && login !== '' ? 401 : 407);
    expect(JSON.stringify(error.headers)).toMatch(/-authenticate":"Basic realm=/);
  });

  test('a proxy that cannot connect to the server is an error', async () => {
    const { port } = await start();
    const url = `ws://127.0.0.1:${await closedPort()}/`;
    const error = await refusal(url, { proxy: `http://127.0.0.1:${port}` });
    expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_REFUSED' });
    expect(error.status).toBeGreaterThanOrEqual(500);
    expect(error.again).toBe(true);
  });

  test('a proxy that dies during an open tunnel is an error', async () => {
    const { port, program } = await start();
    const { url, tunnel } = await startTunnel();
    const stream = connect(url, { proxy: `http://127.0.0.1:${port}` });
    stream.write('x');
    await new Promise((resolve) => stream.once('data', resolve));
    const error = failed(stream);
    program.process.kill('SIGKILL');
    expect(await error).toMatchObject({ code: 'WSTUNNEL_CLOSED', closeCode: 1006 });
    await until(() => tunnel.stats().open === 0);
  });
});

describeWith('squid')('forward mode', () => {
  test('works with a squid with support for upgrades, with and without a login', async () => {
    const { url } = await startTunnel();
    const open = await startSquid();
    await echoed(url, { proxy: `http://127.0.0.1:${open.port}`, proxyMode: 'forward' });
    const closed = await startSquid(LOGIN);
    await echoed(url, { proxy: `http://ann:secret@127.0.0.1:${closed.port}`, proxyMode: 'forward' });
    const error = await refusal(url, { proxy: `http://127.0.0.1:${closed.port}`, proxyMode: 'forward' });
    expect(error).toMatchObject({ code: 'WSTUNNEL_PROXY_AUTH', status: 407 });
  });
});

describeWith('tinyproxy')('forward mode', () => {
  test('is refused by a tinyproxy, which strips the upgrade, and does not hang', async () => {
    const { url } = await startTunnel();
    const { port } = await startTinyproxy();
    const error = await refusal(url, { proxy: `http://127.0.0.1:${port}`, proxyMode: 'forward' });
    expect(error.code).toBe('WSTUNNEL_REFUSED');
  });
});
