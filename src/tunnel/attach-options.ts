import type { Server } from 'node:http';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import type { OptionRef } from '../options/checks/option-path.js';
import { checkBoolean } from '../options/checks/basic.js';
import type { AttachOptions } from '../types.js';
import type { Binding } from '../upgrade/servers/bindings.js';

/** Checks the first argument of `attach()`. */
export function checkServer(server: unknown): void {
  const { on, listeners } = (server ?? {}) as Partial<Server>;
  if (typeof on !== 'function' || typeof listeners !== 'function')
    fail('attach()', 'takes an http, https or http2 server, such as app.listen() returns', server);
}

/** Checks the options of `attach()`. */
export function readAttachOptions(options: AttachOptions): Binding {
  checkNames(options, 'attach()', { path: checkPaths, exclusive: checkBoolean });
  const { path, exclusive = false } = options;
  if (exclusive && path === undefined)
    fail('attach()', "exclusive needs the path that is the tunnel's alone", options);
  return { paths: path === undefined ? undefined : [path].flat(), exclusive };
}

function checkPaths(value: unknown, name: OptionRef): void {
  const paths: unknown[] = Array.isArray(value) ? value : [value];
  const isPath = (path: unknown) => typeof path === 'string' && path.startsWith('/');
  if (paths.length === 0 || !paths.every(isPath))
    fail(name, 'must be a path that begins with "/", or a list of such paths', value);
}
