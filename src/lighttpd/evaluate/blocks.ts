import type { Place } from '../syntax/source.js';
import type { Operator } from '../syntax/tree.js';
import { foldCase, type Value } from './values.js';

/** A condition with its texts worked out. */
export interface ConditionText extends Place {
  readonly object: string;
  readonly field: string;
  readonly operator: Operator;
  readonly text: string;
}

/** One assignment, and where. */
export interface Setting extends Place {
  readonly name: string;
  readonly value: Value;
}

/** What stands in a condition's braces; the outermost has no condition and no parent. */
export interface Block extends Place {
  readonly parent: Block | undefined;
  readonly condition: ConditionText | undefined;
  /** By name in lower case. */
  readonly settings: Map<string, Setting>;
  /** In their order, without those that follow an `else`. */
  readonly children: Block[];
  /** By condition: the same condition again is the same block (`configparser_parse_condition`). */
  readonly known: Map<string, Block>;
  /** The branch behind its `else`. */
  next: Block | undefined;
}

/** All of them, from the outermost on. */
export function everyBlock(block: Block): Block[] {
  const blocks = [block];
  // Grows on the way: an else may follow another a thousand times.
  for (const { children, next } of blocks) blocks.push(...children, ...(next ? [next] : []));
  return blocks;
}

export function newBlock(
  place: Place,
  parent: Block | undefined,
  condition: ConditionText | undefined,
): Block {
  const { source, offset } = place;
  return {
    ...{ source, offset, parent, condition, next: undefined },
    ...{ settings: new Map(), children: [], known: new Map() },
  };
}

export function conditionKey(
  condition: { object: string; field: string; operator: string; text: string } | undefined,
): string {
  if (!condition) return '';
  const { object, field, operator, text } = condition;
  return foldCase(JSON.stringify([object, field, operator, text]));
}
