import type { Place } from '../syntax/source.js';
import type { Operator } from '../syntax/tree.js';
import { foldCase, type Value } from './values.js';

/** A condition whose field and text are evaluated. */
export interface ConditionText extends Place {
  readonly object: string;
  readonly field: string;
  readonly operator: Operator;
  readonly text: string;
}

/** One assignment, with its place. */
export interface Setting extends Place {
  readonly name: string;
  readonly value: Value;
}

/** The body of a condition. The outermost block has no condition and no parent. */
export interface Block extends Place {
  readonly parent: Block | undefined;
  readonly condition: ConditionText | undefined;
  /** By name in lower case. */
  readonly settings: Map<string, Setting>;
  /** In the order of the source, without the branches after an `else`. */
  readonly children: Block[];
  /** By condition: a repeated condition continues its first block (`configparser_parse_condition`). */
  readonly known: Map<string, Block>;
  /** The branch after the `else` of this block. */
  next: Block | undefined;
}

/** A block and all blocks inside it, the outermost first. */
export function everyBlock(block: Block): Block[] {
  const blocks = [block];
  // A loop over a growing list, not recursion: a chain of else branches may be a thousand long.
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

/** The same key for two conditions that lighttpd considers equal: lighttpd compares conditions without case. */
export function conditionKey(
  condition: { object: string; field: string; operator: string; text: string } | undefined,
): string {
  if (!condition) return '';
  const { object, field, operator, text } = condition;
  return foldCase(JSON.stringify([object, field, operator, text]));
}
