import { describe, expect, test } from 'vitest';
import { fromLighttpdConf, TunnelError } from '../../../src/index.js';

const read = (text: string, options = {}) => fromLighttpdConf(text, options);
/** The port that was read, as a view of the computed value. */
const portOf = (text: string, options = {}) => read(text, options).port;
const rootOf = (text: string, options = {}) => read(text, options).documentRoot;

describe('values', () => {
  test('numbers and strings', () => {
    expect(portOf('server.port = 80')).toBe(80);
    expect(portOf('server.port = "80"')).toBe(80);
    expect(portOf('server.port = 80 + 1')).toBe(81);
    expect(portOf('server.port = 8 + "0" + 1')).toBe(801);
    expect(rootOf('server.document-root = "/a\\"b\\c#d"')).toBe('/a"b\\c#d');
    expect(rootOf('server.document-root = "/a" + "/b" + 1')).toBe('/a/b1');
    expect(rootOf('server.document-root = "/a\n/b"')).toBe('/a\n/b');
  });

  test('variables work with and without var., in any case', () => {
    expect(rootOf('base = "/srv"\nserver.document-root = var.BASE + "/www"')).toBe('/srv/www');
    expect(portOf('var.p = 1 server.port = p')).toBe(1);
    expect(portOf('server.port = 1\nserver.PORT := server.port + 5')).toBe(6);
    expect(rootOf('server.document-root = var.CWD')).toBe(process.cwd());
    expect(rootOf('server.document-root = "/" + var.PID')).toBe(`/${process.pid}`);
  });

  test('environment variables are read', () => {
    const environment = { ROOT: '/e' };
    expect(rootOf('server.document-root = env.ROOT + "/x"', { environment })).toBe('/e/x');
    expect(() => read('x = env.constructor', { environment })).toThrow(
      /1:5: the environment variable constructor is not set/,
    );
    expect(() => read('env.ROOT = "x"')).toThrow(/can't be assigned/);
  });

  test('lists may end with a comma, be nested, compute keys, and be extended by +=', () => {
    expect(read('index-file.names = ( "a", "b",, )').indexFiles).toEqual(['a', 'b']);
    expect(read('index-file.names = ()').indexFiles).toEqual([]);
    expect(read('index-file.names += ( "a" )\nindex-file.names += ( "b" )').indexFiles).toEqual(['a', 'b']);
    expect(read('wstunnel.map-extensions = ( "." + "a" => "b", 1 + "c" => "d" )').options).toMatchObject({
      mapExtensions: { '.a': 'b', '1c': 'd' },
    });
    expect(() => read('x = ( "a" => 1, "A" => 2 )')).toThrow(/the key "A" appears twice/);
    expect(() => read('x = ( "a" => 1 )\nx += ( "a" => 2 )')).toThrow(/2:15: the key "a" appears twice/);
    expect(() => read('x = 1 + ( 2 )')).toThrow(/can't be added/);
  });

  test('+= inside a condition starts with the outer value', () => {
    const text = `
      wstunnel.map-extensions = ( ".a" => "x" )
      $HTTP["url"] == "/" { wstunnel.map-extensions += ( ".b" => "y" ) }
      wstunnel.map-extensions += ( ".c" => "z" )`;
    const { options } = read(text);
    expect(options.mapExtensions).toEqual({ '.a': 'x', '.c': 'z' });
    expect(options.rules?.[0]?.mapExtensions).toEqual({ '.a': 'x', '.b': 'y' });
  });

  test('a variable of a condition is unknown outside of it', () => {
    expect(() => read('$HTTP["url"] == "/" { x = 1 }\ny = x\n')).toThrow(/2:5: var.x has no value/);
  });
});

describe('layout', () => {
  test('comments, blank lines, all newlines and a brace on a separate line are allowed', () => {
    const text =
      '# top\r\nserver.port = 1 # one\r\r\n$HTTP["url"] == "/a"\n\n{ # in\n wstunnel.balance = "hash" }\n# then\n\nelse\n{\n}\n';
    expect(read(text).options.rules).toEqual([{ url: /^\/a$/, balance: 'hash' }]);
  });

  test('a # inside a string starts no comment', () => {
    expect(rootOf('server.document-root = "#a" # b')).toBe('#a');
  });

  test('no-break spaces from web pages count as spaces', () => {
    expect(portOf('server.port\u00a0=\u00a05')).toBe(5);
  });

  test('global { } is the outermost scope, also within a condition', () => {
    expect(portOf('global { server.port = 3 }')).toBe(3);
    expect(portOf('$HTTP["url"] == "/" { global { server.port = 4 } }')).toBe(4);
    expect(() => read('global { $HTTP["url"] == "/" { } }')).toThrow(/no condition inside global/);
    expect(() => read('global { global { } }')).toThrow(/no global/);
  });
});

describe('includes', () => {
  const files: Record<string, string> = {
    'a.conf': 'server.port = 7',
    'b.conf': 'include "a.conf"',
    loop: 'include "loop"',
  };
  const include = (path: string) => {
    if (!(path in files)) throw new Error('no such file');
    return files[path]!;
  };

  test('are read in their place', () => {
    expect(portOf('n = "b"\ninclude n + ".conf"', { include })).toBe(7);
    files['c.conf'] = 'wstunnel.balance = "hash"';
    expect(read('$HTTP["url"] == "/" { include "c.conf" }', { include }).options.rules?.[0]?.balance).toBe(
      'hash',
    );
  });

  test('report errors with the name of the included file', () => {
    files['bad.conf'] = '\n  wstunnel.balance = "x"';
    expect(() => read('include "bad.conf"', { include })).toThrow(/^bad\.conf:2:22: /);
  });

  test('that cannot be read are errors at the include', () => {
    expect(() => read('\n include "x"', { include })).toThrow(/:2:2: can't include "x": no such file/);
    expect(() => read('include "x"')).toThrow(/set the option include to true/);
    expect(() => read('include "x"', { include: () => 5 })).toThrow(/must return the text/);
    expect(() => read('include "loop"', { include })).toThrow(/include each other/);
    const next = (path: string) => `include "${Number(path) + 1}"`;
    expect(() => read('include "1"', { include: next })).toThrow(/includes are nested more than 16 deep/);
    expect(
      portOf('include "1"', { include: (path: string) => (path === '15' ? 'server.port = 3' : next(path)) }),
    ).toBe(3);
    expect(() => read('include "big"', { include: () => ' '.repeat(1024 * 1024) })).toThrow(
      /the configuration has more than/,
    );
  });

  test('include_shell is never executed', () => {
    expect(() => read('include_shell "touch /tmp/x"')).toThrow(/1:1: include_shell is never run/);
    expect(portOf('include_shell "cat x"\nserver.port = 1', { ignore: ['include_shell'] })).toBe(1);
  });
});

describe('errors', () => {
  test.each<[string, string]>([
    ['server.port = 1\nserver.port = 2', '2:1: server.port is already set in lighttpd.conf:1'],
    ['server.port = 1\nserver.Port = 2', '2:1: server.Port is already set'],
    ['x = "abc', '1:5: this string has no closing quote'],
    ['x = "abc\\"', '1:5: this string has no closing quote'],
    ['x = ( "a"', '1:5: this list has no closing parenthesis'],
    ['x = ( "a" "b" )', '1:11: expected a comma or )'],
    ['x = ( "a" = "b" )', '1:11: expected a comma or )'],
    ['x = ( , "a" )', '1:7: expected a value, found ","'],
    ['x = ', '1:5: expected a value, found the end of the text'],
    ['x = -5', '1:5: var.-5 has no value'],
    ['x = 99999999999', '1:5: this number'],
    ['x = y z = 1', '1:7: expected + or a new line'],
    ['x y = 1', '1:3: expected =, += or := after x, found "y"'],
    ['x == 1', '1:3: expected =, += or :='],
    ['"x" = 1', "1:1: a line can't begin with a string"],
    ['}', '1:1: this closing brace has no opening brace'],
    ['$HTTP["url"] == "/" {', '1:21: this block has no closing brace'],
    ['else { }', '1:1: "else" must follow a condition'],
    ['$HTTP["url"] == "/" { } elif { }', '1:25: "elif" needs a condition'],
    ['$HTTP["url"] == "/" { } else { } else { }', '1:34: no branch can follow an else'],
    [
      '$HTTP["url"] == "/" { } else $HTTP["url"] == "/" { }',
      '1:30: this branch repeats an earlier condition or else',
    ],
    [
      '$HTTP["url"] =~ "^/VNC" { }\n$HTTP["url"] =~ "^/vnc" { }',
      '2:1: to lighttpd this condition is the one in',
    ],
    ['$HTTP["url"] = "/" { }', '1:14: expected a comparison'],
    ['$HTTP["url"] == 5 { }', '1:17: a condition can only be compared with a string'],
    ['$HTTP["nope"] == "a" { }', '1:1: $HTTP["nope"] is not a known condition'],
    ['$HTTPS["url"] == "a" { }', '1:1: $HTTPS["url"] is not a known condition'],
    ['x = "a"\n\n  é = 1', '3:3: unexpected character U+00E9'],
    ['x = 1\ry = 2\r\n  ?', '3:3: unexpected character "?"'],
    ['x = 1 ; y = 2', '1:7: unexpected character ";"'],
    ['x = 1\0', '1:6: a configuration must not contain a NUL character'],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(TunnelError);
    expect(() => read(text)).toThrow(`lighttpd.conf:${message}`);
  });
});

describe('bounds', () => {
  /** The processor time of reading in microseconds, and the message of the error. */
  const cost = (text: string, options = {}): { spent: number; message: string } => {
    const from = process.cpuUsage();
    let message = '';
    try {
      read(text, options);
    } catch (error) {
      expect(error).toBeInstanceOf(TunnelError);
      message = (error as TunnelError).message;
    }
    return { spent: process.cpuUsage(from).user, message };
  };
  const ordinary = cost('x := 1\n'.repeat(140_000)).spent;
  /** Checks that reading costs at most a few ordinary texts of this length; quadratic reading would cost thousands. */
  const fast = (text: string, options = {}): string => {
    const { spent, message } = cost(text, options);
    expect(spent / ordinary).toBeLessThan(30);
    return message;
  };

  test('ten megabytes are refused quickly', () => {
    expect(fast('x'.repeat(10 * 1024 * 1024))).toMatch(
      /1:1: the configuration has more than 1048576 characters/,
    );
  });

  test.each([
    ['quotes', '"'.repeat(1_000_000)],
    ['escaped quotes', `x = "${'\\"'.repeat(500_000)}`],
    ['parentheses', `x = ${'('.repeat(1_000_000)}`],
    ['braces', '$HTTP["url"] == "/" {'.repeat(40_000)],
    ['commas', `x = ( 1 ${','.repeat(1_000_000)}`],
    ['sums', `x = 1${' + 1'.repeat(200_000)}`],
    ['newlines', '\n'.repeat(1_000_000)],
    ['hashes', '#'.repeat(1_000_000)],
    ['words', 'a'.repeat(1_000_000)],
    ['digits', `x = ${'9'.repeat(1_000_000)}`],
    ['variables', Array.from({ length: 80_000 }, (_, i) => `v${i} = ${i}`).join('\n')],
    ['list after list', 'server.modules += ( "a" )\n'.repeat(40_000)],
    ['strings that double', `x = "0123456789"\n${'x += x\n'.repeat(100)}`],
    ['lists that double', `x = ( 1, 2, 3, 4 )\n${'x += x\n'.repeat(100)}`],
    ['lists in lists', `x = ( 1 )\n${'x := ( x, x )\n'.repeat(60_000)}`],
    ['conditions', Array.from({ length: 20_000 }, (_, i) => `$HTTP["url"] == "/${i}" { }`).join('\n')],
    [
      'else',
      `$HTTP["url"] == "/" { }${Array.from({ length: 20_000 }, (_, i) => ` else $HTTP["url"] == "/${i}" { }`).join('')}`,
    ],
    ['wrong at the end', `${'x := 1\n'.repeat(140_000)}?`],
  ])('%s', (_, text) => {
    fast(text);
  });

  test('nesting is limited', () => {
    expect(fast('$HTTP["url"] == "/" {'.repeat(31) + '}'.repeat(31))).toMatch(
      /blocks are nested more than 30 deep/,
    );
    expect(fast(`x = ${'('.repeat(31)}${')'.repeat(31)}`)).toMatch(/lists are nested more than 30 deep/);
  });

  test('chains of else are limited', () => {
    const branch = (i: number) => `$HTTP["url"] == "/${i}" { wstunnel.balance = "hash" }`;
    const text = Array.from({ length: 900 }, (_, i) => branch(i)).join(' else ');
    expect(fast(text)).toBe('');
    expect(fast(`${text}\n${Array.from({ length: 101 }, (_, i) => branch(i + 1000)).join('\n')}`)).toMatch(
      /1000 conditions/,
    );
  });
});
