import type { TunnelFilter } from '../types.js';

/** A call of `end()` by data. */
export interface EndCall {
  readonly where: TunnelFilter;
  readonly code: number;
  readonly reason: string;
  /**
   * Milliseconds between the call and its arrival in the store. A call that was kept while the store was down must not end tunnels
   * opened since the call.
   */
  readonly age?: number;
}

/** A message between replicas. `from`: the address of the sender. */
export type Message =
  /** `end()` was called. `id`: of the stored end; `previous`: of the end before. */
  | {
      readonly kind: 'end';
      readonly from: string;
      readonly id: string;
      readonly previous: string;
      readonly at: number;
      readonly text: string;
    }
  /** A question to all replicas, or to the one that receives the message. */
  | {
      readonly kind: 'ask';
      readonly from: string;
      readonly question: string;
      readonly about: string;
      readonly data: unknown;
    }
  | { readonly kind: 'answer'; readonly from: string; readonly question: string; readonly data: unknown }
  /** By host: numbers of tunnels, and seconds for which hosts are still down. */
  | {
      readonly kind: 'hosts';
      readonly from: string;
      readonly loads: Record<string, number>;
      readonly down: Record<string, number>;
    }
  /** A replica has joined, and needs the loads and outages of hosts from the others. */
  | { readonly kind: 'hello'; readonly from: string }
  /** The store was emptied: each replica must join again, with its counts. */
  | { readonly kind: 'emptied'; readonly from: string }
  /** A replica leaves. */
  | { readonly kind: 'bye'; readonly from: string };

/** Fields of each kind that must be texts. */
const TEXTS: Record<Message['kind'], readonly string[]> = {
  end: ['id', 'previous', 'text'],
  ask: ['question', 'about'],
  answer: ['question'],
  hosts: [],
  hello: [],
  emptied: [],
  bye: [],
};

/** Undefined for any other text: other programs, or a later version of this package, may use the channel. */
export function readMessage(text: string): Message | undefined {
  const value = parse(text);
  if (!isRecord(value) || typeof value.kind !== 'string' || typeof value.from !== 'string') return undefined;
  if (!Object.hasOwn(TEXTS, value.kind)) return undefined;
  const texts = TEXTS[value.kind as Message['kind']];
  if (!texts.every((name) => typeof value[name] === 'string')) return undefined;
  if (value.kind === 'end' && typeof value.at !== 'number') return undefined;
  if (value.kind === 'hosts' && !(isNumbers(value.loads) && isNumbers(value.down))) return undefined;
  return value as unknown as Message;
}

/** Undefined for a text that is no call of `end()`. */
export function readEndCall(text: string): (EndCall & { readonly from: string }) | undefined {
  const value = parse(text);
  if (!isRecord(value) || !isFilter(value.where)) return undefined;
  const { where, code, reason, from, age } = value;
  if (typeof code !== 'number' || typeof reason !== 'string' || typeof from !== 'string') return undefined;
  return { where, code, reason, from, ...(typeof age === 'number' && age > 0 && { age }) };
}

/**
 * False for unknown fields, such as those of a later version of this package: the filter without these fields would select too many
 * tunnels.
 */
export function isFilter(value: unknown): value is TunnelFilter {
  const isKnown = ([name, one]: [string, unknown]) => FILTER_FIELDS.has(name) && typeof one === 'string';
  return isRecord(value) && Object.entries(value).every(isKnown);
}

const FILTER_FIELDS: ReadonlySet<string> = new Set(
  Object.keys({ id: true, user: true, address: true, backend: true, tunnel: true } satisfies Record<
    keyof TunnelFilter,
    true
  >),
);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is Record<string, number> {
  return isRecord(value) && Object.values(value).every((one) => Number.isFinite(one));
}
