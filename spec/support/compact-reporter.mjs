// The reporter of `npm test`: a line for each folder, each failure in full, and the missing programs.
import { writeSync } from 'node:fs';
import process from 'node:process';
import { MinimalReporter } from 'vitest/node';

const ROOM = /^spec\/([^/]+)\//;

export default class CompactReporter extends MinimalReporter {
  #rooms = new Map();
  #missing = new Set();

  printTestModule(module) {
    const [, name = '?'] = ROOM.exec(module.relativeModuleId) ?? [];
    const room = this.#rooms.get(name) ?? { files: 0, tests: 0, failed: 0, skipped: 0, milliseconds: 0 };
    this.#rooms.set(name, room);
    const tests = [...module.children.allTests()];
    room.files++;
    room.tests += tests.length;
    for (const state of ['failed', 'skipped'])
      room[state] += tests.filter((test) => test.result().state === state).length;
    room.milliseconds += module.diagnostic().duration;
    const done = [...this.#rooms.values()].reduce((sum, { files }) => sum + files, 0);
    if (process.stdout.isTTY) writeSync(1, `\r${done} files `);
  }

  /** Drops the output of tests, except the lines about missing programs. */
  onUserConsoleLog({ content }) {
    if (content.startsWith('missing: ')) this.#missing.add(content.trim());
  }

  onTestRunEnd(modules, errors, reason) {
    if (process.stdout.isTTY) writeSync(1, '\r');
    for (const [name, { files, tests, failed, skipped, milliseconds }] of [...this.#rooms].sort()) {
      const seconds = Math.round(milliseconds / 1000);
      const counts = `${files} files, ${tests} tests, ${failed} failed, ${skipped} skipped, ${seconds} s`;
      this.log(`  ${name.padEnd(12)} ${counts}`);
    }
    for (const line of this.#missing) this.log(`  ${line}`);
    super.onTestRunEnd(modules, errors, reason);
  }
}
