import type { Block } from './blocks.js';
import type { TunnelError } from '../../errors.js';
import { errorAt, failAt, type Place } from '../syntax/source.js';
import type { Expression } from '../syntax/tree.js';
import { addValues, foldCase, listValue, textOf, type ValueEntry, type Value } from './values.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of an expression inside a block. */
export function evaluateExpression(expression: Expression, block: Block, environment: Environment): Value {
  const { source, offset } = expression;
  const place = { source, offset };
  switch (expression.kind) {
    case 'string':
      return { ...place, kind: 'string', text: expression.text };
    case 'number':
      return { ...place, kind: 'number', number: expression.number };
    case 'name':
      return { ...valueOfName(fullName(expression.name), place, block, environment), ...place };
    case 'list':
      return listValue(
        place,
        expression.entries.map(({ key, value }): ValueEntry => {
          const one = evaluateExpression(value, block, environment);
          return key
            ? { key: textOf(evaluateExpression(key, block, environment)), value: one }
            : { value: one };
        }),
      );
    case 'sum':
      return expression.parts.map((part) => evaluateExpression(part, block, environment)).reduce(addValues);
  }
}

function valueOfName(name: string, place: Place, block: Block, environment: Environment): Value {
  if (name.startsWith('env.')) {
    const key = name.slice('env.'.length);
    // A value that is not a string is inherited from Object.prototype, such as `constructor`.
    const text = environment[key];
    if (typeof text !== 'string') return failAt(place, `the environment variable ${key} is not set`);
    return { ...place, kind: 'string', text };
  }
  const value = findValue(foldCase(name), block);
  if (value) return value;
  const error = errorAt(place, `${name} has no value yet`);
  missingVariables.set(error, foldCase(name));
  throw error;
}

const missingVariables = new WeakMap<TunnelError, string>();

/** The name of the variable, if the error is about a variable without a value. */
export function missingVariableOf(error: TunnelError): string | undefined {
  return missingVariables.get(error);
}

/** The value of a setting in this block, else in the nearest enclosing block. */
export function findValue(key: string, block: Block): Value | undefined {
  for (let one: Block | undefined = block; one; one = one.parent) {
    const setting = one.settings.get(key);
    if (setting) return setting.value;
  }
  return undefined;
}

/** lighttpd's `key`: a name without a dot is a variable. */
export function fullName(name: string): string {
  return name.includes('.') ? name : `var.${name}`;
}
