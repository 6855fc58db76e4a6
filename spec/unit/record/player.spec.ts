import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { player, type PlayerOptions } from '../../../src/record/index.js';
import { writeRecording, type Step } from './recorded.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'player-'));
  path = join(folder, 'x.wsrec');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const STEPS: readonly Step[] = [
  ['out', 0, 'one '],
  ['in', 100, 'key'],
  ['out', 300, 'two '],
  ['out', 600, 'three'],
];

async function play(options?: PlayerOptions): Promise<Duplex> {
  return await player(path, options).connect!();
}

async function textOf(stream: Duplex): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += (chunk as Buffer).toString();
  return text;
}

test('a recording is played to the client with its pauses, and ends', async () => {
  writeRecording(path, STEPS);
  const before = performance.now();
  const stream = await play();
  stream.write('dropped');
  expect(await textOf(stream)).toBe('one two three');
  // Timers may fire a millisecond early.
  expect(performance.now() - before).toBeGreaterThan(590);
});

test('the end comes when the recorded tunnel ended, not with the last bytes', async () => {
  writeRecording(path, [...STEPS, ['in', 1200, 'key']]);
  const before = performance.now();
  expect(await textOf(await play({ speed: 2 }))).toBe('one two three');
  expect(performance.now() - before).toBeGreaterThan(590);
});

test('speed shortens the pauses', async () => {
  writeRecording(path, [['out', 60_000, 'late']]);
  expect(await textOf(await play({ speed: 1000 }))).toBe('late');
});

test('with speed Infinity a recording of hours is played at once', async () => {
  writeRecording(path, [['out', 1e10, 'late']]);
  expect(await textOf(await play({ speed: Infinity }))).toBe('late');
});

test('from plays all earlier bytes at once, and the rest with its pauses', async () => {
  writeRecording(path, [
    ['out', 0, 'a'],
    ['out', 5000, 'b'],
    ['out', 10_000, 'c'],
    ['out', 10_200, 'd'],
  ]);
  const before = performance.now();
  expect(await textOf(await play({ from: 10 }))).toBe('abcd');
  expect(performance.now() - before).toBeGreaterThan(190);
  expect(performance.now() - before).toBeLessThan(4000);
  expect(await textOf(await play({ from: 1e9 }))).toBe('abcd');
});

test.each([-1, NaN, '2'])('from %j is refused', (from) => {
  writeRecording(path, STEPS);
  expect(() => player(path, { from: from as number })).toThrow('from');
});

test('each connection plays from the start', async () => {
  writeRecording(path, STEPS);
  const host = player(path, { speed: Infinity });
  expect(await Promise.all([textOf(await host.connect!()), textOf(await host.connect!())])).toEqual([
    'one two three',
    'one two three',
  ]);
});

test('a destroyed playback pushes nothing later', async () => {
  writeRecording(path, [['out', 200, 'late']]);
  const stream = await play();
  const pushed = vi.spyOn(stream, 'push');
  // Begins to wait for the time of the record.
  stream.resume();
  await textOf(await play({ speed: Infinity }));
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.destroy();
  await closed;
  await textOf(await play());
  expect(pushed).not.toHaveBeenCalled();
});

test('a file that is not a recording is refused at creation', () => {
  writeFileSync(path, 'var VNC_frame_data');
  expect(() => player(path)).toThrow('not a recording of express-wstunnel');
  expect(() => player(join(folder, 'nowhere'))).toThrow('there is no such file');
  expect(() => player(folder)).toThrow('it is a folder');
});

test.each([0, -1, 0.001, 1001, NaN, '2'])('speed %j is refused', (speed) => {
  writeRecording(path, STEPS);
  expect(() => player(path, { speed: speed as number })).toThrow('speed');
});
