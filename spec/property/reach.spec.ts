import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Rule, TunnelOptions } from '../../src/index.js';
import { readOptions } from '../../src/options/read-tunnel.js';
import { match, reachOfPath } from '../../src/tunnel/route.js';

const TICKET = `ticket=wst_${'A'.repeat(43)}`;
const HOST = { port: 5900 };

const url = fc.constantFrom('/a', '/a/b', '/c');
const server = fc.constantFrom<TunnelOptions['server']>(HOST, { '/a': HOST }, { '.x': HOST });
const tickets = fc.constantFrom('accept' as const, 'require' as const);
const fields = { url, server, tickets, when: fc.constant({ headers: { 'x-rule': 'yes' } }) };

const rule: fc.Arbitrary<Rule> = fc.record(
  {
    ...fields,
    rules: fc.array(fc.record(fields, { requiredKeys: [] }), { maxLength: 2 }),
    else: fc.record(fields, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
) as never;

const options: fc.Arbitrary<TunnelOptions> = fc.record(
  { url, server, tickets, rules: fc.array(rule, { maxLength: 3 }) },
  { requiredKeys: [] },
) as never;

test('an upgrade goes to the app if the options may lead it to the tunnel, and is certain only if they must', () => {
  const path = fc.constantFrom('/a', '/a/b', '/c', '/d.x');
  const query = fc.constantFrom('', 'ticket=ST-1', TICKET);
  const property = fc.property(options, path, query, fc.boolean(), (given, target, search, isMarked) => {
    const settings = readOptions(given);
    const headers = isMarked ? { 'x-rule': 'yes' } : {};
    const req = { url: `${target}?${search}`, headers, socket: {} } as unknown as IncomingMessage;
    const isFound = match(settings, req, target) !== undefined;
    const reach = reachOfPath(settings, target, search);
    if (isFound) expect(reach).not.toBe('no');
    else expect(reach).not.toBe('yes');
  });
  fc.assert(property, { numRuns: Number(process.env.RUNS ?? 3000) });
});
