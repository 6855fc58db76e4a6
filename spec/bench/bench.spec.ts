import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, afterAll, expect, test } from 'vitest';
import { describeWith } from '../support/programs.js';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Runs the bench as a program, with the smallest amount of work. */
function bench(...args: string[]): Promise<{ code: number; output: string }> {
  return benchWith({}, ...args);
}

function benchWith(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ code: number; output: string }> {
  const all = [
    path('main.mjs'),
    '--quick',
    '--seconds',
    '0.1',
    '--json',
    join(folder, 'results.json'),
    ...args,
  ];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
    );
  });
}

interface Results {
  rows: Record<string, Record<string, Record<string, number>>>;
}

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wstunnel-bench-spec-'));
});
afterAll(() => rm(folder, { recursive: true }));

describeWith('cc', 'taskset')('the benchmark', () => {
  test('measures each kind of row for our tunnel', { timeout: 60_000 }, async () => {
    const rows = [
      'download',
      'upload-64',
      'echo-64',
      'both',
      'tunnels-10',
      'handshakes-session',
      'memory',
      'frame-10g',
      'slow',
    ];
    const { code, output } = await bench('--peers', 'ours', '--rows', rows.join(','));
    expect(output).not.toContain('FAILED');
    expect(code).toBe(0);
    const results = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')) as Results;
    expect(Object.keys(results.rows)).toEqual(rows);
    for (const row of [
      'download',
      'upload-64',
      'both',
      'tunnels-10',
      'handshakes-session',
      'frame-10g',
      'slow',
    ])
      expect(results.rows[row]?.ours?.rate).toBeGreaterThan(0);
    expect(results.rows['echo-64']?.ours?.p50).toBeGreaterThan(0);
    expect(results.rows['memory']?.ours?.start).toBeGreaterThan(0);
  });

  test('measures each part of it separately', { timeout: 60_000 }, async () => {
    const run = promisify(execFile)(process.execPath, [path('micro.mjs'), '--quick']);
    expect((await run).stdout).toContain('ws Receiver');
  });

  test.for([
    ['lose', 'download'],
    ['double', 'upload-64k'],
    ['swap', 'download'],
    ['flip', 'upload-1k'],
  ] as const)(
    'fails where a relay changes a single chunk: %s, %s',
    { timeout: 60_000 },
    async ([damage, row]) => {
      const relay = [
        '--relay',
        `damaging=${path('relays/damaging.mjs')}`,
        '--peers',
        'damaging',
        '--rows',
        row,
      ];
      const spoiled = await benchWith({ WSTUNNEL_DAMAGE: damage }, ...relay);
      expect(spoiled.output).toContain('WRONG CONTENT');
      expect(spoiled.code).toBe(2);
      expect((await benchWith({ WSTUNNEL_DAMAGE: 'none' }, ...relay)).code).toBe(0);
    },
  );
});
