import type { IncomingMessage } from 'node:http';
import type { RuleOptions, VncOptions } from '../types.js';
import { checkBoolean, checkText, seconds } from './checks/basic.js';
import { fail } from './checks/fail.js';
import { checkNames } from './checks/names.js';
import { optionError } from './checks/option-error.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';

type Password = NonNullable<VncOptions['password']>;

const CHECKS = {
  password: checkPassword,
  username: checkText,
  viewOnly: checkBoolean,
  inputIdleTimeout: seconds(0, 86_400),
} as const satisfies Record<keyof VncOptions, unknown>;

/** The option `vnc` as an object, with its defaults. A printed object, or one as JSON, does not show the password. */
export class VncSettings {
  readonly username: string;
  readonly viewOnly: boolean;
  readonly inputIdleTimeout: number;
  readonly #password: Password | undefined;

  constructor({ password, username = '', viewOnly = false, inputIdleTimeout = 0 }: VncOptions) {
    this.#password = password;
    this.username = username;
    this.viewOnly = viewOnly;
    this.inputIdleTimeout = inputIdleTimeout;
    Object.freeze(this);
  }

  get hasPassword(): boolean {
    return this.#password !== undefined;
  }

  /** The password; undefined if the page logs in by itself. */
  askPassword(signal: () => AbortSignal): unknown {
    return typeof this.#password === 'function' ? this.#password(signal()) : this.#password;
  }
}

/** The option after reading. */
export type VncSetting<Req extends IncomingMessage> =
  VncSettings | Extract<RuleOptions<Req>['vnc'], CallableFunction>;

/** No message has a value: a text in place of the object is most likely the password. */
export function checkVnc(value: unknown, name: OptionRef): void {
  if (typeof value === 'function') return;
  checkVncOptions(value, name);
}

function checkVncOptions(value: unknown, name: OptionRef): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw optionError(name, 'must be an object such as { password, viewOnly }, or a function of the request');
  checkNames(value, name, CHECKS);
  const { password, username } = value as VncOptions;
  if (username !== undefined && password === undefined)
    fail(OptionPath.of(name).key('username'), 'needs the option password', username);
}

function checkPassword(value: unknown, name: OptionRef): void {
  if (typeof value === 'function' || (typeof value === 'string' && value !== '')) return;
  throw optionError(name, 'must be a text that is not empty, or a function that returns one');
}

/** Reads a checked option. */
export function readVnc<Req extends IncomingMessage>(
  given: NonNullable<RuleOptions<Req>['vnc']>,
): VncSetting<Req> {
  return typeof given === 'function' ? given : new VncSettings(given);
}

/** Checks and reads the result of a function `vnc`. Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readVncResult(given: unknown): VncSettings | undefined {
  if (given === undefined || given === null) return undefined;
  checkVncOptions(given, 'the result of vnc()');
  return new VncSettings(given);
}
