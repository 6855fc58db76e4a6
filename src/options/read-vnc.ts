import type { IncomingMessage } from 'node:http';
import type { RuleOptions, VncOptions } from '../types.js';
import { checkBoolean, checkText, seconds } from './checks/basic.js';
import { fail } from './checks/fail.js';
import { checkNames } from './checks/names.js';
import { optionError } from './checks/option-error.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';
import { UNSET_VARIABLE } from './host-options.js';

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
  checkVncOptions(value, name, 'a function of the request');
  if (Object.hasOwn(value as object, 'password') && (value as VncOptions).password === undefined)
    throw optionError(OptionPath.of(name).key('password'), `is undefined${UNSET_VARIABLE}`);
}

function checkVncOptions(value: unknown, name: OptionRef, otherwise: string): void {
  if (typeof value !== 'object' || value === null || !hasOptions(value))
    throw optionError(name, `must be an object such as { password, viewOnly }, or ${otherwise}`);
  checkNames(value, name, CHECKS);
  const { password, username } = value as VncOptions;
  if (username !== undefined && password === undefined)
    fail(OptionPath.of(name).key('username'), 'needs the option password', username);
}

/** A promise, a Map or a list has none of the options: read as options, it would be no restriction. */
function hasOptions(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // Of another realm, such as Jest's, a plain object has another prototype, whose prototype is null as well.
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain || Object.keys(CHECKS).some((key) => key in value);
}

function checkPassword(value: unknown, name: OptionRef): void {
  const fault = typeof value === 'function' ? undefined : passwordFault(value);
  if (fault !== undefined) throw optionError(name, `${fault}, or a function that returns one`);
}

/** What is wrong with the value in place of a password. The text does not contain the value. */
export function passwordFault(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '')
    return `must be a text that is not empty (got ${value === '' ? 'an empty text' : kindOf(value)})`;
  // The last byte of a file, which nobody types. Within the first 8 characters it makes another password.
  if (/[\r\n]/.test(value)) return 'must be a text without a line break, such as text.trim()';
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
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
  checkVncOptions(given, 'the result of vnc()', 'undefined');
  return new VncSettings(given);
}
