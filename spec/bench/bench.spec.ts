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
  targets: { row: string; value: number }[];
}

async function readResults(): Promise<Results> {
  return JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')) as Results;
}

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wstunnel-bench-spec-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The rows of each kind, with the figure that must be above 0. */
const ROWS: Readonly<Record<string, string>> = {
  download: 'rate',
  'upload-64': 'rate',
  both: 'rate',
  'tunnels-10': 'rate',
  'frame-10g': 'rate',
  slow: 'rate',
  'echo-64': 'p50',
  'echo-1000-half': 'p50',
  'echo-beside-download': 'p50',
  'echo-beside-small-32': 'p50',
  'get-beside-download': 'p50',
  'open-beside-download': 'p50',
  'handshakes-session': 'rate',
  'get-session': 'rate',
  storm: 'last',
  memory: 'start',
};

describeWith('cc', 'taskset')('the benchmark', () => {
  test('measures each kind of row for our tunnel', { timeout: 60_000 }, async () => {
    const { code, output } = await bench('--peers', 'ours', '--rows', Object.keys(ROWS).join(','));
    expect(output).not.toContain('FAILED');
    expect(code).toBe(0);
    const { rows } = await readResults();
    expect(Object.keys(rows)).toEqual(Object.keys(ROWS));
    for (const [row, metric] of Object.entries(ROWS))
      expect(rows[row]?.ours?.[metric], `${row}: ${metric}`).toBeGreaterThan(0);
    expect(rows['storm']?.ours?.unavailable).toBe(0);
  });

  test('measures both modes for a backend that speaks WebSocket', { timeout: 60_000 }, async () => {
    const names = 'ws-download,ws-download-64,ws-upload-64k,ws-upload-64,ws-echo-64,ws-handshakes';
    const { code, output } = await bench('--peers', 'ours,ours-bytes', '--rows', names);
    expect(output).not.toContain('FAILED');
    expect(code).toBe(0);
    const { rows } = await readResults();
    for (const name of names.split(','))
      for (const peer of ['ours', 'ours-bytes'])
        expect(rows[name]?.[peer]?.cpu, `${name}: ${peer}`).toBeGreaterThan(0);
  });

  test.for(['nginx', 'haproxy-http', 'http-proxy-middleware'])(
    'measures %s with a backend that speaks WebSocket',
    { timeout: 60_000 },
    async (peer) => {
      const names = 'ws-download,ws-upload-64,ws-handshakes';
      const { code, output } = await bench('--peers', peer, '--rows', names);
      expect(output).not.toContain('FAILED');
      expect(code).toBe(0);
      if (output.includes(`skipped: ${peer}:`)) return;
      const { rows } = await readResults();
      for (const name of names.split(',')) expect(rows[name]?.[peer]?.rate, name).toBeGreaterThan(0);
    },
  );

  describeWith('openssl')('over TLS', () => {
    test('measures uploads and memory', { timeout: 60_000 }, async () => {
      const { code, output } = await bench('--peers', 'ours', '--rows', 'tls-upload,memory-tls');
      if (output.includes('built without TLS')) return;
      expect(output).not.toContain('FAILED');
      expect(code).toBe(0);
      const { rows } = await readResults();
      expect(rows['tls-upload']?.ours?.rate).toBeGreaterThan(0);
      expect(rows['memory-tls']?.ours?.start).toBeGreaterThan(0);
    });
  });

  test('compares with the sum of two figures of the same round', { timeout: 60_000 }, async () => {
    const all = 'handshakes,get-session,handshakes-session';
    expect((await bench('--peers', 'ours,ws', '--rows', all)).code).toBe(0);
    const { rows, targets } = await readResults();
    const cpu = (row: string, peer: string) => rows[row]?.[peer]?.cpu ?? NaN;
    const sum = cpu('handshakes', 'ws') + cpu('get-session', 'ours');
    const target = targets.find(({ row }) => row === 'handshakes-session');
    expect(target?.value).toBeCloseTo(cpu('handshakes-session', 'ours') / sum, 6);
  });

  test('measures the command with workers, or says why not', { timeout: 60_000 }, async () => {
    const { code, output } = await bench('--peers', 'ours', '--rows', 'workers-1');
    expect(output).not.toContain('FAILED');
    expect(code).toBe(0);
    const { rows } = await readResults();
    if (!output.includes('skipped: workers-1, ours: the command has no option --workers'))
      expect(rows['workers-1']?.ours?.rate).toBeGreaterThan(0);
  });

  test('measures each part of it separately', { timeout: 60_000 }, async () => {
    const run = promisify(execFile)(process.execPath, [path('micro.mjs'), '--quick']);
    expect((await run).stdout).toContain('ws Receiver');
  });

  test('measures the checks of logins', { timeout: 120_000 }, async () => {
    const few = ['--quick', '--rounds', '1', '--tunnels', '40', '--every', '1', '--seconds', '1'];
    const { stdout } = await promisify(execFile)(process.execPath, [path('checks.mjs'), ...few]);
    expect(stdout).toMatch(/a check costs [\d.]+ times a GET/);
    expect(stdout).toMatch(/with one check of each in 1 s \([1-9]\d* checks\)/);
    expect(stdout).not.toContain('NaN');
  });

  test('measures the filter of the option vnc', { timeout: 120_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [path('vnc.mjs'), '--quick']);
    for (const value of ['password only', 'followed', 'view only'])
      expect(stdout).toMatch(
        new RegExp(`${value}: CPU of a round trip, .*: [\\d.]+ \\([\\d.]+ to [\\d.]+\\)`),
      );
    expect(stdout).not.toContain('NaN');
  });

  test.for([
    ['metrics', [/a page of metrics with 40 tunnels: first [\d.]+ ms/]],
    [
      'record',
      [/download-100, direction out: rate [\d.]+/, /echo, direction both: rate [\d.]+/, /handshakes, /],
    ],
    ['admin', [/a state of 40 tunnels, \/events: CPU -?[\d.]+ ms, \d{4,} bytes/, /half, .* p99\.9 [\d.]+/]],
  ] as const)("measures an operator's view: %s", { timeout: 120_000 }, async ([part, figures]) => {
    const args = [path('observe.mjs'), '--quick', '--part', part];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    for (const figure of figures) expect(stdout).toMatch(figure);
  });

  test('compares the counts of metrics() with another build', { timeout: 120_000 }, async () => {
    const dist = path('../../dist');
    const args = [path('observe.mjs'), '--quick', '--part', 'metrics', '--base', dist];
    const { stdout } = await promisify(execFile)(process.execPath, [...args, '--rows', 'upload,memory']);
    expect(stdout).toMatch(/upload, of .*: CPU [\d.]+ \([\d.]+ to [\d.]+\), rate [\d.]+/);
    expect(stdout).toMatch(/each idle tunnel: [1-9]\d*, in .* [1-9]\d*\n/);
  });

  describeWith('redis-server')('over Redis', () => {
    test.for([
      ['handshakes', /ioredis: .* commands and \d+ bytes each; ratio of rates [\d.]+/],
      ['idle', /40 idle tunnels[^]*commands\/s[^]*a join with all counts: \d+ ms/],
      ['ends', /10 ends on 3 replicas[^]*p50 [\d.]+ ms/],
      ['cap', /most in Redis 10, most open at the clients 10\n/],
      ['units', /take \(client, user, total\): Redis's CPU [\d.]+/],
      ['many', /the store is emptied[^]*all joined after \d+ ms/],
    ] as const)('measures %s', { timeout: 120_000 }, async ([part, figures]) => {
      const args = [path('shared.mjs'), '--quick', '--part', part];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      expect(stdout).toMatch(figures);
      expect(stdout).not.toContain('NaN');
    });
  });

  test.for([
    ['lose', 'download'],
    ['double', 'upload-64k'],
    ['swap', 'download'],
    ['flip', 'upload-1k'],
    ['swap', 'echo-beside-download'],
    ['flip', 'echo-beside-small'],
    ['flip', 'echo-1000-half'],
    ['flip', 'storm'],
    ['lose', 'ws-download'],
    ['flip', 'ws-download-64'],
    ['swap', 'ws-upload-64'],
    ['flip', 'ws-echo-64'],
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
