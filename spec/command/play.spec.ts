import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RecordingEncoder } from '../../src/record/format/encoder.js';
import { END_SIZE, RECORD_HEAD, type RecordedTunnel } from '../../src/record/format/layout.js';
import { run } from '../../src/command/run.js';
import { CLI, files, runCommand, startCommand } from '../support/command.js';
import { FakeIo } from '../support/fake-io.js';
import { describeWith, Program } from '../support/programs.js';
import { openRaw } from '../support/raw-client.js';
import { startBackend } from '../support/servers.js';
import { until } from '../support/wait.js';

const TUNNEL: RecordedTunnel = { id: 'i-1', url: '/vnc', address: '192.0.2.7', backend: 'b:1', user: 'ann' };

/** A recording of records `[ms, bytes to the client]`. */
function recordingOf(
  records: readonly (readonly [number, string | Buffer])[],
  {
    tunnel = TUNNEL,
    start = 1_700_000_000_000,
    stopped,
  }: { tunnel?: RecordedTunnel; start?: number; stopped?: string } = {},
): Buffer {
  const encoder = new RecordingEncoder();
  const parts = [encoder.header({ start, direction: 'out', tunnel })];
  for (const [ms, data] of records) {
    const bytes = Buffer.from(data as string);
    const head = Buffer.alloc(RECORD_HEAD);
    encoder.head(head, 0, 'out', ms, bytes.length);
    parts.push(head, bytes);
  }
  return Buffer.concat([...parts, encoder.finish(records.at(-1)?.[0] ?? 0, stopped)]);
}

const SHELL = recordingOf([
  [0, '$ ls\r\n'],
  [2500, 'a b\r\n'],
]);
const DESKTOP = recordingOf([
  [0, 'RFB 003.008\n'],
  [10, Buffer.from([1, 1])],
]);

const jsonOf = (text: string) => JSON.parse(text) as Record<string, unknown>[];

describe('play FOLDER', () => {
  test('lists the recordings by their start, as a table and as JSON', async () => {
    const { folder = '' } = await files({
      'b.wsrec': SHELL,
      'a.wsrec': recordingOf([[61_000, 'RFB 003.008\n']], { start: 1_800_000_000_000, stopped: 'full' }),
      'c.wsrec.part': SHELL.subarray(0, SHELL.length - END_SIZE),
      'notes.txt': 'not listed',
    });
    const table = await runCommand(['play', folder]);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    const lines = table.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^START \(UTC\) +DURATION +SIZE +KIND +STATE +USER +ADDRESS +BACKEND +FILE$/);
    expect(lines[3]).toMatch(
      /^2027-01-15 08:00:00 +0:01:01 +\d+ B +vnc +stopped +ann +192\.0\.2\.7 +b:1 +\S+a\.wsrec$/,
    );
    expect(lines).toHaveLength(4);
    const { stdout, code } = await runCommand(['play', folder, '--json']);
    expect(code).toBe(0);
    const shell = {
      kind: 'terminal',
      user: 'ann',
      address: '192.0.2.7',
      backend: 'b:1',
      url: '/vnc',
      id: 'i-1',
    };
    const list = jsonOf(stdout).sort((one, other) => (String(one.file) < String(other.file) ? -1 : 1));
    expect(list).toMatchObject([
      { state: 'stopped', reason: 'full', kind: 'vnc', duration: 61, start: '2027-01-15T08:00:00.000Z' },
      { ...shell, state: 'finished', duration: 2.5, bytesOut: 11, size: SHELL.length },
      { ...shell, state: 'unfinished', duration: 2.5, bytesOut: 11 },
    ]);
  });

  test('lists the other recordings if a file is unreadable, and exits with 3', async () => {
    const { folder = '', bad = '', good = '' } = await files({ bad: 'x'.repeat(100), good: SHELL });
    const { code, stdout, stderr } = await runCommand(['play', bad, good, join(folder, 'gone'), '--json']);
    expect(code).toBe(3);
    expect(stderr).toBe(
      `express-wstunnel: ${bad}: not a recording of express-wstunnel\n` +
        `express-wstunnel: ${join(folder, 'gone')}: there is no such file or folder\n`,
    );
    expect(jsonOf(stdout)).toMatchObject([
      { file: good, state: 'finished' },
      { file: bad, error: 'not a recording of express-wstunnel' },
      { error: 'there is no such file or folder' },
    ]);
  });

  test('reports that an empty folder has no recordings, and exits with 0', async () => {
    const { folder = '' } = await files({});
    expect(await runCommand(['play', folder])).toMatchObject({ code: 0, stdout: '' });
    expect(await runCommand(['play', folder, '--json'])).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  test('escapes control characters in user names and addresses', async () => {
    const hostile = `\u001b]0;owned\u0007\n${'x'.repeat(10_000)}\u009b2J`;
    const tunnel = { ...TUNNEL, user: hostile, address: hostile, backend: hostile, url: hostile };
    const { shell = '', desktop = '' } = await files({
      shell: recordingOf([[0, 'hi']], { tunnel }),
      desktop: recordingOf([[0, 'RFB 003.008\n']], { tunnel }),
    });
    for (const args of [[shell, '--list'], [shell, '--json'], [shell], [desktop]]) {
      const { stdout, stderr } = await runCommand(['play', ...args]);
      // eslint-disable-next-line no-control-regex
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });
});

describe('play FILE', () => {
  test('plays a terminal with the recorded pauses, divided by --speed', async () => {
    const { file = '' } = await files({ file: SHELL });
    const start = performance.now();
    const { code, stdout, stderr } = await runCommand(['play', file, '--speed', '5']);
    expect(performance.now() - start).toBeGreaterThan(500);
    expect([code, stdout]).toEqual([0, '$ ls\r\na b\r\n']);
    expect(stderr).toMatch(/file: 2023-11-14 22:13:20 UTC, 0:00:03, ann at 192\.0\.2\.7, b:1\n$/);
  });

  test('plays an hour without pauses at --speed max', async () => {
    const hour = recordingOf([
      [0, '$ ls\r\n'],
      [3_600_000, 'a b\r\n'],
    ]);
    const { file = '' } = await files({ file: hour });
    const { code, stdout } = await runCommand(['play', file, '--speed', 'max']);
    expect([code, stdout]).toEqual([0, '$ ls\r\na b\r\n']);
  });

  test('prints a summary of a desktop, and how to play the desktop', async () => {
    const { file = '' } = await files({ file: DESKTOP });
    const { code, stdout, stderr } = await runCommand(['play', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^start +2023-11-14 22:13:20 UTC\nduration +0:00:00\nsize /);
    expect(stdout).toMatch(/state +finished\ncontent +a VNC desktop\n$/);
    expect(stderr).toMatch(/--listen 6080 --web novnc/);
  });

  test('writes no sequence that sets the clipboard or the title, or makes the terminal answer', async () => {
    const { file = '' } = await files({
      file: recordingOf([
        [0, 'a\u001b]52;c;aGk=\u0007b\u001b[6'],
        [1, 'nc\u001b[31md\u001bP$q"p\u001b\\e\u009b5nf'],
        [2, '\u001b[?1049h\u001b[?1000hg\u001b[21t\u001b[>ch\u0005i'],
      ]),
    });
    const { stdout } = await runCommand(['play', file, '--speed', 'max']);
    expect(stdout).toBe('abc\u001b[31mdef\u001b[?1049hghi');
  });

  test.runIf(process.platform === 'linux')('fails if standard output is full', async () => {
    const { file = '' } = await files({ file: DESKTOP });
    const line = 'exec "$0" "$@" >/dev/full';
    const args = ['-c', line, process.execPath, CLI, 'play', file, '--to', 'novnc'];
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) =>
      execFile('sh', args, (error, _stdout, text) => resolve({ code: error?.code, stderr: text })),
    );
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'express-wstunnel: standard output: the disk is full\n',
    });
  });

  describeWith('script')('on a terminal', () => {
    test('restores the terminal after Ctrl-C, and exits with 130', async () => {
      const { file = '' } = await files({
        file: recordingOf([
          [0, '\u001b[?1049h\u001b[?5h\u001b[20h\u001b[3 q\u001b(0full'],
          [60_000, 'x'],
        ]),
      });
      const line = `${process.execPath} ${CLI} play ${file}`;
      const program = new Program('script', ['-qefc', line, '/dev/null'], { TERM: 'xterm' }, 'pipe');
      await program.prints(/full/);
      program.process.stdin?.write('\u0003');
      const [code] = (await once(program.process, 'exit')) as [number];
      expect(code).toBe(130);
      for (const ending of ['[?1049l\u001b[!p', '[?5l', '[20l', '[0 q', '(B'])
        expect(program.output).toContain(`\u001b${ending}`);
    });

    test('refuses to write a conversion to the terminal', async () => {
      const { file = '' } = await files({ file: SHELL });
      const line = `${process.execPath} ${CLI} play ${file} --to raw`;
      const program = new Program('script', ['-qefc', line, '/dev/null']);
      await program.prints(
        /the bytes of a recording may contain commands for the terminal: give --output FILE/,
      );
    });
  });

  test('writes nothing after SIGTERM, and exits with 143', async () => {
    const { file = '' } = await files({
      file: recordingOf([
        [0, 'first'],
        [60_000, 'second'],
      ]),
    });
    const program = new Program(process.execPath, [CLI, 'play', file]);
    await program.prints(/first/);
    program.process.kill('SIGTERM');
    expect(await once(program.process, 'exit')).toEqual([143, null]);
  });
});

describe('play --to', () => {
  test.each([
    ['raw', '$ ls\r\na b\r\n'],
    ['novnc', "'{2500{YSBiDQo=',\n'EOF'];\n"],
    ['asciicast', '{"version":3,'],
    ['fbs', 'FBS 001.000\n'],
  ])('to %s, on standard output and in a new file of this user', async (format, part) => {
    const { file = '', folder = '' } = await files({ file: SHELL });
    const output = join(folder, 'out');
    const { code, stdout } = await runCommand(['play', file, '--to', format]);
    expect(code).toBe(0);
    expect(stdout).toContain(part);
    const toFile = ['play', file, '--to', format, '--output', output];
    expect(await runCommand(toFile)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await readFile(output, 'utf8')).toBe(stdout);
    expect((await stat(output)).mode & 0o777).toBe(0o600);
    const again = await runCommand(toFile);
    expect([again.code, again.stderr]).toEqual([3, expect.stringContaining('it exists already')]);
    expect(await readFile(output, 'utf8')).toBe(stdout);
  });

  test('converts a file cut at any byte up to the cut, or reports the reason in one line', async () => {
    const { file = '', folder = '' } = await files({ file: SHELL });
    const raw = '$ ls\r\na b\r\n';
    for (let length = SHELL.length - 1; length > 0; length -= 3) {
      await truncate(file, length);
      const io = new FakeIo();
      const code = await run(['play', file, '--to', 'raw'], io);
      expect(raw.startsWith(io.written)).toBe(true);
      expect(io.said).toMatch(/^express-wstunnel: .*\n$/);
      const message =
        code === 0 ? /the recording has no end/ : /the file ends inside the header|not a recording/;
      expect([code, io.said]).toEqual([code === 0 ? 0 : 3, expect.stringMatching(message)]);
    }
    expect(await readdir(folder)).toEqual(['file']);
  });

  test('converts a damaged recording up to the damage, and exits with 3', async () => {
    const bytes = Buffer.from(SHELL);
    bytes[bytes.indexOf('a b') - RECORD_HEAD] = 0;
    const { file = '' } = await files({ file: bytes });
    for (const args of [
      ['--to', 'raw'],
      ['--speed', 'max'],
    ]) {
      const { code, stdout, stderr } = await runCommand(['play', file, ...args]);
      expect([code, stdout]).toEqual([3, '$ ls\r\n']);
      expect(stderr).toMatch(/damaged after its last readable record: a record of an unknown kind\n$/);
    }
  });

  test('ends without a message when the reader closes the pipe', async () => {
    const { file = '' } = await files({
      file: recordingOf(Array.from({ length: 60 }, () => [0, Buffer.alloc(65_536)])),
    });
    const line = '"$0" "$1" play "$2" --to raw | head -c 10 | wc -c; echo "${PIPESTATUS[0]}"';
    const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
      execFile(
        'bash',
        ['-c', line, process.execPath, CLI, file],
        { timeout: 15_000 },
        (_error, stdout, stderr) => resolve({ stdout, stderr }),
      );
    });
    expect([stdout, stderr]).toEqual(['10\n0\n', '']);
  });

  test('leaves no file if the disk is full', async () => {
    const { file = '', folder = '' } = await files({
      file: recordingOf(Array.from({ length: 20 }, () => [0, Buffer.alloc(65_536)])),
    });
    const line = 'trap "" XFSZ; ulimit -f 100; exec "$0" "$1" play "$2" --to raw --output "$3"';
    const code = await new Promise<unknown>((resolve) => {
      const args = ['-c', line, process.execPath, CLI, file, join(folder, 'out')];
      execFile('bash', args, { timeout: 15_000 }, (error, _stdout, stderr) => resolve([error?.code, stderr]));
    });
    expect(code).toEqual([1, expect.stringMatching(/out: .+\n$/)]);
    expect(await readdir(folder)).toEqual(['file']);
  });
});

describe('play --listen', () => {
  test('plays the recording to each client from its start', async () => {
    const { file = '' } = await files({ file: DESKTOP });
    const { port, program } = await startCommand(['play', file, '--listen', '0']);
    expect(program.output).toContain(`for ${file}`);
    for (let count = 0; count < 2; count++) {
      const client = await openRaw(port);
      expect((await client.payload(14)).toString('latin1')).toBe('RFB 003.008\n\u0001\u0001');
      expect(await client.close()).toMatchObject({ code: 1000 });
    }
  });

  test('serves a page of noVNC that does not connect again at the end', async () => {
    const { file = '', folder = '' } = await files({ file: DESKTOP });
    await mkdir(join(folder, 'web/app'), { recursive: true });
    await writeFile(join(folder, 'web/vnc.html'), 'noVNC defaults.json');
    await writeFile(join(folder, 'web/app/ui.js'), '');
    const { url } = await startCommand(['play', file, '--listen', '0', '--web', join(folder, 'web')]);
    expect(await (await fetch(url)).text()).toContain('noVNC');
    expect(await (await fetch(`${url}defaults.json`)).json()).toMatchObject({
      reconnect: false,
      autoconnect: true,
    });
  });

  test('asks for the login of --auth', async () => {
    const { file = '', password = '' } = await files({ file: DESKTOP, password: 'secret\n' });
    const { port } = await startCommand(['play', file, '--listen', '0', '--auth', `ann:${password}`]);
    await expect(openRaw(port)).rejects.toThrow('401');
  });
});

test('a recording is played after the command that wrote it was killed', async () => {
  const { port: target } = await startBackend((socket) => socket.write('$ secret\r\n'));
  const { folder = '' } = await files({});
  const command = await startCommand(['0', String(target), '--record', folder]);
  await (await openRaw(command.port)).payload(10);
  const file = async () => join(folder, (await readdir(folder))[0] ?? '');
  await until(async () => (await readFile(await file(), 'latin1')).includes('secret'));
  command.program.process.kill('SIGKILL');
  await command.exit();
  const { code, stdout, stderr } = await runCommand(['play', await file(), '--speed', 'max']);
  expect([code, stdout]).toEqual([0, '$ secret\r\n']);
  expect(stderr).toMatch(
    /\.wsrec\.part: the recording has no end: its tunnel is open, or the process that recorded was killed\n$/,
  );
});

test.each<[string[], number, RegExp]>([
  [[], 2, /give the FILE of a recording, or a FOLDER/],
  [['/nowhere/x'], 3, /\/nowhere\/x: there is no such file or folder/],
  [['x', '--speed', '0'], 2, /--speed must be a number from 0\.01 to 1000, or max; got "0"/],
  [['x', '--to', 'mp4'], 2, /--to must be one of novnc, fbs, asciicast, raw; got "mp4"/],
  [['x', '--output', 'y'], 2, /--output needs --to/],
  [['x', 'y', '--to', 'raw'], 2, /--to needs the FILE of one recording/],
  [['/tmp', '--listen', '0'], 2, /--listen needs the FILE of one recording/],
  [['x', '--to', 'raw', '--listen', '0'], 2, /give either --to or --listen/],
  [['x', '--web', '/tmp'], 2, /--web needs --listen/],
  [['/nowhere/x', '--listen', '0'], 3, /: \/nowhere\/x: there is no such file or folder/],
  [['x', '--sped', '2'], 2, /did you mean --speed\?/],
])('play %j exits with %i', async (args, code, message) => {
  const io = new FakeIo();
  expect(await run(['play', ...args], io)).toBe(code);
  expect(io.said).toMatch(message);
  expect(io.said.trimEnd().split('\n')).toHaveLength(1);
});

test('an encrypted recording must be decrypted first, and play says so', async () => {
  const { folder = '' } = await files({ 'a.wsrec.enc': 'x'.repeat(100) });
  const file = join(folder, 'a.wsrec.enc');
  const io = new FakeIo();
  expect(await run(['play', file, '--to', 'raw'], io)).toBe(3);
  expect(io.said).toContain(
    `${file}: not a recording of express-wstunnel; an encrypted recording must be decrypted`,
  );
});

test('a recording of a newer version is refused with the advice to use a newer command', async () => {
  const bytes = Buffer.from(SHELL);
  bytes[8] = 2;
  const { file = '' } = await files({ file: bytes });
  for (const more of [[], ['--to', 'raw'], ['--list'], ['--listen', '0']]) {
    const { code, stderr } = await runCommand(['play', file, ...more]);
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining('a recording of version 2: use a newer express-wstunnel'),
    ]);
  }
});
