import { noTotals, type AdminTotals, type AdminTunnel } from './admin-state.js';
import { isQuery, type AdminQuery } from './query.js';
import { shortened } from './shortened.js';

/** The result of one query in one process. */
export interface QueryResult {
  readonly matching: number;
  readonly rows: readonly AdminTunnel[];
}

/** A question to other processes. `most`: limit of rows for each query. */
export interface PeerQuestion {
  readonly queries: readonly AdminQuery[];
  readonly most: number;
}

/** `results`: in the order of the queries. */
export interface PeerAnswer {
  readonly totals: AdminTotals;
  readonly results: readonly QueryResult[];
}

/** Limit of queries in a question. */
export const MOST_QUERIES = 32;

/** Undefined for a question of a version with other queries. */
export function readQuestion(data: unknown): PeerQuestion | undefined {
  const { queries, most } = recordOf(data);
  if (!Array.isArray(queries) || queries.length > MOST_QUERIES || !queries.every(isQuery)) return undefined;
  if (typeof most !== 'number' || !(most >= 0)) return undefined;
  return { queries, most };
}

/** Undefined for an answer of a version without the admin page. `replica`: the name of the process. */
export function readAnswer(data: unknown, replica: string, most: number): PeerAnswer | undefined {
  const { totals, results } = recordOf(data);
  if (!Array.isArray(results)) return undefined;
  return {
    totals: readTotals(totals),
    results: (results as unknown[]).map((result) => {
      const { matching, rows } = recordOf(result);
      const list = Array.isArray(rows) ? (rows as unknown[]).slice(0, most) : [];
      return {
        matching: numberOf(matching),
        rows: list.map((row) => readRow(row, replica)).filter((row) => row !== undefined),
      };
    }),
  };
}

function readTotals(data: unknown): AdminTotals {
  const given = recordOf(data);
  return {
    ...noTotals(),
    open: numberOf(given.open),
    opened: numberOf(given.opened),
    bytesIn: numberOf(given.bytesIn),
    bytesOut: numberOf(given.bytesOut),
    received: numberOf(given.received),
    sent: numberOf(given.sent),
    refused: countsOf(given.refused),
    closed: countsOf(given.closed),
  };
}

function readRow(data: unknown, replica: string): AdminTunnel | undefined {
  const { id, name, user, address, url, backend, roundTrip, ...numbers } = recordOf(data);
  if (typeof id !== 'string' || typeof address !== 'string') return undefined;
  return {
    id: shortened(id),
    name: typeof name === 'string' ? name : null,
    ...(typeof user === 'string' && { user: shortened(user) }),
    address: shortened(address),
    url: typeof url === 'string' ? shortened(url) : '',
    backend: typeof backend === 'string' ? shortened(backend) : '',
    since: numberOf(numbers.since),
    bytesIn: numberOf(numbers.bytesIn),
    bytesOut: numberOf(numbers.bytesOut),
    received: numberOf(numbers.received),
    sent: numberOf(numbers.sent),
    ...(typeof roundTrip === 'number' && { roundTrip }),
    queued: numberOf(numbers.queued),
    ...(numbers.viewOnly === true && { viewOnly: true as const }),
    replica,
  };
}

function recordOf(data: unknown): Record<string, unknown> {
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function countsOf(data: unknown): Record<string, number> {
  return Object.fromEntries(Object.entries(recordOf(data)).map(([key, value]) => [key, numberOf(value)]));
}
