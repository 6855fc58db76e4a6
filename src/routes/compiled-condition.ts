import type { IncomingMessage } from 'node:http';
import { compileAddresses, isListed } from '../request/client-address.js';
import { queryOf } from '../request/path.js';
import { isSecure } from '../request/proxy-trust.js';
import type { Condition } from '../types.js';
import { asHost, compileText, type Comparison } from './text-match.js';

/** The request data that a condition tests. */
export interface ConditionInput {
  readonly req: IncomingMessage;
  /** The path within the mount, without query, undecoded. */
  readonly path: string;
  /** The client's address. A function, since few conditions need the address; may throw. */
  readonly address: () => string;
}

export type ConditionTest = (input: ConditionInput) => boolean;

/** An invalid address (the client of a unix socket has no address) is in no range. */
const asAddresses: Comparison = (given) => {
  const list = compileAddresses([given]);
  return (address) => isListed(address, list, false);
};

/** All named parts must match (lighttpd: nested conditions). */
export function compileCondition(condition: Condition): ConditionTest {
  const tests: ConditionTest[] = [];
  const { url, host, remoteAddress, query, scheme, localPort, headers = {}, all, any, not } = condition;
  const add = (text: (input: ConditionInput) => string, test: (text: string) => boolean) =>
    tests.push((input) => test(text(input)));

  if (scheme !== undefined) tests.push(({ req }) => (isSecure(req) ? 'https' : 'http') === scheme);
  if (localPort !== undefined) {
    const ports: readonly unknown[] = [localPort].flat();
    tests.push(({ req }) => ports.includes(req.socket.localPort));
  }
  if (url !== undefined) add(({ path }) => path, compileText(url));
  if (host !== undefined) add(({ req }) => hostOf(req), compileText(host, asHost));
  if (query !== undefined) add(({ req }) => queryOf(req), compileText(query));
  for (const [name, match] of Object.entries(headers))
    add(({ req }) => headerOf(req, name.toLowerCase()), compileText(match));
  if (remoteAddress !== undefined) add(({ address }) => address(), compileText(remoteAddress, asAddresses));

  if (all) tests.push(...all.map(compileCondition));
  if (any) {
    const some = any.map(compileCondition);
    tests.push((input) => some.some((test) => test(input)));
  }
  if (not) {
    const inner = compileCondition(not);
    tests.push((input) => !inner(input));
  }
  return (input) => tests.every((test) => test(input));
}

/** The Host without a final dot and without an empty port: nginx treats both spellings as the same name, and forwards them unchanged. */
function hostOf({ headers }: IncomingMessage): string {
  return (headers.host ?? '')
    .toLowerCase()
    .replace(/^([^:[\]]*[^.:[\]])\.(?=:|$)/, '$1')
    .replace(/:$/, '');
}

function headerOf({ headers }: IncomingMessage, name: string): string {
  // Excludes names such as `constructor`, which every object has.
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
}
