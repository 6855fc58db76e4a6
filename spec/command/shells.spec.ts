import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { OptionSpec } from '../../src/command/command-line/args.js';
import { CONNECT_FLAGS } from '../../src/command/connect/connect-flags.js';
import { PLAY_FLAGS } from '../../src/command/play/play-flags.js';
import { LISTEN_FLAGS } from '../../src/command/listen/settings/listen-flags.js';
import { EXIT } from '../../src/command/exit.js';
import { CLI, files, runCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';

const run = promisify(execFile);
const flags = (specs: object) => Object.keys(specs).map((name) => `--${name}`);

/** The completions of bash for the words; the last word is incomplete. */
async function offered(...words: string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(' ');
  const script = `set -u; source <("$0" "$1" completion bash); COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}
    _express_wstunnel; printf '%s\\n' "\${COMPREPLY[@]:-}"`;
  const { stdout, stderr } = await run('bash', ['-c', script, process.execPath, CLI]);
  expect(stderr).toBe('');
  return stdout.trim() === '' ? [] : stdout.trim().split('\n');
}

describe('issue 13, case 23: completion', () => {
  test('in bash offers exactly the options of the command that is typed', async () => {
    const listen = await offered('express-wstunnel', '5900', '--');
    expect(listen.sort()).toEqual(flags(LISTEN_FLAGS).sort());
    const connect = await offered('express-wstunnel', 'connect', 'ws://x/', '--');
    expect(connect.sort()).toEqual(flags(CONNECT_FLAGS).sort());
    const play = await offered('express-wstunnel', 'play', 'x.wsrec', '--');
    expect(play.sort()).toEqual(flags(PLAY_FLAGS).sort());
    expect(await offered('express-wstunnel', 'listen', '--client')).toEqual(['--client-ca']);
  });

  test.each<[string[], string[]]>([
    [['c'], ['connect', 'completion']],
    [['pl'], ['play']],
    [['play', '--to', 'f'], ['fbs']],
    [
      ['5900', '--record-direction', ''],
      ['out', 'both'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['5900', '--balance', 's'], ['sticky']],
    [['5900', '--workers', ''], ['auto']],
    [['5900', '--balance', '=', 's'], ['sticky']],
    [
      ['5900', '--balance', '='],
      ['fair', 'least-connection', 'round-robin', 'hash', 'sticky'],
    ],
    // The completion offers no words here, so bash offers files.
    [['5900', '--web', ''], []],
    [['5900', '--cert', '--'], []],
    [['/run/'], []],
  ])('in bash of %j offers %j', async (words, expected) => {
    expect(await offered('express-wstunnel', ...words)).toEqual(expected);
  });

  describeWith('script')('on a terminal', () => {
    test('bash completes at the tab key', async () => {
      const { rc } = await files({
        rc: `PS1='ready> '\nsource <("${process.execPath}" "${CLI}" completion bash)\n`,
      });
      const shell = `bash --noprofile --rcfile '${rc!}' -i`;
      const program = new Program('script', ['-qefc', shell, '/dev/null'], { TERM: 'dumb' }, 'pipe');
      await program.prints(/ready> /);
      program.process.stdin?.write('express-wstunnel --client\t');
      await program.prints(/express-wstunnel --client-ca/);
      program.process.stdin?.write('\u0015exit\n');
    });
  });

  describeWith('zsh', 'fish')('in zsh and fish', () => {
    test('is a valid program of that shell with every option', async () => {
      for (const shell of ['zsh', 'fish']) {
        const { stdout } = await runCommand(['completion', shell]);
        const { script } = await files({ script: stdout });
        expect(await run(shell, ['-n', script!])).toEqual({ stdout: '', stderr: '' });
        for (const name of Object.keys({ ...LISTEN_FLAGS, ...CONNECT_FLAGS, ...PLAY_FLAGS }))
          expect(stdout).toMatch(shell === 'zsh' ? new RegExp(`'\\*?--${name}[=[]`) : ` -l ${name} `);
      }
    });

    test('fish offers the same words as bash', async () => {
      const { script } = await files({ script: (await runCommand(['completion', 'fish'])).stdout });
      const ask = async (line: string) => {
        const { stdout } = await run('fish', ['-c', 'source $argv[1]; complete -C $argv[2]', script!, line]);
        return stdout
          .trim()
          .split('\n')
          .map((one) => one.split('\t')[0]);
      };
      expect(await ask('express-wstunnel --client')).toEqual(['--client-ca']);
      expect(await ask('express-wstunnel connect --lo')).toEqual(['--local']);
      expect(await ask('express-wstunnel --balance st')).toEqual(['sticky']);
    });

    test('zsh registers the completion for the command', async () => {
      const { script } = await files({ script: (await runCommand(['completion', 'zsh'])).stdout });
      const ask = 'autoload -U compinit; compinit -u -D; source $1; print $_comps[express-wstunnel]';
      expect((await run('zsh', ['-fc', ask, 'zsh', script!])).stdout).toBe('_express_wstunnel\n');
    });
  });

  test.each([[[]], [['tcsh']], [['bash', 'zsh']]])('completion %j exits with 2', async (args) => {
    const { code, stdout, stderr } = await runCommand(['completion', ...args]);
    expect(stderr).toMatch(/give bash, zsh or fish/);
    expect({ code, stdout }).toEqual({ code: EXIT.usage, stdout: '' });
  });
});

describe('issue 13, case 23: the manual page', () => {
  test('lists every option with its value, and every exit code', async () => {
    const { code, stdout } = await runCommand(['--help', 'man']);
    expect(code).toBe(0);
    const text = stdout.replaceAll('\\-', '-');
    const [listen = '', connect = '', play = ''] = text.split(/\.SH OPTIONS OF (?:CONNECT|PLAY)\n/);
    for (const [page, specs] of [
      [listen, LISTEN_FLAGS],
      [connect, CONNECT_FLAGS],
      [play, PLAY_FLAGS],
    ] as const)
      for (const [name, spec] of Object.entries<OptionSpec>(specs)) {
        const value = spec.value === undefined ? '' : ` \\fI${spec.value}\\fR`;
        expect(page).toContain(`\\fB--${name}\\fR${value}\n`);
      }
    for (const exit of Object.values(EXIT)) expect(text).toContain(`.B ${exit}\n`);
  });

  describeWith(
    'man',
    'groff',
    'mandoc',
  )('checked by man, groff and mandoc', () => {
    test('causes no warning except the missing date', async () => {
      const { page } = await files({ page: (await runCommand(['--help', 'man'])).stdout });
      const shown = await run('man', ['--warnings', '-l', page!], {
        env: { ...process.env, MANWIDTH: '80' },
      });
      expect(shown.stderr).toBe('');
      expect(shown.stdout).toMatch(/--max-connections NUMBER/);
      expect(shown.stdout).toMatch(/--workers N\b[^]*number of processes/);
      expect((await run('groff', ['-ww', '-man', '-Tutf8', page!])).stderr).toBe('');
      const lint = await run('mandoc', ['-Tlint', page!]).catch(
        (error: unknown) => error as { stdout: string },
      );
      const warnings = lint.stdout
        .trim()
        .split('\n')
        .filter((line) => !/missing date/.test(line));
      expect(warnings).toEqual([]);
    });
  });
});
