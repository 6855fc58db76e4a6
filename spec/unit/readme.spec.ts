import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EXIT, SIGNALLED } from '../../src/command/exit.js';
import { MAX_FIELD_LENGTH } from '../../src/command/listen/log/tunnel-events.js';
import { OWN } from '../../src/command/listen/settings/config-json.js';
import { LISTEN_FLAGS } from '../../src/command/listen/settings/listen-flags.js';
import { PLAY_FLAGS } from '../../src/command/play/play-flags.js';
import { TunnelError, type TunnelErrorCode } from '../../src/errors.js';
import { FAMILIES } from '../../src/observe/metrics/families.js';
import { HOST_OPTIONS } from '../../src/options/host-options.js';
import { readOptions } from '../../src/options/read-tunnel.js';
import { defaultsOf } from '../../src/options/row.js';
import { SPAWN_OPTIONS } from '../../src/options/spawn-options.js';
import { TUNNEL_OPTIONS } from '../../src/options/tunnel-options.js';
import { readRedisOptions } from '../../src/redis/redis-options.js';
import { codeOf } from '../../src/streams/close-causes.js';
import type { CloseCause, TunnelEvents } from '../../src/types.js';
import { BACKENDS, COMMAND, OBSERVE, README, REDIS, table, TUNNEL } from '../support/readme.js';

const ERRORS = readFileSync(new URL('../../src/errors.ts', import.meta.url), 'utf8');

const nameOf = (row: string[]) => row[0]?.replaceAll('`', '') ?? '';
/** Every cause: a missing or an unknown cause does not compile. */
const CAUSES = Object.keys({
  'backend-ended': true,
  'backend-closed': true,
  drain: true,
  idle: true,
  'max-duration': true,
  'protocol-error': true,
  'client-closed': true,
  'client-ended': true,
  'client-lost': true,
  'client-silent': true,
  'client-stalled': true,
  'close-timeout': true,
  destroyed: true,
  'not-utf8': true,
  'ended-by-app': true,
  'frame-too-large': true,
  'backend-failed': true,
  'backend-not-utf8': true,
  'read-timeout': true,
  undelivered: true,
  'write-timeout': true,
  refused: true,
  'login-ended': true,
  'user-changed': true,
  'login-unclear': true,
  replaced: true,
  'recording-failed': true,
  'vnc-error': true,
  'input-idle': true,
  'rights-changed': true,
  'message-too-large': true,
  'control-failed': true,
} satisfies Record<CloseCause, true>) as CloseCause[];

const cellsOf = (rows: string[][]) => Object.fromEntries(rows.map((row) => [nameOf(row), row[1]]));

describe('the tables of the pages', () => {
  test('names every option and no other, in the order of the code', () => {
    expect(table(README, '<!-- options -->').map(nameOf)).toEqual(Object.keys(TUNNEL_OPTIONS));
    expect(table(BACKENDS, '<!-- host options -->').map(nameOf)).toEqual(Object.keys(HOST_OPTIONS));
    expect(table(BACKENDS, '<!-- spawn options -->').map(nameOf)).toEqual(Object.keys(SPAWN_OPTIONS));
  });

  test('gives the defaults of the code', () => {
    const given = cellsOf(table(README, '<!-- options -->'));
    const { base, limits, debug, autoAttach } = readOptions({ server: { port: 1 } });
    expect(given).toMatchObject({
      frameType: `\`'${base.frameType}'\``,
      pingInterval: String(base.pingInterval),
      pongTimeout: String(base.pongTimeout),
      handshakeTimeout: String(base.handshakeTimeout),
      closeTimeout: String(base.closeTimeout),
      limits: `\`{ buffered: ${limits.buffered}, opening: { total: ${limits.opening.total}, perClient: ${limits.opening.perClient} } }\``,
      refuseWith: `\`'${base.refuseWith}'\``,
      debug: String(debug),
      autoAttach: `\`${autoAttach}\``,
      balance: "`'fair'`",
      origins: "`'same'`",
    });
    const hostDefaults = defaultsOf(HOST_OPTIONS);
    expect(cellsOf(table(BACKENDS, '<!-- host options -->'))).toMatchObject({
      connectTimeout: String(hostDefaults.connectTimeout),
      disableTime: String(hostDefaults.disableTime),
      keepAlive: String(hostDefaults.keepAlive),
    });
    const rows = table(BACKENDS, '<!-- spawn options -->');
    const spawnDefaults = defaultsOf(SPAWN_OPTIONS);
    expect(cellsOf(rows)).toMatchObject({
      minProcs: String(spawnDefaults.minProcs),
      maxProcs: String(spawnDefaults.maxProcs),
      maxLoadPerProc: String(spawnDefaults.maxLoadPerProc),
      idleTimeout: String(spawnDefaults.idleTimeout),
      killSignal: `\`'${spawnDefaults.killSignal}'\``,
      listenBacklog: String(spawnDefaults.listenBacklog),
    });
    const row = rows.find((cells) => cells[0] === '`copyEnvironment`');
    for (const name of spawnDefaults.copyEnvironment) expect(row?.[2]).toContain(`\`${name}\``);
  });

  test('gives the options of redisShared() and their defaults, in the order of the code', () => {
    const { name, ...defaults } = readRedisOptions({});
    const rows = table(REDIS, '<!-- redis options -->');
    const written = (value: unknown) => (typeof value === 'string' ? `\`'${value}'\`` : String(value));
    const options = Object.entries(defaults).map(([option, value]) => [option, written(value)]);
    expect(rows.map(nameOf)).toEqual(['prefix', 'replica', 'ttl', 'timeout', 'whenDown', 'names']);
    expect(cellsOf(rows)).toEqual({
      ...Object.fromEntries(options),
      replica: 'host name, process id, random letters',
    });
    expect(name).toContain(String(process.pid));
  });

  test('names every event of a tunnel', () => {
    const events = { open: true, close: true, refuse: true, backend: true, shared: true } satisfies Record<
      keyof TunnelEvents,
      true
    >;
    for (const event of Object.keys(events)) expect(TUNNEL).toContain(`| \`'${event}'\` |`);
  });

  test('names strategies of balance that exist', () => {
    const cells = table(BACKENDS, '<!-- balance -->').map(([cell = '']) => cell);
    const names = cells.flatMap((cell) => Array.from(cell.matchAll(/'([\w-]+)'/g), ([, name = '']) => name));
    expect(names.length).toBe(5);
    for (const name of names)
      expect(() => readOptions({ server: { port: 1 }, balance: name as 'fair' }), name).not.toThrow();
  });

  test('names every refusal with its status', () => {
    const codes = [...ERRORS.matchAll(/^ {2}(WSTUNNEL_\w+):/gm)].map(([, code]) => code as TunnelErrorCode);
    expect(codes.length).toBeGreaterThan(10);
    for (const code of codes.filter((one) => one !== 'WSTUNNEL_OPTION')) {
      expect(TUNNEL).toContain(`\`${code}\``);
      const row = table(TUNNEL, '<!-- answers -->').find((cells) => cells[1] === `\`${code}\``);
      if (row) expect(row[0]).toBe(String(new TunnelError(code, '').status));
    }
  });

  test('gives every cause of an end once, with its close code', () => {
    const rows = table(TUNNEL, '<!-- close codes -->').map(([code = '', cause = '']) => [cause, code]);
    const given = rows.map(([cause = '', code]) => [cause.replaceAll('`', ''), code]);
    // The codes of these causes come from the peer's Close and from the table of refusals.
    const others = {
      'client-closed': "the client's; 1005 without a code",
      'backend-closed': "the backend's; 1005 without a code",
      refused: '4000 + status',
    };
    const codes = CAUSES.map((cause) => [cause, String(codeOf(cause))]);
    expect(given).toHaveLength(CAUSES.length);
    expect(Object.fromEntries(given)).toEqual({ ...Object.fromEntries(codes), ...others });
  });

  test('names every metric once, with its kind', () => {
    const rows = table(OBSERVE, '<!-- metrics -->').map(([name = '', kind]) => [
      name.replaceAll('`', ''),
      kind,
    ]);
    expect(rows).toEqual(Object.entries(FAMILIES).map(([name, [kind]]) => [name, kind]));
  });

  test('names every option of the command, with what it takes, and its name in JSON', () => {
    const rows = table(COMMAND, '<!-- command options -->');
    const asTyped = Object.entries(LISTEN_FLAGS).map(([name, spec]) =>
      'value' in spec ? `--${name} ${spec.value}` : `--${name}`,
    );
    expect(rows.map(nameOf)).toEqual(asTyped);
    const json = rows.map(([, name = '']) => name.replaceAll('`', '')).filter((name) => name !== '');
    const own = json.filter((name) => name in OWN || !(name in TUNNEL_OPTIONS));
    expect(new Set(own)).toEqual(new Set(Object.keys(OWN)));
  });

  test('names every option of play, as typed', () => {
    const asTyped = Object.entries(PLAY_FLAGS).map(([name, spec]) =>
      'value' in spec ? `--${name} ${spec.value}` : `--${name}`,
    );
    expect(table(COMMAND, '<!-- play command options -->').map(nameOf)).toEqual(asTyped);
  });

  test('gives the lengths at which fields of the log are cut', () => {
    const [, text = ''] = /^- Longer fields are cut.*?: (.*)$/m.exec(COMMAND) ?? [];
    const told = text.split(/, (?=`\w+`(?:, `| at | and `))/).join(' ');
    for (const [name, most] of Object.entries(MAX_FIELD_LENGTH))
      expect(told, name).toMatch(new RegExp(`\`${name}\`(?:(?! at ).)* at ${most}\\b`));
  });

  test('gives the exit codes of the command', () => {
    const codes = table(COMMAND, '<!-- exit codes -->').flatMap(([code = '']) =>
      code.split(', ').map(Number),
    );
    expect(codes).toEqual([...Object.values(EXIT), SIGNALLED.SIGINT, SIGNALLED.SIGTERM]);
  });
});
