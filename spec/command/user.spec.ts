import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  giveUpRoot,
  environmentOf,
  identityOf,
  type ProcessIds,
} from '../../src/command/listen/user/process-user.js';
import { CLI, files, runCommand, startCommand, type Listening } from '../support/command.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';

/** `describe` that runs for root only: no other user can switch users. */
const describeAsRoot = process.getuid?.() === 0 && process.platform === 'linux' ? describe : describe.skip;
if (describeAsRoot === describe.skip) console.warn('giving up root is tested by root on Linux alone');

/** The user of a running command, from /proc. */
async function idsOf({ program }: Listening): Promise<Record<string, string[]>> {
  const status = await readFile(`/proc/${program.process.pid ?? 0}/status`, 'utf8');
  const rows = status.matchAll(/^(Uid|Gid|Groups|CapEff|CapPrm):\s*(.*)$/gm);
  return Object.fromEntries(
    Array.from(rows, ([, name = '', text = '']) => [name, text.split(/\s+/).filter(Boolean)]),
  );
}

/** A folder that other users can enter. */
async function openFolder(texts: Record<string, string>): Promise<Record<string, string>> {
  const made = await files(texts);
  await chmod(made.folder!, 0o755);
  return made;
}

describeAsRoot('issue 13, case 18: dropping root', () => {
  const {
    name = '',
    uid,
    gid,
  } = describeAsRoot === describe ? identityOf({ user: 'nobody', by: '' }) : { uid: 0, gid: 0 };

  test('--user leaves no root id among real, effective and saved ids', async () => {
    const { port: target } = await startEcho();
    const command = await startCommand(['0', `127.0.0.1:${target}`, '--user', 'nobody']);
    await command.program.prints(
      new RegExp(`gave up root: now running as nobody \\(uid ${uid}, gid ${gid}\\)`),
    );
    const ids = await idsOf(command);
    expect(new Set(ids.Uid)).toEqual(new Set([String(uid)]));
    expect(new Set(ids.Gid)).toEqual(new Set([String(gid)]));
    expect(ids.Groups).not.toContain('0');
    expect(ids.CapEff).toEqual(['0000000000000000']);
    expect(ids.CapPrm).toEqual(['0000000000000000']);
    await echoes(await openRaw(command.port));
  });

  test('every thread of the process runs as the other user', async () => {
    const { secret } = await openFolder({ secret: 'right\n' });
    const command = await startCommand(['0', '1', '--auth', `ann:${secret}`, '--user', 'nobody:nogroup']);
    await expect(openRaw(command.port)).rejects.toThrow('401');
    const pid = command.program.process.pid ?? 0;
    const { stdout } = await promisify(execFile)('sh', ['-c', `cat /proc/${pid}/task/*/status`]);
    const uids = Array.from(stdout.matchAll(/^Uid:\s*(\d+)\s+(\d+)\s+(\d+)/gm), (row) => row.slice(1, 4));
    expect(uids.length).toBeGreaterThan(4);
    expect(new Set(uids.flat())).toEqual(new Set([String(uid)]));
  });

  test('files of root are read before the switch, and programs run as the other user', async () => {
    const made = await openFolder({ secret: 'right\n', 'c.json': '' });
    // Perl and not Node: the Node under test may be in a folder that only root can enter.
    const code = 'open($s, "+<&=", 0); while (accept($c, $s)) { syswrite $c, "$< $ENV{HOME}"; close $c }';
    await writeFile(
      made['c.json']!,
      JSON.stringify({
        listen: '0',
        auth: 'ann:secret',
        log: 'events.log',
        runAs: 'nobody',
        server: { spawn: { path: '/usr/bin/perl', args: ['-e', code], minProcs: 1, maxProcs: 1 } },
      }),
    );
    // The other user owns the folder, because the log is opened after the switch.
    await chown(made.folder!, uid, gid);
    const command = await startCommand(['--config', made['c.json']!]);
    const client = await openRaw(command.port, '/', { Authorization: `Basic ${btoa('ann:right')}` });
    const said = `${uid} ${identityOf({ user: 'nobody', by: '' }).home ?? ''}`;
    expect((await client.payload(said.length)).toString()).toBe(said);
    // A log made by root could not be opened again after a rotation.
    expect((await stat(join(made.folder!, 'events.log'))).uid).toBe(uid);
  });

  test('a link in place of the log is not followed as root', async () => {
    const made = await openFolder({});
    await mkdir(join(made.folder!, 'of-root'), { mode: 0o700 });
    await chown(made.folder!, uid, gid);
    await symlink(join(made.folder!, 'of-root/planted'), join(made.folder!, 'log'));
    const run = await runCommand(['0', '1', '--user', 'nobody', '--log', join(made.folder!, 'log')]);
    expect([run.code, run.stderr]).toEqual([3, expect.stringMatching(/log: permission denied/)]);
    expect(await readdir(join(made.folder!, 'of-root'))).toEqual([]);
  });

  test("the group of root is refused, and programs get the user's home folder", async () => {
    const run = await runCommand(['0', '1', '--user', 'nobody:root']);
    expect([run.code, run.stderr]).toEqual([3, expect.stringMatching(/--user: "root" is root's group/)]);
    expect(environmentOf({ name: 'ann', uid: 1, gid: 1, home: '/home/ann' })).toEqual({
      ...{ HOME: '/home/ann', USER: 'ann', LOGNAME: 'ann' },
    });
    expect(environmentOf({ name: undefined, uid: 1, gid: 1 })).toEqual({});
  });

  test('the start names the files that a reload cannot read, and a failed reload keeps the settings', async () => {
    const { port: target } = await startEcho();
    const made = await openFolder({ secret: 'right\n' });
    const args = ['0', `127.0.0.1:${target}`, '--auth', `ann:${made.secret}`, '--user', 'nobody'];
    const command = await startCommand(args);
    await command.program.prints(
      /nobody can't read .*secret, or a folder above: a reload by SIGHUP will fail; give them to a group/,
    );
    await writeFile(made.secret!, 'other\n');
    command.program.process.kill('SIGHUP');
    await command.program.prints(/permission denied; the old settings stay in force/);
    await echoes(await openRaw(command.port, '/', { Authorization: `Basic ${btoa('ann:right')}` }));

    await chmod(made.secret!, 0o644);
    command.program.process.kill('SIGHUP');
    await command.program.prints(/the settings were reloaded/);
    await echoes(await openRaw(command.port, '/', { Authorization: `Basic ${btoa('ann:other')}` }));
    await expect(openRaw(command.port, '/', { Authorization: `Basic ${btoa('ann:right')}` })).rejects.toThrow(
      '401',
    );
  });

  const CONF = `server.username = "nobody"
    server.groupname = "nogroup"
    wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )`;

  test('server.username and server.groupname are applied', async () => {
    const made = await openFolder({ 'l.conf': CONF });
    const command = await startCommand(['--config', made['l.conf']!, '--listen', '0']);
    expect(new Set((await idsOf(command)).Uid)).toEqual(new Set([String(uid)]));
  });

  test('without root, server.username is reported and --user is an error', async () => {
    const made = await openFolder({ 'l.conf': CONF });
    /** The output of the command up to the line with the listen address. */
    const asOther = (args: string[]) =>
      new Promise<string>((resolve) => {
        // The process only pretends to be another user: the folders of this checkout may belong to root.
        const path = JSON.stringify(CLI);
        const code = `process.getuid = () => 1; process.argv.splice(1, 0, ${path}); require(${path})`;
        const line = ['-e', code, '--', ...args];
        const child = execFile(process.execPath, line, { timeout: 15_000 }, (_error, out, err) =>
          resolve(out + err),
        );
        child.stderr?.on('data', (text: string) => {
          if (/listening on/.test(text)) child.kill('SIGTERM');
        });
      });
    expect(await asOther(['--config', made['l.conf']!, '--listen', '0'])).toMatch(
      /l\.conf:1: server\.username is ignored: only root can become "nobody"; this process stays uid \d/,
    );
    expect(await asOther(['0', '1', '--user', 'nobody'])).toMatch(
      /--user: only root can become "nobody"; omit it/,
    );
  });

  test.each([
    [['--user', 'root'], /--user: "root" is root; give another user/, 3],
    [['--user', '0:0'], /"0" is root/, 3],
    [['--user', 'nobody-such'], /--user: this machine has no user "nobody-such"/, 3],
    [['--user', 'nobody:nobody-such'], /this machine has no group "nobody-such"/, 3],
    [['--user', '54321'], /"54321" has no group on this machine: give NAME:GROUP/, 3],
    [['--user', 'a b'], /--user must be NAME or NAME:GROUP, .*; got "a b"/, 2],
    [['--user', 'nobody', '--unix', '/nowhere/s'], /can't listen on unix:\/nowhere\/s/, 4],
  ])('%j', async (args, line, code) => {
    const run = await runCommand([...(args.includes('--unix') ? [] : ['0']), '5900', ...args]);
    expect(run.stderr).toMatch(line);
    expect(run.code).toBe(code);
  });

  test('a numeric user without a name has no supplementary groups', async () => {
    const command = await startCommand(['0', '1', '--user', '54321:54322']);
    const ids = await idsOf(command);
    expect(new Set(ids.Uid)).toEqual(new Set(['54321']));
    expect(ids.Groups).toEqual(['54322']);
    expect(name).toBe('nobody');
  });
});

describe('issue 13, case 18: the order of dropping root', () => {
  /** A process object that records the calls. `regains`: the kernel allows the return to root. */
  function fakeIds(regains: boolean): { ids: ProcessIds; calls: string[] } {
    const calls: string[] = [];
    let [uid, gid] = [0, 0];
    const ids: ProcessIds = {
      initgroups: (user, group) => void calls.push(`initgroups ${user} ${group}`),
      setgroups: (groups) => void calls.push(`setgroups ${groups.join(',')}`),
      setgid: (to) => {
        calls.push(`setgid ${to}`);
        gid = Number(to);
      },
      setuid: (to) => {
        calls.push(`setuid ${to}`);
        if (uid !== 0 && !regains) throw new Error('EPERM');
        uid = Number(to);
      },
      getuid: () => uid,
      geteuid: () => uid,
      getgid: () => gid,
      getegid: () => gid,
    };
    return { ids, calls };
  }

  test('groups, group and user are set in this order, then regaining root is tried', () => {
    const { ids, calls } = fakeIds(false);
    giveUpRoot({ name: 'www', uid: 33, gid: 34 }, '--user', ids);
    expect(calls).toEqual(['initgroups www 34', 'setgid 34', 'setuid 33', 'setuid 0']);
    const other = fakeIds(false);
    giveUpRoot({ name: undefined, uid: 33, gid: 34 }, '--user', other.ids);
    expect(other.calls[0]).toBe('setgroups 34');
  });

  test('the command ends when root can be regained or a call fails', () => {
    expect(() => giveUpRoot({ name: 'www', uid: 33, gid: 34 }, '--user', fakeIds(true).ids)).toThrow(
      /could become root again/,
    );
    const { ids } = fakeIds(false);
    const failing = { ...ids, setgid: () => undefined };
    expect(() => giveUpRoot({ name: 'www', uid: 33, gid: 34 }, '--user', failing)).toThrow(/not given up/);
    const throwing = {
      ...ids,
      initgroups: () => {
        throw new Error('EPERM');
      },
    };
    expect(() => giveUpRoot({ name: 'www', uid: 33, gid: 34 }, '--user', throwing)).toThrow(
      /can't give up root: EPERM/,
    );
  });
});
