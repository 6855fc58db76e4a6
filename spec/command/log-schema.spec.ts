import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { EventLog } from '../../src/command/listen/log/event-log.js';
import { RepeatLimiter } from '../../src/command/listen/log/repeats.js';
import { logEvents } from '../../src/command/listen/log/tunnel-events.js';
import type { ClosedInfo, RefuseInfo, Tunnel } from '../../src/index.js';
import { closedPort } from '../support/closed-port.js';
import { files, startCommand } from '../support/command.js';
import { closeFrame, frame, openRaw, statusOf } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';
import { EVENTS, faultsOf } from './log-schema.js';

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
const basic = (login: string) => ({ Authorization: `Basic ${Buffer.from(login).toString('base64')}` });

describe('the lines of --log', () => {
  test('have the documented fields and no secret, for all kinds of events', async () => {
    const echo = await startEcho();
    const down = await closedPort();
    const { folder } = await files({
      password: 'pass-s3cret\n',
      tokens: `up-s3cret: 127.0.0.1:${echo.port}\ndown-s3cret: 127.0.0.1:${down}\n`,
    });
    const name = '<b>ann</b>"\u202e../';
    const log = `${folder}/events.log`;
    const command = await startCommand([
      ...['0', '--auth', `${name}:${folder}/password`],
      ...['--tokens', `${folder}/tokens`, '--log', log],
    ]);
    const { port } = command;
    const login = { ...basic(`${name}:pass-s3cret`), Cookie: 'sid=cookie-s3cret' };
    const client = await openRaw(port, '/?token=up-s3cret&more=query-s3cret', login);
    await client.send(frame(2, 'hello')).payload(5);
    client.send(closeFrame(1000, 'bye\n')).socket.end();
    await until(async () => linesOf(await readFile(log, 'utf8')).length === 2);
    expect(await statusOf(port, '/?token=down-s3cret', login)).toBe(502);
    // Wrong logins: by a known user, and by a name of 10 KB.
    await statusOf(port, '/?token=up-s3cret', basic(`${name}:wrong-s3cret`));
    await statusOf(port, '/?token=up-s3cret', basic(`${'s3cret'.repeat(1500)}:x`));
    for (let i = 0; i < 12; i++)
      await statusOf(port, '/?token=none-s3cret', { ...login, Origin: 'http://other.example' });
    command.program.process.kill('SIGTERM');
    expect(await command.exit()).toBe(0);

    const text = await readFile(log, 'utf8');
    const lines = linesOf(text);
    for (const line of lines) expect(faultsOf(line), line).toEqual([]);
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(new Set(events.map(({ event }) => event))).toEqual(
      new Set(['open', 'close', 'backend', 'refuse', 'refusals', 'login']),
    );
    expect(text).not.toContain('s3cret');
    const [open, close] = events;
    expect(close).toMatchObject({
      id: open?.id,
      user: name,
      cause: 'client-closed',
      bytesIn: 5,
      bytesOut: 5,
    });
    expect(close?.timings).toHaveProperty('firstByte');
    expect(events.find(({ event, status }) => event === 'refuse' && status === 502)).toMatchObject({
      code: 'WSTUNNEL_BACKEND_REFUSED',
      backend: `127.0.0.1:${down}`,
      failure: `connect ECONNREFUSED 127.0.0.1:${down}`,
      user: name,
    });
  });

  test('stay valid, on one line and below 8 KiB, whatever the user is called', async () => {
    const chunks: string[] = [];
    const stdout = new PassThrough().on('data', (chunk) => chunks.push(String(chunk)));
    const log = await EventLog.open('-', stdout, vi.fn());
    const tunnel = new EventEmitter();
    logEvents(tunnel as unknown as Tunnel, {
      print: vi.fn(),
      write: (event, info) => log.write(event, info),
      refusals: new RepeatLimiter(() => undefined),
    });
    const url = '/\u202e'.repeat(5000);
    for (const user of [
      '<script>alert(1)</script>',
      'a\r\n{"event":"forged"}',
      '\u0007'.repeat(10_000),
      '../',
    ]) {
      const timings = { opening: 0.1, auth: 0.05, connect: 0.01 };
      const id = '377bf195-d858-455e-a6e2-5f4010868e99';
      const of = { id, url, address: '192.0.2.7', user, timings };
      const closed: ClosedInfo = {
        ...{ ...of, backend: '127.0.0.1:5900', since: 1, bytesIn: 1, bytesOut: 2, viewOnly: false },
        ...{ cause: 'client-closed', code: 1000, reason: '\n'.repeat(123), duration: 1 },
      };
      const refused: RefuseInfo = {
        ...{
          ...of,
          status: 502,
          code: 'WSTUNNEL_BACKEND_REFUSED',
          reason: 'the backend could not be reached',
        },
        ...{ backend: 'x'.repeat(300), failure: '\u0000'.repeat(9000) },
      };
      tunnel.emit('close', closed);
      tunnel.emit('refuse', refused);
    }
    await until(() => linesOf(chunks.join('')).length >= 8);
    const lines = linesOf(chunks.join(''));
    expect(lines).toHaveLength(8);
    for (const line of lines) {
      expect(faultsOf(line)).toEqual([]);
      expect(Buffer.byteLength(line)).toBeLessThan(8192);
      expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
    }
  });

  test('the table names all events of the command', () => {
    expect([...EVENTS].sort()).toEqual(
      ['backend', 'close', 'login', 'logins', 'lost', 'open', 'refusals', 'refuse', 'shared'].sort(),
    );
  });

  test('the table finds unknown fields, missing fields and wrong types', () => {
    const line = { time: 'now', event: 'lost', lines: 3 };
    expect(faultsOf(JSON.stringify(line))).toEqual([]);
    expect(faultsOf(JSON.stringify({ ...line, token: 'x' }))).toEqual(['lost has token']);
    expect(faultsOf(JSON.stringify({ ...line, lines: '3' }))).toEqual(['lost: lines is not a number']);
    expect(faultsOf(JSON.stringify({ ...line, lines: undefined }))).toEqual(['lost lacks lines']);
  });
});
