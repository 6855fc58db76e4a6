import { readTextFile } from '../../files.js';
import type { Config } from './config.js';
import { readJsonConfig } from './config-json.js';
import { readLighttpdConfig } from './config-lighttpd.js';

/** Reads JSON or lighttpd's own language: by the file's extension, else by the first character. */
export function readConfig(file: string, ignore: readonly string[]): Config {
  const text = readTextFile(file);
  const isJson = /\.jsonc?$/i.test(file) || (!/\.conf$/i.test(file) && /^\s*[{/]/.test(text));
  return isJson ? readJsonConfig(text, file) : readLighttpdConfig(text, file, ignore);
}
