import type { TextMatch } from '../types.js';

type TextTest = (text: string) => boolean;

/** The comparison for a string of the options: literal, as a host, or as an address range. */
export type Comparison = (given: string) => TextTest;

export const exactly: Comparison = (given) => (text) => text === given;

/** Compares a Host as lighttpd does: if one of the two has no port, only the names are compared. The text must be in lower case. */
export const asHost: Comparison = (given) => {
  const wanted = given.toLowerCase();
  // Any text is accepted as a port: nginx compares the name alone.
  const portOf = (host: string) => /^(?:\[[^\]]*\]|[^:[\]]+)(:.*)$/.exec(host)?.[1] ?? '';
  const port = portOf(wanted);
  const name = wanted.slice(0, wanted.length - port.length);
  return (text) => {
    const textPort = portOf(text);
    const isName = text.slice(0, text.length - textPort.length) === name;
    return isName && (textPort === port || textPort === '' || port === '');
  };
};

/** All named parts must match. */
export function compileText(match: TextMatch, comparison: Comparison = exactly): TextTest {
  const anyOf = (entries: readonly (string | RegExp)[]): TextTest => {
    const tests = entries.map((entry) => (typeof entry === 'string' ? comparison(entry) : regExpTest(entry)));
    return (text) => tests.some((test) => test(text));
  };
  if (typeof match === 'string' || match instanceof RegExp) return anyOf([match]);
  if (isList(match)) return anyOf(match);
  const { equals, notEquals, matches, notMatches, startsWith, endsWith } = match;
  const tests: TextTest[] = [];
  if (equals !== undefined) tests.push(anyOf([equals].flat()));
  if (notEquals !== undefined) tests.push(not(anyOf([notEquals].flat())));
  if (matches) tests.push(regExpTest(matches));
  if (notMatches) tests.push(not(regExpTest(notMatches)));
  if (startsWith !== undefined) tests.push((text) => text.startsWith(startsWith));
  if (endsWith !== undefined) tests.push((text) => text.endsWith(endsWith));
  return (text) => tests.every((test) => test(text));
}

function regExpTest(pattern: RegExp): TextTest {
  return (text) => pattern.test(text);
}

function not(test: TextTest): TextTest {
  return (text) => !test(text);
}

function isList(match: TextMatch): match is readonly (string | RegExp)[] {
  return Array.isArray(match);
}
