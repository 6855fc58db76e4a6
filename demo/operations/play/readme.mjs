import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { promisify } from 'node:util';
import { PATIENCE } from './patience.mjs';
import { FOLDER } from './namespace.mjs';

const run = promisify(execFile);

/** The command blocks of README.md, by the name in the comment before each block: `<!-- play: NAME -->`. */
export function readBlocks(text) {
  const blocks = [...text.matchAll(/^<!-- play: (.+) -->\n\n```sh\n([^`]*)```$/gm)];
  return new Map(blocks.map(([, name, commands]) => [name, commands]));
}

/** Runs the command blocks of README.md unchanged. */
export class Readme {
  #blocks = readBlocks(readFileSync(`${FOLDER}/README.md`, 'utf8'));
  #left = new Set(this.#blocks.keys());

  get left() {
    return [...this.#left];
  }

  /** Runs a block in the folder of README.md; resolves to its output. */
  async run(name, env = {}) {
    const commands = this.#blocks.get(name);
    if (commands === undefined) throw new Error(`README.md has no block "${name}"`);
    this.#left.delete(name);
    const options = { cwd: FOLDER, timeout: 60_000 * PATIENCE, env: { ...process.env, ...env } };
    const { stdout, stderr } = await run('sh', ['-eu', '-c', commands], options).catch((error) => {
      throw new Error(
        `README.md, block "${name}": ${error.killed ? 'took too long' : error.stderr || error.message}`,
      );
    });
    return { stdout, stderr };
  }
}
