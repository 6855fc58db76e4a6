import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EXIT, SIGNALLED } from '../../src/command/exit.js';
import { MAX_FIELD_LENGTH } from '../../src/command/listen/log/tunnel-events.js';
import { OWN } from '../../src/command/listen/settings/config-json.js';
import { LISTEN_FLAGS } from '../../src/command/listen/settings/listen-flags.js';
import { TunnelError, type TunnelErrorCode } from '../../src/errors.js';
import { DEFAULTS } from '../../src/options/defaults.js';
import { HOST } from '../../src/options/hosts.js';
import { OPTIONS, readOptions } from '../../src/options/options.js';
import { SPAWN } from '../../src/options/spawn.js';
import { README, table } from '../support/readme.js';

const ERRORS = readFileSync(new URL('../../src/errors.ts', import.meta.url), 'utf8');

const nameOf = (row: string[]) => row[0]?.replaceAll('`', '') ?? '';
const defaultsOf = (rows: string[][]) => Object.fromEntries(rows.map((row) => [nameOf(row), row[1]]));

describe('the README', () => {
  test('names every option and no other, in the order of the code', () => {
    expect(table('<!-- options -->').map(nameOf)).toEqual(Object.keys(OPTIONS));
    expect(table('<!-- host options -->').map(nameOf)).toEqual(Object.keys(HOST));
    expect(table('<!-- spawn options -->').map(nameOf)).toEqual(Object.keys(SPAWN));
  });

  test('gives the defaults of the code', () => {
    const given = defaultsOf(table('<!-- options -->'));
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
    expect(defaultsOf(table('<!-- host options -->'))).toMatchObject({
      connectTimeout: String(DEFAULTS.connectTimeout),
      disableTime: String(DEFAULTS.disableTime),
      keepAlive: String(DEFAULTS.keepAlive),
    });
    const rows = table('<!-- spawn options -->');
    expect(defaultsOf(rows)).toMatchObject({
      minProcs: String(DEFAULTS.minProcs),
      maxProcs: String(DEFAULTS.maxProcs),
      maxLoadPerProc: String(DEFAULTS.maxLoadPerProc),
      idleTimeout: String(DEFAULTS.spawnIdleTimeout),
      killSignal: `\`'${DEFAULTS.killSignal}'\``,
      listenBacklog: String(DEFAULTS.listenBacklog),
    });
    const row = rows.find((cells) => cells[0] === '`copyEnvironment`');
    for (const name of DEFAULTS.copyEnvironment) expect(row?.[2]).toContain(`\`${name}\``);
  });

  test('names every refusal with its status', () => {
    const codes = [...ERRORS.matchAll(/^ {2}(WSTUNNEL_\w+):/gm)].map(([, code]) => code as TunnelErrorCode);
    expect(codes.length).toBeGreaterThan(10);
    for (const code of codes.filter((one) => one !== 'WSTUNNEL_OPTION')) {
      expect(README).toContain(`\`${code}\``);
      const row = table('## Answers\n').find((cells) => cells[1] === `\`${code}\``);
      if (row) expect(row[0]).toBe(String(new TunnelError(code, '').status));
    }
  });

  test('names every option of the command, with what it takes, and its name in JSON', () => {
    const rows = table('<!-- command options -->');
    const asTyped = Object.entries(LISTEN_FLAGS).map(([name, spec]) =>
      'value' in spec ? `--${name} ${spec.value}` : `--${name}`,
    );
    expect(rows.map(nameOf)).toEqual(asTyped);
    const json = rows.map(([, name = '']) => name.replaceAll('`', '')).filter((name) => name !== '');
    expect(new Set(json.filter((name) => !(name in OPTIONS)))).toEqual(new Set(Object.keys(OWN)));
  });

  test('gives the lengths at which fields of the log are cut', () => {
    const [, text = ''] = /^- Longer fields are cut.*?: (.*)$/m.exec(README) ?? [];
    const told = text.split(/, (?=`\w+`(?:, `| at | and `))/).join(' ');
    for (const [name, most] of Object.entries(MAX_FIELD_LENGTH))
      expect(told, name).toMatch(new RegExp(`\`${name}\`(?:(?! at ).)* at ${most}\\b`));
  });

  test('gives the exit codes of the command', () => {
    const codes = table('<!-- exit codes -->').flatMap(([code = '']) => code.split(', ').map(Number));
    expect(codes).toEqual([...Object.values(EXIT), SIGNALLED.SIGINT, SIGNALLED.SIGTERM]);
  });
});
