import type { Place } from './source.js';

export type Expression = Place &
  (
    | { readonly kind: 'string'; readonly text: string }
    | { readonly kind: 'number'; readonly number: number }
    | { readonly kind: 'name'; readonly name: string }
    | { readonly kind: 'list'; readonly entries: readonly ListEntry[] }
    | { readonly kind: 'sum'; readonly parts: readonly Expression[] }
  );

export interface ListEntry {
  readonly key?: Expression;
  readonly value: Expression;
}

export type Operator = '==' | '!=' | '=~' | '!~' | '=^' | '=$';

/** `$HTTP["url"] =~ "..."`: the field `url` of the object `HTTP`. */
export interface ConditionSyntax extends Place {
  readonly object: string;
  readonly field: Expression;
  readonly operator: Operator;
  readonly value: Expression;
}

/** A block with its condition; a bare `else` has no condition. */
export interface Branch extends Place {
  readonly condition?: ConditionSyntax;
  readonly body: readonly Statement[];
}

export type Statement = Place &
  (
    | {
        readonly kind: 'assign';
        readonly name: string;
        readonly operator: '=' | '+=' | ':=';
        readonly value: Expression;
      }
    | { readonly kind: 'include'; readonly path: Expression }
    | { readonly kind: 'include_shell' }
    | { readonly kind: 'global'; readonly body: readonly Statement[] }
    | { readonly kind: 'branches'; readonly branches: readonly Branch[] }
  );
