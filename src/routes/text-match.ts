import type { TextMatch } from '../types.js';

export type TextTest = (text: string) => boolean;

/** How a given string is compared: as it is, as a host, as an address range. */
export type Comparison = (given: string) => TextTest;

export const exactly: Comparison = (given) => (text) => text === given;

/**
 * A Host as lighttpd compares it: where one of the two has no port, the names must be equal. The text is in lower case, as
 * lighttpd makes it.
 */
export const asHost: Comparison = (given) => {
  const wanted = given.toLowerCase();
  // Whatever it is: nginx looks at the name alone.
  const portOf = (host: string) => /^(?:\[[^\]]*\]|[^:[\]]+)(:.*)$/.exec(host)?.[1] ?? '';
  const port = portOf(wanted);
  const name = wanted.slice(0, wanted.length - port.length);
  return (text) => {
    const own = portOf(text);
    const isName = text.slice(0, text.length - own.length) === name;
    return isName && (own === port || own === '' || port === '');
  };
};

/** All that is named must hold. */
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
