import { expect, test } from 'vitest';
import { helpLines, readArgs } from '../../../src/command/command-line/args.js';
import { CommandError, EXIT } from '../../../src/command/exit.js';

const SPECS = {
  web: { value: 'DIR', help: 'files' },
  allow: { value: 'LIST', multiple: true },
  'a-rare-one': { help: 'seldom', more: true },
  verbose: { short: 'v', help: 'more' },
} as const;

test('values, repeated options, switches and arguments are read in any order', () => {
  const args = readArgs(['a', '--allow=x', '-v', '--web', 'dir', '--allow', 'y', 'b', '--', '--c'], SPECS);
  expect(args.positionals).toEqual(['a', 'b', '--c']);
  expect([args.text('web'), args.list('allow'), args.has('verbose')]).toEqual(['dir', ['x', 'y'], true]);
  const none = readArgs([], SPECS);
  expect([none.text('web'), none.list('allow'), none.has('verbose')]).toEqual([undefined, [], false]);
});

test.each([
  [['--wbe', 'x'], 'there is no option --wbe; did you mean --web? (see --help)'],
  [['--__proto__', 'x'], 'there is no option --__proto__ (see --help)'],
  [['--constructor'], 'there is no option --constructor (see --help)'],
  [['-x'], 'there is no option -x (see --help)'],
  [['--web'], '--web needs a value: DIR (see --help)'],
  [['--web', '-v'], '--web needs a value: DIR (see --help)'],
  [['--web', '-1'], '--web needs a value: DIR, not "-1" (see --help)'],
  [['--web', 'a', '--web', 'b'], '--web may be given only once (see --help)'],
  [['--verbose=yes'], '--verbose takes no value (see --help)'],
])('%j', (given, message) => {
  expect(() => readArgs(given, SPECS)).toThrow(new CommandError(EXIT.usage, message));
});

test('an unknown option that another place accepts is reported with this place', () => {
  const otherPlace = (name: string) => (name === 'webs' ? 'set "webs" in a file' : undefined);
  expect(() => readArgs(['--webs', 'x'], SPECS, otherPlace)).toThrow(
    new CommandError(EXIT.usage, 'there is no option --webs: set "webs" in a file (see --help)'),
  );
});

test('a value that starts with a dash is given with =, and a single - is a value', () => {
  expect(readArgs(['--web=-x'], SPECS).text('web')).toBe('-x');
  expect(readArgs(['--web', '-'], SPECS).text('web')).toBe('-');
});

test('an option without help text is listed with the previous one', () => {
  expect(helpLines(SPECS, false)).toEqual([
    '  --web DIR, --allow LIST  files',
    '  -v, --verbose            more',
  ]);
});

test('the long help lists rare options too', () => {
  expect(helpLines(SPECS, true)).toEqual([
    '  --web DIR, --allow LIST  files',
    '  --a-rare-one             seldom',
    '  -v, --verbose            more',
  ]);
});
