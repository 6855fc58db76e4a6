#!/usr/bin/env node
import { backgroundIo } from './command/process/background.js';
import { processIo } from './command/process/io.js';
import { run } from './command/run.js';

void run(process.argv.slice(2), backgroundIo(processIo())).then((code) => {
  // At once, whatever is still open: a command that has said its end is over.
  process.exit(code);
});
