import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { LISTEN_FLAGS } from '../../src/command/listen/settings/listen-flags.js';
import { files } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { promtool } from '../support/prometheus.js';
import { textOf } from './manifests.js';
import { canOverlay } from './overlay.js';

const FOLDER = new URL('../../demo/operations/', import.meta.url);
const pathOf = (name: string) => fileURLToPath(new URL(name, FOLDER));
const README = textOf('README.md', FOLDER);
const UNIT = textOf('express-wstunnel@.service', FOLDER);

interface Settings {
  readonly grace: number;
  readonly spread: number;
  readonly drain: number;
  readonly linger: number;
}

interface Rule {
  readonly alert: string;
  readonly annotations: { readonly description: string };
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}

/** Seconds for the exit of the command after its last deadline, and for systemd. */
const END = 4;

/** The factor of the play's deadlines: other spec files run at the same time. */
const PATIENCE = process.env.OPERATIONS_PATIENCE ?? '3';

/** The play ends by itself before this time. It takes less than a minute on an idle machine. */
const PLAY_TIMEOUT = 130_000 * Number(PATIENCE);

test('the play runs every command block of the README, or the block has a reason for its omission', () => {
  const blocks = [...README.matchAll(/(?:<!-- (.*) -->\n\n)?```sh\n/g)].map(([, mark = '']) => mark);
  expect(blocks.length).toBeGreaterThan(10);
  expect(blocks.filter((mark) => !/^(play: [a-z ]+|not played: .+)$/.test(mark))).toEqual([]);
  expect(blocks.filter((mark) => mark.startsWith('not played')).length).toBeLessThan(blocks.length / 3);
});

describe('the unit', () => {
  test('gives the command enough time for its settings to stop', () => {
    const { grace, spread, drain, linger } = JSON.parse(textOf('config.json', FOLDER)) as Settings;
    const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(UNIT)?.[1]);
    expect(stop).toBeGreaterThanOrEqual(grace + spread + drain + END);
    expect(stop).toBeGreaterThanOrEqual(linger + drain + END);
  });

  test('starts the command with options that exist', () => {
    const [, line = ''] = /^ExecStart=\/usr\/bin\/env express-wstunnel (.*)$/m.exec(UNIT) ?? [];
    const flags = line.match(/--[a-z-]+/g) ?? [];
    expect(flags).toContain('--config');
    expect(flags.filter((flag) => !Object.hasOwn(LISTEN_FLAGS, flag.slice(2)))).toEqual([]);
  });
});

test('systemd starts a process again without end, except after a wrong option or file', () => {
  const [, unit = '', service = ''] = UNIT.split(/^\[(?:Unit|Service|Install)\]$/m);
  expect(unit).toMatch(/^StartLimitIntervalSec=0$/m);
  expect(service).toMatch(/^Restart=on-failure$/m);
  expect(service).toMatch(/^RestartPreventExitStatus=2 3$/m);
});

describeWith('systemd-analyze')('systemd', () => {
  const analyze = (...args: string[]) => promisify(execFile)('systemd-analyze', args);

  test('finds no fault with the unit, and an exposure of at most 2.5', async () => {
    const unit = pathOf('express-wstunnel@.service');
    expect(await analyze('verify', '--man=no', unit)).toEqual({ stdout: '', stderr: '' });
    await analyze('security', '--offline=true', '--threshold=25', unit);
    // Verifies the check itself: a misspelt setting is reported.
    const { 'wrong@.service': wrong } = await files({ 'wrong@.service': UNIT.replace('UMask=', 'UMsk=') });
    expect((await analyze('verify', '--man=no', wrong!)).stderr).toContain('UMsk');
  });
});

describeWith('promtool')('the alert rules', () => {
  test('pass their tests, which cover each rule, say what to do first, and are listed in the README', async () => {
    await promtool(['check', 'rules', pathOf('alerts.yml')]);
    await promtool(['test', 'rules', pathOf('alerts.test.yml')]);
    const { groups } = parse(textOf('alerts.yml', FOLDER)) as Rules;
    const all = groups.flatMap((group) => group.rules);
    for (const { annotations } of all) expect(annotations.description).toMatch(/^First /);
    const rules = all.map(({ alert }) => alert);
    const tested = [...textOf('alerts.test.yml', FOLDER).matchAll(/alertname: (\w+)/g)].map(
      ([, name]) => name,
    );
    expect(new Set(tested)).toEqual(new Set(rules));
    expect([...README.matchAll(/^\| `(Desk\w+)`/gm)].map(([, name]) => name)).toEqual(rules);
    const played = textOf('play/events/outages.mjs', FOLDER);
    expect(rules.filter((rule) => !played.includes(`day.fires('${rule}')`))).toEqual([]);
  });

  test('in the table of the README exist, and lead to a section', () => {
    const known = ['alerts.yml', '../grafana/alerts.yml'].flatMap((file) =>
      (parse(textOf(file, FOLDER)) as Rules).groups.flatMap(({ rules }) => rules.map(({ alert }) => alert)),
    );
    const rows = [...README.matchAll(/^\| (`(?:Desk|Wstunnel)\w+`.*) \| .* \| (.*) \|$/gm)];
    expect(rows.length).toBeGreaterThan(5);
    for (const [, alerts = '', section] of rows) {
      const names = [...alerts.matchAll(/`(\w+)`/g)].map(([, name]) => name);
      expect(names.filter((name) => !known.includes(name ?? ''))).toEqual([]);
      expect(section).toMatch(/^\[.+\]\(#[a-z-]+\)/);
    }
  });
});

const PROGRAMS = [
  'haproxy',
  'redis-server',
  'prometheus',
  'logrotate',
  'openssl',
  'socat',
  'curl',
  'ip',
  'setpriv',
];
const describePlay = canOverlay('/etc', '/etc') ? describeWith(...PROGRAMS) : describe.skip;

describePlay('the day in production, played', () => {
  test('has no event that differs from the README', { timeout: PLAY_TIMEOUT }, async () => {
    const play = new Program(process.execPath, [pathOf('play.mjs')], { OPERATIONS_PATIENCE: PATIENCE });
    await once(play.process, 'close');
    expect(play.output).not.toContain('FAIL');
    expect(play.output).toMatch(/^(\d+) of \1 events/m);
    expect(play.process.exitCode).toBe(0);
  });
});
