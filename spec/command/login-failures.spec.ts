import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { files, startCommand } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { requestTunnel, statusOf } from '../support/raw-client.js';
import { LOGINS } from '../support/readme.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const run = promisify(execFile);

async function start(...args: string[]) {
  const { port: target } = await startEcho();
  const { logins, folder } = await files({ logins: `ann:${hashSync('right', 4)}\n` });
  const log = join(folder!, 'events.log');
  const command = await startCommand(['0', String(target), '--auth', logins!, '--log', log, ...args]);
  const login = async (name: string, password: string, headers: Record<string, string> = {}) => {
    const Authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
    const client = requestTunnel(command.port, '/', { Authorization, ...headers });
    const { status } = await client.answer();
    client.socket.destroy();
    return status;
  };
  const text = () => readFile(log, 'utf8');
  const events = async () => {
    const lines = (await text()).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return { ...command, log, login, text, events };
}

/** The event without the time, which differs between runs. */
const withoutTime = (event: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(event).filter(([name]) => name !== 'time'));

describe('issue 13, case 17: failed logins are logged', () => {
  test('each failure is an event and a line with address and name, without the password', async () => {
    const { login, program, text, events } = await start('-v');
    expect(await login('ann', 'secret one')).toBe(401);
    await program.prints(/^login {3}127\.0\.0\.1: 401 wrong name or password \(ann\)$/m);
    await until(async () => (await events()).length === 1);
    const event = { event: 'login', address: '127.0.0.1', status: 401, code: 'wrong', user: 'ann' };
    expect((await events()).map(withoutTime)).toEqual([event]);
    expect(program.output + (await text())).not.toContain('secret');
  });

  test('a name without a login is not logged, since it may be a password', async () => {
    const { login, program, text, events } = await start('-v');
    expect(await login('secret two', '')).toBe(401);
    await program.prints(/^login {3}127\.0\.0\.1: 401 wrong name or password$/m);
    await until(async () => (await events()).length === 1);
    expect(program.output + (await text())).not.toContain('secret');
  });

  test('requests without a login or with a valid login are not logged as failures', async () => {
    const { login, port, events } = await start();
    expect(await statusOf(port, '/')).toBe(401);
    expect(await login('ann', 'right')).toBe(101);
    expect(await login('ann', 'wrong')).toBe(401);
    await until(async () => (await events()).some(({ event }) => event === 'login'));
    expect((await events()).filter(({ event }) => event === 'login')).toHaveLength(1);
  });

  test('with a trusted proxy the log has the address that the proxy reports', async () => {
    const { login, events } = await start('--trust-proxy', 'loopback');
    await login('ann', 'wrong', { 'X-Forwarded-For': '10.0.0.1, 192.0.2.7' });
    await until(async () => (await events()).length === 1);
    expect((await events())[0]).toMatchObject({ address: '192.0.2.7' });
  });

  test('failures of an address beyond ten per minute share one line, and unchecked requests hide none', async () => {
    const { login, program, events, ...command } = await start('-v');
    // Sixteen logins are queued; all others get 503 after a second.
    const all = Array.from({ length: 50 }, (_, i) => login(`name ${i}`, 'wrong').catch(() => 0));
    await until(async () => (await events()).filter(({ code }) => code === 'busy').length === 10);
    await until(async () => (await events()).filter(({ code }) => code === 'wrong').length === 10);
    program.process.kill('SIGTERM');
    await Promise.all(all);
    expect(await command.exit()).toBe(0);
    const folded = (await events()).filter(({ event }) => event === 'logins');
    expect(folded).toContainEqual(
      expect.objectContaining({ address: '127.0.0.1', status: 503, code: 'busy' }),
    );
    expect((await events()).filter(({ event }) => event === 'login').length).toBeLessThanOrEqual(20);
  });

  test('a client that leaves before the answer counts as a failure', async () => {
    const { port, events } = await start();
    const Authorization = `Basic ${Buffer.from('ann:wrong').toString('base64')}`;
    const isNoted = async () => (await events()).length > 0;
    // A client that leaves the queue before the check is not a failure: repeat until a password was checked.
    await until(async () => {
      const client = requestTunnel(port, '/', { Authorization });
      client.socket.end();
      return isNoted();
    });
    expect((await events())[0]).toMatchObject({ event: 'login', code: 'wrong' });
  });
});

describeWith('fail2ban-regex')("issue 13, case 17: the page's fail2ban filter", () => {
  const [, filter = ''] = /<!-- fail2ban filter -->\s+```ini\n(.*?)```/s.exec(LOGINS) ?? [];

  /** The addresses that fail2ban finds in the lines. */
  async function foundIn(text: string): Promise<string[]> {
    const made = await files({ 'express-wstunnel.conf': filter, log: text });
    const args = ['-o', 'ip', made.log!, made['express-wstunnel.conf']!];
    const { stdout } = await run('fail2ban-regex', args, { timeout: 60_000 });
    return stdout.split('\n').filter((line) => line !== '');
  }

  test('finds every address of a failed login in a log of the command, and no other', async () => {
    const { login, text, events } = await start('--trust-proxy', 'loopback');
    const from = (address: string) => ({ 'X-Forwarded-For': address });
    await login('ann', 'wrong', from('192.0.2.7'));
    await login('nobody', 'wrong', from('2001:db8::7'));
    await login('ann', 'right', from('192.0.2.8'));
    await until(async () => (await events()).length >= 3);
    expect(await foundIn(await text())).toEqual(['192.0.2.7', '2001:db8::7']);
  });

  test("ignores addresses inside a client's user name", async () => {
    // A name has no colon (RFC 7617 section 2).
    const name = 'ann","address" "10.0.0.1","status" 401';
    const { logins } = await files({ logins: `${name}:${hashSync('right', 4)}\n` });
    const { login, text, events } = await start('--auth', logins!);
    expect(await login(name, 'wrong')).toBe(401);
    await until(async () => (await events()).length === 1);
    expect((await events())[0]).toMatchObject({ user: name });
    expect(await foundIn(await text())).toEqual(['127.0.0.1']);
  });
});
